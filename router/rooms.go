package router

import (
	"slices"
	"strings"
)

// Rooms is a set of the parts of a Plan that are read and applied one by one.
type Rooms uint16

// The rooms of a plan.
const (
	RoomLinks Rooms = 1 << iota
	RoomAddrs
	RoomRoutes
	RoomRules
	RoomMain
	RoomTable
	RoomAcct
	RoomSysctls
	RoomKill

	AllRooms Rooms = 1<<iota - 1
)

// roomNames are the words that a person reads in failures.
var roomNames = []string{"links", "addresses", "routes", "rules", "main", "nftables", "accounting", "sysctls", "conntrack"}

// Has reports whether any room of o is in r.
func (r Rooms) Has(o Rooms) bool { return r&o != 0 }

// Each returns the rooms of r one by one.
func (r Rooms) Each() []Rooms {
	var list []Rooms
	for i := range roomNames {
		if one := Rooms(1) << i; r.Has(one) {
			list = append(list, one)
		}
	}
	return list
}

func (r Rooms) String() string {
	var names []string
	for i, name := range roomNames {
		if r.Has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// Changed returns the rooms in which p differs from old. What is verified
// belongs to the kill: nothing is flushed before the look-up agrees.
func (p Plan) Changed(old Plan) Rooms {
	var r Rooms
	differs := func(room Rooms, equal bool) {
		if !equal {
			r |= room
		}
	}
	differs(RoomLinks, slices.Equal(p.Links, old.Links))
	differs(RoomAddrs, slices.Equal(p.Addrs, old.Addrs))
	differs(RoomRoutes, slices.Equal(p.Routes, old.Routes))
	differs(RoomRules, slices.Equal(p.Rules, old.Rules))
	differs(RoomMain, p.Hold == old.Hold && slices.Equal(p.Main, old.Main))
	differs(RoomTable, p.Table.String() == old.Table.String())
	differs(RoomAcct, p.Acct.String() == old.Acct.String())
	differs(RoomSysctls, slices.Equal(p.Sysctls, old.Sysctls))
	differs(RoomKill, p.Verify == old.Verify && slices.Equal(p.Kill, old.Kill))
	return r
}
