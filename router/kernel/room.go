package kernel

import (
	"slices"
	"strings"

	"luatnetd/router"
)

// room is a set of the parts of a plan that are read on their own.
type room uint16

const (
	roomLinks room = 1 << iota
	roomAddrs
	roomRoutes
	roomRules
	roomMain
	roomTable
	roomAcct
	roomSysctls
	roomKill

	roomAll room = 1<<iota - 1
)

var roomNames = []string{"links", "addresses", "routes", "rules", "main", "nftables", "accounting", "sysctls", "conntrack"}

func (r room) String() string {
	var words []string
	for i, name := range roomNames {
		if r&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	return strings.Join(words, ",")
}

// each calls f for every single room in r.
func (r room) each(f func(room)) {
	for i := range roomNames {
		if one := room(1 << i); r&one != 0 {
			f(one)
		}
	}
}

// changed returns the rooms in which two plans differ.
func changed(a, b router.Plan) room {
	var r room
	for _, c := range []struct {
		room  room
		equal bool
	}{
		{roomLinks, slices.Equal(a.Links, b.Links)},
		{roomAddrs, slices.Equal(a.Addrs, b.Addrs)},
		{roomRoutes, slices.Equal(a.Routes, b.Routes)},
		{roomRules, slices.Equal(a.Rules, b.Rules)},
		{roomMain, a.Hold == b.Hold && slices.Equal(a.Main, b.Main)},
		{roomTable, a.Table.String() == b.Table.String()},
		{roomAcct, a.Acct.String() == b.Acct.String()},
		{roomSysctls, slices.Equal(a.Sysctls, b.Sysctls)},
		{roomKill, a.Verify == b.Verify && slices.Equal(a.Kill, b.Kill)},
	} {
		if !c.equal {
			r |= c.room
		}
	}
	return r
}

// expand adds the rooms that the kernel changes along with those in r: a
// device that goes down and an address that is removed take routes with them,
// and a new device has sysctls of its own.
func (r room) expand() room {
	if r&roomLinks != 0 {
		r |= roomSysctls
	}
	if r&(roomLinks|roomAddrs) != 0 {
		r |= roomLinks | roomAddrs | roomRoutes | roomMain
	}
	if r&roomRoutes != 0 {
		r |= roomLinks
	}
	return r
}

// roomOf tells which room an op belongs to.
func roomOf(op router.Op) room {
	route := func(s router.RouteSpec) room {
		if s.Table == router.TableMain && s.Dst.Bits() == 0 {
			return roomMain
		}
		return roomRoutes
	}
	table := func(name string) room {
		if name == router.AcctName {
			return roomAcct
		}
		return roomTable
	}
	switch o := op.(type) {
	case router.AddAddr, router.DelAddr:
		return roomAddrs
	case router.AddRoute:
		return route(o.RouteSpec)
	case router.DelRoute:
		return route(o.RouteSpec)
	case router.AddRule, router.DelRule:
		return roomRules
	case router.SetSysctl:
		return roomSysctls
	case router.ReplaceTable:
		return table(o.Table.Name)
	case router.SyncTable:
		return table(o.Table.Name)
	case router.DelTable:
		return table(o.Name)
	case router.Verify, router.FlushMark:
		return roomKill
	}
	return roomLinks
}

// believe fills the rooms that were not read with what the plan wants: they
// were equal after the last turn, and nothing says otherwise.
func believe(h *router.Have, p router.Plan, rooms room) {
	identity := func(t router.Table) *router.Identity {
		if t.Name == "" {
			return nil
		}
		id := wantedID(t)
		return &id
	}
	rooms.each(func(r room) {
		switch r {
		case roomLinks:
			h.Links, h.Devices = p.Links, nil
		case roomAddrs:
			h.Addrs = p.Addrs
		case roomRoutes:
			h.Routes = p.Routes
		case roomRules:
			h.Rules = p.Rules
		case roomMain:
			h.Main = p.Main
		case roomTable:
			h.Table = identity(p.Table)
		case roomAcct:
			h.Acct = identity(p.Acct)
		case roomSysctls:
			h.Sysctls = make(map[string]string)
			for _, s := range p.Sysctls {
				h.Sysctls[s.Path()] = s.Value
			}
		}
	})
}
