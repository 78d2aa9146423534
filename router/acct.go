package router

import (
	"fmt"
	"slices"
	"strings"
)

// CounterUp names the counter of packets that LANs send to an uplink and that
// ask for an answer: flows answered before, and SYNs.
func CounterUp(uplink string) string { return "n_" + identifier(uplink) + "_up" }

// CounterDown names the counter of packets that an uplink forwards to us.
func CounterDown(uplink string) string { return "n_" + identifier(uplink) + "_down" }

// identifier writes a name with what nft's text takes in a word. A slash
// starts two hex digits, so different names stay different.
func identifier(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "/%02x", c)
		}
	}
	return b.String()
}

// acct is inet luatnetd_acct: never replaced, or its numbers would be lost. It
// counts and judges nothing.
func (b *builder) acct() Table {
	t := Table{Name: AcctName, Sets: []Set{{Name: setLAN, Type: TypeIfName, Elements: quoteAll(b.lanDevices())}}}
	var rules []Rule
	for _, u := range b.ups {
		t.Counters = append(t.Counters, CounterUp(u.Name), CounterDown(u.Name))
		if u.Device == "" {
			continue
		}
		up, down := Counter{CounterUp(u.Name)}, Counter{CounterDown(u.Name)}
		rules = append(rules,
			Rule{iifSet(setLAN), oif(u.Device), StateEstablished, up},
			Rule{iifSet(setLAN), oif(u.Device), TCPFlags{Mask: FlagSYN | FlagACK, Value: FlagSYN}, up},
			Rule{iif(u.Device), down})
	}
	slices.Sort(t.Counters)
	hook := hookAcct
	t.Chains = []Chain{{Name: "c_acct", Hook: &hook, Rules: rules}}
	return t
}
