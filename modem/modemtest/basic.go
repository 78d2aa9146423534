package modemtest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

var basicCommands = map[string]handler{
	"":   func(*call) result { return ok() },
	"E":  func(k *call) result { return k.flag(&k.l.echo, true) },
	"V":  func(k *call) result { return k.flag(&k.l.numeric, false) },
	"Q":  func(k *call) result { return k.flag(&k.l.quiet, true) },
	"Z":  func(k *call) result { k.l.defaults(); return ok() },
	"&F": func(k *call) result { k.l.defaults(); return ok() },
	"&C": func(*call) result { return ok() }, "&D": func(*call) result { return ok() },
	"&W": func(*call) result { return ok() }, "&V": func(*call) result { return ok() },
	"X": func(*call) result { return ok() }, "L": func(*call) result { return ok() },
	"M": func(*call) result { return ok() }, "S0": func(*call) result { return ok() },
	"S3": func(*call) result { return ok() }, "S7": func(*call) result { return ok() },
	"+CMEE":  cmee,
	"+IPR":   func(k *call) result { return k.readable("+IPR: 115200") },
	"+IFC":   func(k *call) result { return k.readable("+IFC: 0,0") },
	"+CGMI":  func(k *call) result { return ok(k.m.pers.Manufacturer) },
	"+CGMM":  func(k *call) result { return ok(k.m.pers.Product) },
	"+CGMR":  func(*call) result { return ok("V1.0") },
	"+CGSN":  func(k *call) result { return ok(k.m.imei) },
	"+GSN":   func(k *call) result { return ok(k.m.imei) },
	"I":      func(k *call) result { return ok(k.m.pers.Manufacturer, k.m.pers.Product, "Revision: V1.0") },
	"+GCAP":  func(*call) result { return ok("+GCAP: +CGSM") },
	"+RESET": func(k *call) result { return k.unknown() },
}

// flag sets E, V or Q: set when its number is 1 (E, Q) or 0 (V).
func (k *call) flag(to *bool, one bool) result {
	switch k.arg {
	case "0", "":
		*to = !one
	case "1":
		*to = one
	default:
		return bad()
	}
	return ok()
}

func (k *call) readable(line string) result {
	if k.op == "?" {
		return ok(line)
	}
	return ok()
}

func cmee(k *call) result {
	switch k.op {
	case "?":
		return okf("+CMEE: %d", k.l.cmee)
	case "=?":
		return ok("+CMEE: (0-2)")
	}
	k.l.cmee = min(max(k.num(0, 0), 0), 2)
	return ok()
}

// do finds who answers: fault, personality's words, its sets, the standard.
func (k *call) do() result {
	m := k.m
	text := k.name + k.op
	if k.op == "=" {
		text += k.arg
	} else if k.op == "" {
		text += k.arg
	}
	for _, key := range []string{text, k.name + "*"} {
		if words, ok := m.pers.Answers[key]; ok {
			return k.words(words)
		}
	}
	if slices.Contains(m.pers.Missing, k.name) {
		return k.unknown()
	}
	for _, set := range m.pers.Sets {
		if h, ok := vendorSets[set][k.name]; ok {
			return h(k)
		}
	}
	for _, table := range []map[string]handler{basicCommands, simCommands, netCommands, pdpCommands, smsCommands} {
		if h, ok := table[k.name]; ok {
			return h(k)
		}
	}
	return k.unknown()
}

// words is an answer written in the personality: lines with {fields}; a first
// line that is an error ends it, a line after "OK" comes late.
func (k *call) words(words string) result {
	var r result
	late := false
	for line := range strings.SplitSeq(k.m.expandLocked(words), "\n") {
		switch {
		case line == "OK":
			late = true
		case strings.HasPrefix(line, "HEARD?"):
			if !k.m.heardLocked() {
				if line == "HEARD?" {
					return ok()
				}
				return ok(strings.TrimPrefix(line, "HEARD?"))
			}
		case line == "SIM?":
			if code := k.m.simErrorLocked(); code != 0 {
				return k.cme(code)
			}
		case line == "ERROR", strings.HasPrefix(line, "+CME ERROR:"), line == "COMMAND NOT SUPPORT":
			r.err = line
		case late:
			r.late = append(r.late, line)
		case line != "":
			r.lines = append(r.lines, line)
		}
	}
	return r
}

// Commands names every command that a personality knows, sorted.
func (p Personality) Commands() []string {
	all := map[string]bool{}
	for _, table := range []map[string]handler{basicCommands, simCommands, netCommands, pdpCommands, smsCommands} {
		for name := range maps.Keys(table) {
			all[name] = true
		}
	}
	for _, set := range p.Sets {
		for name := range vendorSets[set] {
			all[name] = true
		}
	}
	for _, name := range p.Missing {
		delete(all, name)
	}
	return slices.Sorted(maps.Keys(all))
}

// reset answers and leaves the bus; a boot follows.
func (k *call) reset() result {
	k.m.count.Resets++
	return result{after: func() { k.m.rebootLocked(300*time.Millisecond, "reset") }}
}
