package kernel

import "luatnetd/router"

// expand adds the rooms that the kernel changes along with those in r: a
// device that goes down and an address that is removed take routes with them,
// and a new device has sysctls of its own.
func expand(r router.Rooms) router.Rooms {
	if r.Has(router.RoomLinks) {
		r |= router.RoomSysctls
	}
	if r.Has(router.RoomLinks | router.RoomAddrs) {
		r |= router.RoomLinks | router.RoomAddrs | router.RoomRoutes | router.RoomMain
	}
	if r.Has(router.RoomRoutes) {
		r |= router.RoomLinks
	}
	return r
}

// roomOf tells which room an op belongs to.
func roomOf(op router.Op) router.Rooms {
	route := func(s router.RouteSpec) router.Rooms {
		if s.Table == router.TableMain && s.Dst.Bits() == 0 {
			return router.RoomMain
		}
		return router.RoomRoutes
	}
	table := func(name string) router.Rooms {
		if name == router.AcctName {
			return router.RoomAcct
		}
		return router.RoomTable
	}
	switch o := op.(type) {
	case router.AddAddr, router.DelAddr:
		return router.RoomAddrs
	case router.AddRoute:
		return route(o.RouteSpec)
	case router.DelRoute:
		return route(o.RouteSpec)
	case router.AddRule, router.DelRule:
		return router.RoomRules
	case router.SetSysctl:
		return router.RoomSysctls
	case router.ReplaceTable:
		return table(o.Table.Name)
	case router.SyncTable:
		return table(o.Table.Name)
	case router.DelTable:
		return table(o.Name)
	case router.Verify, router.FlushMark:
		return router.RoomKill
	}
	return router.RoomLinks
}
