package router

import (
	"slices"
	"strings"
)

// place is where traffic of an allow line comes from or goes to.
type place uint8

const (
	atUplink place = 1 << iota
	atLAN
	atForeign
	atRouter
)

// allowance is a line of the allow list with its names resolved.
type allowance struct {
	Allow
	in, out string // devices; out is "" for the router
}

// allowed returns the lines of the allow list that lead from one of the
// places to one of the others, in order. Names that mean nothing are left out.
func (b *builder) allowed(from, to place) []allowance {
	var list []allowance
	for _, a := range b.Firewall.Allow {
		in, source := b.place(a.From)
		out, target := b.place(a.To)
		if source&from != 0 && target&to != 0 && a.sound() {
			list = append(list, allowance{a, in, out})
		}
	}
	return list
}

// place resolves a name of the allow list to a device and its kind; kind 0
// means that there is no such place (now).
func (b *builder) place(name string) (device string, kind place) {
	if name == "router" {
		return "", atRouter
	}
	if u, ok := b.uplink(name); ok {
		if u.Device == "" {
			return "", 0
		}
		return u.Device, atUplink
	}
	if i := slices.IndexFunc(b.lans, func(l lan) bool { return l.Name == name }); i >= 0 {
		return b.lans[i].Device, atLAN
	}
	if device, ok := strings.CutPrefix(name, "dev:"); ok && nameable(device) {
		return device, atForeign
	}
	return "", 0
}

// sound reports whether the line says something that can be matched; a line
// that cannot must not open more than it says.
func (a Allow) sound() bool {
	switch a.Proto {
	case "tcp", "udp":
		return a.PortEnd == 0 || a.PortEnd >= a.Port && a.Port != 0
	case "", "icmp":
		return a.Port == 0 && a.PortEnd == 0
	}
	return false
}

// rule is the line as rules: two where "icmp" means both families.
func (a allowance) rule() []Rule {
	r := Rule{iif(a.in)}
	if a.out != "" {
		r = append(r, oif(a.out))
	}
	if a.Src.IsValid() && a.Src.Bits() > 0 {
		r = append(r, Addr{Prefix: a.Src})
	}
	if a.Proto == "icmp" {
		return a.icmp(r)
	}
	switch {
	case a.Port != 0:
		r = append(r, Port{Proto: a.Proto, Dst: true, Lo: a.Port, Hi: max(a.Port, a.PortEnd)})
	case a.Proto != "":
		r = append(r, L4Proto(a.Proto))
	}
	return []Rule{append(r, accept)}
}

func (a allowance) icmp(r Rule) []Rule {
	var rules []Rule
	if !a.Src.IsValid() || a.Src.Addr().Is4() {
		rules = append(rules, append(slices.Clone(r), L4Proto("icmp"), accept))
	}
	if !a.Src.IsValid() || a.Src.Addr().Is6() {
		rules = append(rules, append(slices.Clone(r), L4Proto("ipv6-icmp"), accept))
	}
	return rules
}
