package dhcpsrv

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"luatnetd/internal/order"
	"luatnetd/netif"
)

// Record is an entry of the lease log: the whole state of one address, so the
// newest one of an address counts and the others are waste.
type Record struct {
	Type    byte
	Payload []byte
}

// Types of records. The numbers are on disk in places far away: they never
// change. 1 to 15 are IPv4; DHCPv6 addresses, delegated prefixes and prefixes
// once advertised (RFC 9096 §3.3) get 16 and up, in the same log.
const (
	recordLease4  = 1
	recordForget4 = 2 // payload as lease4; only the address counts
)

// recordVersion is the first byte of a payload. A reader skips versions above
// its own; fields added at the end do not need a new one.
const recordVersion = 1

// maxBoots is where counting restarts stops.
const maxBoots = 255

// saved is a record decoded.
type saved struct {
	lan       string
	state     state
	boots     uint8
	boot      uint64        // hash of the boot's identity
	stamp     time.Duration // since that boot
	remaining time.Duration
	lease     time.Duration
	mac       netif.MAC
	addr      netip.Addr
	key       string
	name      string
}

// The payload, numbers big endian:
//
//	version[1] state[1] boots[1] boot[8] stamp[8] remaining[4] lease[4] mac[6]
//	then with a length[2] each: LAN, address, key, name
//
// Times are seconds, the stamp nanoseconds. The key's first byte is its kind.
func (s saved) encode() []byte {
	b := []byte{recordVersion, byte(s.state), s.boots}
	b = binary.BigEndian.AppendUint64(b, s.boot)
	b = binary.BigEndian.AppendUint64(b, uint64(s.stamp))
	b = binary.BigEndian.AppendUint32(b, wireSeconds(s.remaining))
	b = binary.BigEndian.AppendUint32(b, wireSeconds(s.lease))
	b = append(b, s.mac[:]...)
	for _, f := range [][]byte{[]byte(s.lan), s.addr.AsSlice(), []byte(s.key), []byte(s.name)} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(f)))
		b = append(b, f...)
	}
	return b
}

var errRecord = errors.New("lease record")

func decodeRecord(b []byte) (s saved, err error) {
	const fixed = 3 + 8 + 8 + 4 + 4 + 6
	if len(b) < fixed || b[0] != recordVersion {
		return s, fmt.Errorf("%w: %d bytes of another version", errRecord, len(b))
	}
	s.state, s.boots = state(b[1]), b[2]
	s.boot = binary.BigEndian.Uint64(b[3:])
	s.stamp = time.Duration(binary.BigEndian.Uint64(b[11:]))
	s.remaining = fromSeconds(binary.BigEndian.Uint32(b[19:]))
	s.lease = fromSeconds(binary.BigEndian.Uint32(b[23:]))
	copy(s.mac[:], b[27:])
	var fields [4]string
	b = b[fixed:]
	for i := range fields {
		if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
			return s, fmt.Errorf("%w: field %d is cut off", errRecord, i)
		}
		n := int(binary.BigEndian.Uint16(b))
		fields[i], b = string(b[2:2+n]), b[2+n:]
	}
	s.lan, s.key, s.name = fields[0], fields[2], fields[3]
	a, ok := netip.AddrFromSlice([]byte(fields[1]))
	if !ok || s.state < bound || s.state > quarantined || s.stamp < 0 || (s.key == "") != (s.state == quarantined) {
		return s, fmt.Errorf("%w: address %q, state %d", errRecord, fields[1], s.state)
	}
	s.addr = a
	return s, nil
}

func fromSeconds(n uint32) time.Duration {
	if n == infiniteSeconds {
		return Infinite
	}
	return time.Duration(n) * time.Second
}

// sinceBoot is now as a duration.
func sinceBoot(now time.Time) time.Duration { return now.Sub(netif.Boot(0)) }

// record adds b's state to the output.
func (t *Table) record(now time.Time, b *binding, forget bool) {
	t.out.Records = append(t.out.Records, t.save(now, b, forget))
}

func (t *Table) save(now time.Time, b *binding, forget bool) Record {
	s := saved{
		lan: t.rules.LAN, state: b.state, boots: b.boots, boot: hash(t.boot), stamp: sinceBoot(now),
		lease: b.lease, mac: b.mac, addr: b.addr, key: b.key, name: b.name,
	}
	switch {
	case !b.live():
	case b.expire.IsZero():
		s.remaining = Infinite
	default:
		// Rounded up: a lease is never shortened by being written down.
		s.remaining = max(b.expire.Sub(now)+time.Second-1, 0)
	}
	if forget {
		return Record{recordForget4, s.encode()}
	}
	return Record{recordLease4, s.encode()}
}

// Records is the whole table as records, for a rewrite of the log.
func (t *Table) Records(now time.Time) []Record {
	var list []Record
	for _, b := range t.sorted() {
		if b.state == quarantined || b.key != "" {
			list = append(list, t.save(now, b, false))
		}
	}
	return list
}

// Restored is what Restore made of a log.
type Restored struct {
	Leases  int  // bindings in the table now
	Skipped int  // records that make no sense here
	Reboot  bool // some are of another boot: rewrite the log
}

// Restore fills an empty table from the records of a log, oldest first.
// Within one boot the times are exact. After a reboot nobody knows how long
// the machine was off, so a lease gets what remained of it again: holding an
// address too long costs a place in the pool, dropping it too early gives it
// to two clients.
func (t *Table) Restore(now time.Time, log []Record) Restored {
	var r Restored
	latest := map[netip.Addr]saved{}
	place := map[netip.Addr]int{}
	for i, rec := range log {
		s, err := decodeRecord(rec.Payload)
		switch {
		case err != nil, s.lan != t.rules.LAN, rec.Type != recordLease4 && rec.Type != recordForget4, !t.rules.usable(s.addr):
			r.Skipped++
		case rec.Type == recordForget4:
			delete(latest, s.addr)
		default:
			latest[s.addr], place[s.addr] = s, i
		}
	}
	var all []saved
	for _, s := range latest {
		all = append(all, s)
	}
	order.Sort(all, func(a, b saved) int { return cmp.Compare(place[a.addr], place[b.addr]) })
	t.out = &Output{}
	for _, s := range all {
		if s.boot != hash(t.boot) {
			r.Reboot = true
		}
		t.revive(now, s)
	}
	t.orderIdle()
	t.out = nil
	r.Leases = len(t.byAddr)
	return r
}

// revive puts one saved binding into the table.
func (t *Table) revive(now time.Time, s saved) {
	if old := t.byKey[s.key]; old != nil && s.key != "" {
		t.remove(old) // the client moved; its newer record wins
	}
	b := &binding{addr: s.addr, state: s.state, key: s.key, mac: s.mac, lease: s.lease, boots: s.boots}
	remaining := s.remaining
	if s.boot == hash(t.boot) {
		remaining = s.remaining
		if remaining != Infinite {
			remaining -= max(sinceBoot(now)-s.stamp, 0)
		}
	} else if b.boots < maxBoots {
		b.boots++
	}
	switch {
	case b.state == expired, b.state == released:
		b.expire = netif.Boot(s.stamp) // only for orderIdle
	case remaining == Infinite:
	default:
		b.expire = now.Add(remaining)
		if remaining <= 0 {
			if b.state == quarantined {
				return
			}
			b.state = expired
		}
	}
	t.insert(b)
	switch {
	case b.state == bound:
		t.takeName(b, cleanName(s.name))
	case !b.live():
		t.rest(b, b.state)
	}
}

// orderIdle sorts remembered bindings, least recently used first: those of
// more restarts ago, then by their end.
func (t *Table) orderIdle() {
	var all []*binding
	for e := t.idle.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*binding))
	}
	order.Stable(all, func(a, b *binding) int {
		if a.boots != b.boots {
			return cmp.Compare(b.boots, a.boots)
		}
		return a.expire.Compare(b.expire)
	})
	t.idle.Init()
	for _, b := range all {
		b.idle = t.idle.PushBack(b)
	}
}
