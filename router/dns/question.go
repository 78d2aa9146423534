package dns

// question is one client's question as it came.
type question struct {
	id    uint16
	flags uint16
	name  []byte // on the wire, in the client's spelling; part of the message
	typ   uint16
	class uint16
	edns  bool // the client sent OPT, so it gets one
	do    bool // DNSSEC OK (RFC 3225)
	size  int  // the longest answer that the client takes
}

// verdict says what a message deserves.
type verdict int

const (
	asked   verdict = iota // a question to be answered
	silence                // not a question, or not even a name: no answer (it may be forged)
	formErr
	notImp
	badVers
)

// end is the offset behind the question section.
func (q *question) end() int { return headerLen + len(q.name) + 4 }

// clone returns a copy that does not share memory with the message.
func (q *question) clone() question {
	c := *q
	c.name = append([]byte(nil), q.name...)
	return c
}

// parseQuery reads a client's message. The question keeps pointing into msg.
func parseQuery(msg []byte, tcp bool) (q question, v verdict) {
	if len(msg) < headerLen {
		return q, silence
	}
	q.id, q.flags, q.size = u16(msg, 0), u16(msg, 2), plainUDP
	if tcp {
		q.size = maxTCP
	}
	switch {
	case q.flags&flagQR != 0:
		return q, silence // RFC 1035 §4.1.1; answering answers makes loops
	case q.flags&maskOpcode != 0:
		return q, notImp
	case u16(msg, 4) != 1: // RFC 9619 §4
		return q, formErr
	}
	end, ok := nameEnd(msg, headerLen)
	if !ok {
		return q, silence
	}
	if end+4 > len(msg) {
		return q, formErr
	}
	q.name, q.typ, q.class = msg[headerLen:end], u16(msg, end), u16(msg, end+2)
	return q, q.readOptions(msg, tcp)
}

// readOptions looks for the OPT record behind the question.
func (q *question) readOptions(msg []byte, tcp bool) verdict {
	var r record
	v := asked
	w := walk(msg, q.end())
	for w.next(&r) {
		if r.typ != typeOPT || r.section != sectionAdditional {
			continue
		}
		if q.edns || msg[r.name] != 0 { // RFC 6891 §6.1.1: one OPT, owned by the root
			return formErr
		}
		q.edns, q.do = true, r.ttl&(1<<15) != 0
		if !tcp {
			q.size = min(max(int(r.class), plainUDP), ownUDP) // RFC 6891 §6.2.3
		}
		if r.ttl>>16&0xff != 0 {
			v = badVers // RFC 6891 §6.1.3
		}
	}
	if w.broken {
		return formErr
	}
	return v
}

// appendQuery appends our own question to an upstream server. Nothing of the
// client's OPT is passed on but DO: cookies, client subnet, NSID and padding
// are meant for one hop (RFC 6891 §6.2.6, RFC 7871 §7.1).
func (q *question) appendQuery(b []byte, id uint16, edns bool) []byte {
	flags := q.flags & (flagRD | flagCD | flagAD)
	additional := uint16(0)
	if edns {
		additional = 1
	}
	b = append16(append16(b, id), flags)
	b = append16(append16(append16(append16(b, 1), 0), 0), additional)
	b = append(b, q.name...)
	b = append16(append16(b, q.typ), q.class)
	if edns {
		b = appendOPT(b, 0, q.do, 0)
	}
	return b
}

// appendOPT appends an OPT record with our own buffer size and, unless it is
// zero, an extended DNS error (RFC 8914 §2).
func appendOPT(b []byte, rcode int, do bool, ede uint16) []byte {
	ttl := uint32(rcode>>4) << 24
	if do {
		ttl |= 1 << 15
	}
	b = append(b, 0)
	b = append32(append16(append16(b, typeOPT), ownUDP), ttl)
	if ede == 0 {
		return append16(b, 0)
	}
	b = append16(append16(append16(b, 6), optionEDE), 2)
	return append16(b, ede)
}

// optLen is what appendOPT appends.
func optLen(ede uint16) int {
	if ede == 0 {
		return 11
	}
	return 17
}

// Extended DNS errors (RFC 8914 §4).
const (
	optionEDE    = 15
	edeStale     = 3
	edeBlocked   = 15
	edeNoServer  = 22
	edeNoNetwork = 23
)
