package dns

// answer is a response kept in wire form: with its question, without OPT, and
// with the offsets that are needed to let it age and to cut it.
type answer struct {
	msg     []byte
	ttls    []uint16 // offsets of the TTL fields, ascending
	ends    [3]uint16
	counts  [3]uint16
	ede     uint16 // extended DNS error that goes with it, 0 for none
	ownData bool   // from our own tables: authoritative, never authenticated
}

func (a *answer) rcode() int     { return int(u16(a.msg, 2) & maskRcode) }
func (a *answer) negative() bool { return a.rcode() == rcodeNXDomain || a.counts[sectionAnswer] == 0 }

// aging says how the TTLs of an answer are to be written.
type aging struct {
	passed uint32 // seconds since the answer came
	stale  bool   // write at most staleTTL instead
}

// staleTTL is the TTL of a stale answer in seconds (RFC 8767 §4).
const staleTTL = 30

// appendTo appends the answer to q: the client's id and spelling, its flags,
// TTLs aged, cut to its size, with OPT if it sent one.
func (a *answer) appendTo(b []byte, q *question, age aging) []byte {
	ede := a.ede
	if age.stale {
		ede = edeStale
	}
	room := q.size
	if q.edns {
		room -= optLen(ede)
	}
	last, cut := a.fit(room)
	end := q.end()
	if last >= 0 {
		end = int(a.ends[last])
	}
	start := len(b)
	b = append(b, a.msg[:end]...)
	m := b[start:]
	put16(m, 0, q.id)
	put16(m, 2, a.flags(q, cut))
	put16(m, 4, 1)
	for s := range 3 {
		n := uint16(0)
		if s <= last {
			n = a.counts[s]
		}
		put16(m, 6+2*s, n)
	}
	copy(m[headerLen:], q.name)
	a.age(m, age)
	if q.edns {
		put16(m, 10, u16(m, 10)+1)
		b = appendOPT(b, 0, q.do, ede)
	}
	return b
}

// fit returns the last section that is kept when there is room for that many
// bytes, -1 for none, and whether the client must be told to come back by TCP.
// Additional records are extra, and so is the authority section of a positive
// answer (RFC 2181 §9): leaving these out is not truncation.
func (a *answer) fit(room int) (last int, cut bool) {
	for last = sectionAdditional; last >= 0; last-- {
		if int(a.ends[last]) <= room {
			return last, false
		}
		if last == sectionAuthority && a.negative() {
			break
		}
	}
	return -1, true
}

func (a *answer) flags(q *question, cut bool) uint16 {
	flags := flagQR | flagRA | q.flags&(flagRD|flagCD) | uint16(a.rcode())
	if cut {
		flags |= flagTC
	}
	if a.ownData {
		return flags | flagAA
	}
	if q.do || q.flags&flagAD != 0 { // RFC 6840 §5.7, §5.8
		flags |= u16(a.msg, 2) & flagAD
	}
	return flags
}

// age rewrites the TTLs in m, which may be shorter than the stored message.
func (a *answer) age(m []byte, age aging) {
	if age.passed == 0 && !age.stale {
		return
	}
	for _, off := range a.ttls {
		if int(off)+4 > len(m) {
			return
		}
		ttl := u32(m, int(off))
		ttl -= min(ttl, age.passed)
		if age.stale {
			ttl = staleTTL
		}
		put32(m, int(off), ttl)
	}
}

// appendError appends a reply without records. A message whose question could
// not be read gets none back.
func appendError(b []byte, q *question, rcode int, ede uint16) []byte {
	start := len(b)
	flags := flagQR | flagRA | q.flags&(maskOpcode|flagRD|flagCD) | uint16(rcode&maskRcode)
	b = append16(append16(b, q.id), flags)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	if q.name != nil {
		put16(b, start+4, 1)
		b = append16(append16(append(b, q.name...), q.typ), q.class)
	}
	if q.edns {
		put16(b, start+10, 1)
		b = appendOPT(b, rcode, q.do, ede)
	}
	return b
}
