package netif

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"luatnetd/internal/order"
)

// ChangeKind says what a Change is about.
type ChangeKind string

// The kinds of changes, in the order in which Delta lists them.
const (
	LinkAdded    ChangeKind = "link-added"
	LinkRemoved  ChangeKind = "link-removed"
	LinkRenamed  ChangeKind = "link-renamed"
	LinkCarrier  ChangeKind = "link-carrier" // lost or regained
	LinkAdmin    ChangeKind = "link-admin"   // switched on or off
	LinkChanged  ChangeKind = "link-changed" // MTU, hardware address, bridge
	AddrAdded    ChangeKind = "address-added"
	AddrRemoved  ChangeKind = "address-removed"
	RouteAdded   ChangeKind = "route-added"
	RouteRemoved ChangeKind = "route-removed"
	RuleAdded    ChangeKind = "rule-added"
	RuleRemoved  ChangeKind = "rule-removed"
)

// Change is one difference between two snapshots, told in a sentence.
type Change struct {
	Kind ChangeKind
	Link string // name of the device concerned, in the newer snapshot if it is there; may be empty
	Text string // "eth0 lost its carrier"
}

func (c Change) String() string { return c.Text }

// Equal reports whether a and b say the same. A nil snapshot equals only nil.
func (s *Snapshot) Equal(o *Snapshot) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Foreign == o.Foreign && slices.Equal(s.Links, o.Links) && slices.Equal(s.Addrs, o.Addrs) &&
		slices.Equal(s.Routes, o.Routes) && slices.Equal(s.Rules, o.Rules) && slices.Equal(s.Facts, o.Facts)
}

// Delta lists what changed from old to new, which may be nil (nothing known).
// The order is fixed: links, then addresses, routes and rules.
func Delta(old, new *Snapshot) []Change {
	if old == nil {
		old = &Snapshot{}
	}
	if new == nil {
		new = &Snapshot{}
	}
	list := linkDelta(old, new)
	gone, come := difference(old.Addrs, new.Addrs)
	list = appendEach(list, AddrRemoved, old, gone, Addr.link, describeAddr, "was removed")
	list = appendEach(list, AddrAdded, new, come, Addr.link, describeAddr, "was added")
	oldRoutes, newRoutes := routesAsSet(old), routesAsSet(new)
	lost, won := difference(oldRoutes, newRoutes)
	list = appendEach(list, RouteRemoved, old, lost, Route.link, describeRoute, "was removed")
	list = appendEach(list, RouteAdded, new, won, Route.link, describeRoute, "was added")
	out, in := difference(old.Rules, new.Rules)
	list = appendEach(list, RuleRemoved, old, out, Rule.link, describeRule, "was removed")
	return appendEach(list, RuleAdded, new, in, Rule.link, describeRule, "was added")
}

func (a Addr) link() int  { return a.Link }
func (r Route) link() int { return r.Link }
func (Rule) link() int    { return 0 }

// routesAsSet leaves out LinkDown, which the carrier of the link tells already.
func routesAsSet(s *Snapshot) []Route {
	list := slices.Clone(s.Routes)
	for i := range list {
		list[i].LinkDown = false
	}
	return list
}

// difference returns what is only in old and only in new; an element that is
// there twice and then once was lost once.
func difference[T comparable](old, new []T) (gone, come []T) {
	count := make(map[T]int, len(old))
	for _, v := range old {
		count[v]++
	}
	for _, v := range new {
		if count[v] > 0 {
			count[v]--
		} else {
			come = append(come, v)
		}
	}
	for _, v := range old {
		if count[v] > 0 {
			count[v]--
			gone = append(gone, v)
		}
	}
	return gone, come
}

func appendEach[T any](list []Change, kind ChangeKind, s *Snapshot, items []T, link func(T) int, describe func(*Snapshot, T) string, what string) []Change {
	for _, v := range items {
		name := ""
		if i := link(v); i != 0 {
			name = s.linkName(i)
		}
		list = append(list, Change{Kind: kind, Link: name, Text: describe(s, v) + " " + what})
	}
	return list
}

func linkDelta(old, new *Snapshot) []Change {
	var list []Change
	for _, o := range old.Links {
		if _, ok := new.LinkByIndex(o.Index); !ok {
			list = append(list, Change{LinkRemoved, o.Name, o.Name + " disappeared"})
		}
	}
	for _, n := range new.Links {
		o, ok := old.LinkByIndex(n.Index)
		if !ok {
			list = append(list, Change{LinkAdded, n.Name, fmt.Sprintf("%s appeared, %s", n.Name, linkState(n))})
			continue
		}
		list = append(list, compareLink(old, new, o, n)...)
	}
	order.Stable(list, func(a, b Change) int { return cmp.Compare(place(a.Kind), place(b.Kind)) })
	return list
}

func place(k ChangeKind) int {
	return slices.Index([]ChangeKind{LinkRemoved, LinkAdded, LinkRenamed, LinkAdmin, LinkCarrier, LinkChanged}, k)
}

func linkState(l Link) string {
	switch {
	case !l.AdminUp:
		return "switched off"
	case !l.Carrier:
		return "without carrier"
	}
	return "with carrier"
}

func compareLink(old, new *Snapshot, o, n Link) []Change {
	var list []Change
	add := func(kind ChangeKind, format string, args ...any) {
		list = append(list, Change{kind, n.Name, fmt.Sprintf(format, args...)})
	}
	if o.Name != n.Name {
		add(LinkRenamed, "%s is now called %s", o.Name, n.Name)
	}
	if o.AdminUp != n.AdminUp {
		add(LinkAdmin, "%s was switched %s", n.Name, map[bool]string{true: "on", false: "off"}[n.AdminUp])
	}
	if o.Carrier && !n.Carrier {
		add(LinkCarrier, "%s lost its carrier", n.Name)
	} else if !o.Carrier && n.Carrier {
		add(LinkCarrier, "%s has a carrier", n.Name)
	}
	if o.MTU != n.MTU {
		add(LinkChanged, "%s changed its MTU from %d to %d", n.Name, o.MTU, n.MTU)
	}
	if o.MAC != n.MAC || o.Address != n.Address {
		add(LinkChanged, "%s changed its hardware address from %s to %s", n.Name, hardware(o), hardware(n))
	}
	if o.Kind != n.Kind {
		add(LinkChanged, "%s is now of kind %q", n.Name, n.Kind)
	}
	if o.Master != n.Master {
		switch {
		case n.Master == 0:
			add(LinkChanged, "%s left %s", n.Name, old.linkName(o.Master))
		default:
			add(LinkChanged, "%s joined %s", n.Name, new.linkName(n.Master))
		}
	}
	return list
}

func hardware(l Link) string {
	switch {
	case !l.MAC.IsZero():
		return l.MAC.String()
	case l.Address != "":
		return l.Address
	}
	return "none"
}

// linkName is the name of a link, or its number where it is not known.
func (s *Snapshot) linkName(index int) string {
	if l, ok := s.LinkByIndex(index); ok {
		return l.Name
	}
	return fmt.Sprintf("device %d", index)
}

func describeAddr(s *Snapshot, a Addr) string {
	return fmt.Sprintf("address %s on %s", a.Prefix, s.linkName(a.Link))
}

// errorRoute names the types of rtnetlink.h that refuse or drop.
var errorRoute = map[uint8]string{6: "blackhole ", 7: "unreachable ", 8: "prohibit ", 9: "throw "}

func describeRoute(s *Snapshot, r Route) string {
	var b strings.Builder
	b.WriteString("route " + errorRoute[r.Type] + r.Dst.String())
	if r.Gateway.IsValid() {
		fmt.Fprintf(&b, " via %s", r.Gateway)
	}
	if r.Link != 0 {
		fmt.Fprintf(&b, " dev %s", s.linkName(r.Link))
	}
	fmt.Fprintf(&b, " table %d metric %d", r.Table, r.Metric)
	return b.String()
}

func describeRule(_ *Snapshot, r Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rule %d", r.Pref)
	if r.IPv6 {
		b.WriteString(" (IPv6)")
	}
	if r.Src.IsValid() {
		fmt.Fprintf(&b, " from %s", r.Src)
	}
	if r.OifName != "" {
		fmt.Fprintf(&b, " oif %s", r.OifName)
	}
	if r.Mark != 0 || r.Mask != 0 {
		fmt.Fprintf(&b, " fwmark %#x/%#x", r.Mark, r.Mask)
	}
	fmt.Fprintf(&b, " lookup %d", r.Table)
	if r.Suppress >= 0 {
		fmt.Fprintf(&b, " suppress_prefixlength %d", r.Suppress)
	}
	return b.String()
}
