package hub

import "slices"

// allowed reports whether the routes let something go from one name to another.
func allowed(routes []Route, from, to string) bool {
	if len(routes) == 0 {
		return true
	}
	for _, r := range routes {
		if match(r.From, from) && match(r.To, to) {
			return true
		}
	}
	return false
}

func match(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

func without(list []string, name string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == name })
}
