package rtnl

import (
	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// room is a set of things that must be read again.
type room uint8

const (
	roomLinks room = 1 << iota
	roomAddrs
	roomRoutes
	roomRules
	roomFacts // of links that have none yet
	roomAll   = roomLinks | roomAddrs | roomRoutes | roomRules
)

// linkEvent is a link as a notification shows it, or its end.
type linkEvent struct {
	link
	gone bool
}

// batch is what a series of notifications adds up to.
type batch struct {
	links   []linkEvent // in order
	dirty   room
	deleted uint64 // deletions of ours by others, see Snapshot.Foreign
	overrun bool   // notifications were lost: everything must be read again
}

// read adds a datagram of notifications. own tells which sender is us. A
// message that cannot be read makes its room dirty instead of being believed.
func (b *batch) read(datagram []byte, own func(port uint32) bool) {
	err := walk(datagram, func(h header, body []byte) error {
		b.message(h, body, own)
		return nil
	})
	if err != nil {
		b.dirty |= roomAll
	}
}

func (b *batch) message(h header, body []byte, own func(port uint32) bool) {
	switch h.typ {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		l, ok, err := parseLink(body)
		if err != nil {
			b.dirty |= roomLinks
		} else if ok {
			b.links = append(b.links, linkEvent{l, h.typ == unix.RTM_DELLINK})
		}
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		b.dirty |= roomAddrs
		a, _, err := parseAddr(body)
		b.count(h, h.typ == unix.RTM_DELADDR && err == nil && a.Proto == router.Protocol, own)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		if wantedRoute(body) {
			b.dirty |= roomRoutes
			b.count(h, h.typ == unix.RTM_DELROUTE && body[5] == router.Protocol, own)
		}
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		if r, ok, err := parseRule(body); ok || err != nil {
			b.dirty |= roomRules
			b.count(h, h.typ == unix.RTM_DELRULE && err == nil && r.Protocol == router.Protocol, own)
		}
	}
}

// count notes a deletion of ours unless we asked for it.
func (b *batch) count(h header, ours bool, own func(port uint32) bool) {
	if ours && (own == nil || !own(h.port)) {
		b.deleted++
	}
}
