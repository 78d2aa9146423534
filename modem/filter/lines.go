package filter

import "strings"

// Lines are the information lines that the library gives back, as the modem
// wrote them. Where a prefix is wanted, lines of others are left out; a line
// without any stays where it can be a part of the answer: after the first one
// with the prefix (the PDU of +CMGR), or where there is none (the bare digits of
// +CGSN).
func Lines(info []string, prefix string) []string {
	var lines, bare []string
	prefix = strings.ToUpper(prefix)
	for _, s := range info {
		s = strings.TrimPrefix(s, " ")
		switch p := Prefix(s); {
		case prefix == "" || same(prefix, p) || registration(prefix) && registration(p) ||
			strings.HasPrefix(strings.ToUpper(s), prefix+":"):
			lines = append(lines, s)
		case p != "": // another's
		case lines != nil:
			lines = append(lines, s)
		default:
			bare = append(bare, s)
		}
	}
	if lines == nil {
		return bare
	}
	return lines
}
