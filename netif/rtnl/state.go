package rtnl

import (
	"cmp"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"luatnetd/internal/order"
	"luatnetd/netif"
)

// state is what the kernel said last. It belongs to Run's goroutine.
type state struct {
	known   room // read at least once
	links   map[int]link
	facts   map[int]fact
	addrs   []netif.Addr
	routes  []netif.Route
	rules   []netif.Rule
	deleted uint64

	// touched are the links that notifications told about since the last dump
	// of links was asked for: the dump may be older than these.
	touched map[int]bool
}

func newState() *state {
	return &state{links: map[int]link{}, facts: map[int]fact{}, touched: map[int]bool{}}
}

// apply takes over notifications and returns what must be read again. changed
// reports whether a snapshot may differ already.
func (s *state) apply(b batch) (dirty room, changed bool) {
	dirty = b.dirty
	if b.overrun {
		dirty |= roomAll
	}
	for _, e := range b.links {
		s.touched[e.Index] = true
		old, had := s.links[e.Index]
		if e.gone {
			delete(s.links, e.Index)
			delete(s.facts, e.Index)
			changed = changed || had
			dirty |= roomAddrs | roomRoutes
			continue
		}
		if had && old == e.link {
			continue
		}
		s.links[e.Index] = e.link
		changed = true
		if s.facts[e.Index].name != e.Name {
			dirty |= roomFacts
		}
		if !had || old.AdminUp != e.AdminUp || old.lower != e.lower || old.Carrier != e.Carrier {
			dirty |= roomAddrs | roomRoutes // IPv4 drops routes without a word
		}
	}
	s.deleted += b.deleted
	return dirty, changed || b.deleted > 0
}

// unknownFacts are the links whose sysfs entries must be read.
func (s *state) unknownFacts() map[int]string {
	names := map[int]string{}
	for index, l := range s.links {
		if f, ok := s.facts[index]; !ok || f.name != l.Name {
			names[index] = l.Name
		}
	}
	return names
}

// merge takes over what was read.
func (s *state) merge(r result) {
	s.known |= r.rooms
	if r.rooms&roomLinks != 0 {
		links := make(map[int]link, len(r.links))
		for _, l := range r.links {
			links[l.Index] = l
		}
		for index := range s.touched {
			if l, ok := s.links[index]; ok {
				links[index] = l
			} else {
				delete(links, index)
			}
		}
		s.links = links
	}
	if r.rooms&roomAddrs != 0 {
		s.addrs = r.addrs
	}
	if r.rooms&roomRoutes != 0 {
		s.routes = r.routes
	}
	if r.rooms&roomRules != 0 {
		s.rules = r.rules
	}
	maps.Copy(s.facts, r.facts)
	maps.DeleteFunc(s.facts, func(index int, _ fact) bool {
		_, ok := s.links[index]
		return !ok
	})
}

// complete reports whether everything was read at least once.
func (s *state) complete() bool { return s.known&roomAll == roomAll }

// snapshot makes a snapshot that shares nothing with the state. What belongs to
// a link that is gone or switched off is left out although it was read before:
// the kernel has dropped it, too.
func (s *state) snapshot() *netif.Snapshot {
	snap := &netif.Snapshot{Rules: slices.Clone(s.rules), Foreign: s.deleted}
	for _, l := range s.links {
		snap.Links = append(snap.Links, l.Link)
		if f, ok := s.facts[l.Index]; ok && f.name == l.Name {
			snap.Facts = append(snap.Facts, netif.DeviceFacts{
				Name: l.Name, MAC: l.MAC, Permanent: l.permanent, Driver: f.driver, Path: f.path,
			})
		}
	}
	order.Sort(snap.Links, func(a, b netif.Link) int { return cmp.Compare(a.Index, b.Index) })
	order.Sort(snap.Facts, func(a, b netif.DeviceFacts) int { return cmp.Compare(a.Name, b.Name) })
	for _, a := range s.addrs {
		if _, ok := s.links[a.Link]; ok {
			snap.Addrs = append(snap.Addrs, a)
		}
	}
	for _, r := range s.routes {
		if r.Link != 0 {
			l, ok := s.links[r.Link]
			if !ok || r.Type == unix.RTN_UNICAST && !l.AdminUp {
				continue
			}
			r.LinkDown = !l.lower
		}
		snap.Routes = append(snap.Routes, r)
	}
	order.Stable(snap.Routes, compareRoutes)
	return snap
}

// compareRoutes orders by table, prefix and metric; the kernel's order among
// equals is kept, since the first one wins.
func compareRoutes(a, b netif.Route) int {
	return cmp.Or(
		cmp.Compare(a.Table, b.Table),
		a.Dst.Addr().Compare(b.Dst.Addr()),
		cmp.Compare(a.Dst.Bits(), b.Dst.Bits()),
		cmp.Compare(a.Metric, b.Metric),
	)
}
