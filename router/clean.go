package router

import (
	"maps"
	"slices"
	"strings"
)

// Clean returns the operations that take away everything that is ours, for
// on_stop = "clean": forwarding of our devices first, the firewall last, so
// that nothing passes unjudged in between. Old sysctl values and MTUs are put back
// where they are known. Forwarding that was on before us, in a memory that is
// there, stays on.
func Clean(have Have) []Op {
	ops := CleanForwarding(have)
	now := maps.Clone(have.Sysctls)
	for _, op := range ops {
		if set, ok := op.(SetSysctl); ok {
			now[set.Key] = set.Value
		}
	}
	for _, r := range slices.Backward(have.Main) {
		ops = append(ops, DelRoute{r})
	}
	for _, r := range lastFirst(have.Rules) {
		ops = append(ops, DelRule{r})
	}
	for _, r := range slices.Backward(have.Routes) { // connected ones were added first
		ops = append(ops, DelRoute{r})
	}
	for _, a := range have.Addrs {
		ops = append(ops, DelAddr{a})
	}
	for _, name := range slices.Sorted(maps.Keys(have.MTUs)) {
		ops = append(ops, SetMTU{name, have.MTUs[name]})
	}
	for _, name := range have.Made {
		if slices.Contains(have.Devices, name) {
			ops = append(ops, DelLink{name})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(have.Sysctls)) {
		gone := slices.ContainsFunc(have.Made, func(name string) bool { return strings.Contains(path, "/"+name+"/") })
		if original, ok := have.Original[path]; ok && !gone && original != now[path] {
			ops = append(ops, SetSysctl{Sysctl{Key: path, Value: original}})
		}
	}
	if have.Table != nil {
		ops = append(ops, DelTable{TableName})
	}
	if have.Acct != nil {
		ops = append(ops, DelTable{AcctName})
	}
	return ops
}

// CleanForwarding returns the first operations of Clean, after which no device
// of ours forwards.
func CleanForwarding(have Have) []Op {
	var ops []Op
	for _, path := range slices.Sorted(maps.Keys(have.Sysctls)) {
		original, written := have.Original[path]
		before := have.Original != nil && (!written || original == "1")
		if isForwarding(path) && have.Sysctls[path] == "1" && !before {
			ops = append(ops, SetSysctl{Sysctl{Key: path, Value: "0"}})
		}
	}
	return ops
}
