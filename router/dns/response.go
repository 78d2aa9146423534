package dns

import "errors"

// Bounds on what is kept, in seconds.
const (
	maxTTL         = 24 * 3600 // RFC 8767 §4 suggests days to weeks; a day keeps mistakes short
	maxNegativeTTL = 3 * 3600  // RFC 2308 §5
)

// errGarbage is a response that cannot be read to its end.
var errGarbage = errors.New("malformed response")

// response is what an upstream server's message says.
type response struct {
	answer  answer
	rcode   int    // with the upper bits of OPT
	ttl     uint32 // how long it may be kept, in seconds; 0: not at all
	private bool   // holds an address that only we may give out
}

// matches reports whether msg answers the query that we sent: same id, a
// response, and the same question (RFC 5452 §9.1). A server that cannot read
// our query may leave the question out, with FORMERR or NOTIMP.
func matches(msg, query []byte) bool {
	if len(msg) < headerLen || u16(msg, 0) != u16(query, 0) || u16(msg, 2)&(flagQR|maskOpcode) != flagQR {
		return false
	}
	if u16(msg, 4) == 0 {
		rcode := u16(msg, 2) & maskRcode
		return rcode == rcodeFormErr || rcode == rcodeNotImp
	}
	if u16(msg, 4) != 1 {
		return false
	}
	end, _ := nameEnd(query, headerLen)
	if len(msg) < end+4 {
		return false
	}
	for i := headerLen; i < end; i++ {
		if fold(msg[i]) != fold(query[i]) {
			return false
		}
	}
	return string(msg[end:end+4]) == string(query[end:end+4])
}

func fold(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// readResponse reads a message that matches the question. The answer's bytes
// are a copy. private judges addresses in the answer section, nil for none.
func readResponse(msg []byte, q *question, private func(msg []byte, r *record) bool) (response, error) {
	if u16(msg, 4) == 0 {
		return response{rcode: int(u16(msg, 2) & maskRcode)}, nil
	}
	s := scan{q: q, private: private}
	s.answer.msg = msg
	s.rcode = int(u16(msg, 2) & maskRcode)
	s.positive, s.negative = maxTTL, maxNegativeTTL
	end := q.end()
	for i := range s.answer.ends {
		s.answer.ends[i] = uint16(end)
	}
	var r record
	w := walk(msg, end)
	for !s.options && w.next(&r) {
		s.take(&r)
	}
	if w.broken || s.misplaced {
		return response{}, errGarbage
	}
	a := &s.answer
	a.msg = append([]byte(nil), msg[:a.ends[sectionAdditional]]...)
	s.levelTTLs()
	s.ttl = s.keep()
	return s.response, nil
}

// scan collects what readResponse finds.
type scan struct {
	response
	q         *question
	private   func([]byte, *record) bool
	misplaced bool // OPT where it cannot be: the counts are wrong
	options   bool // OPT seen: what follows is left out, or its offsets would move
	wanted    bool // a record of the asked type
	soa       bool
	positive  uint32 // lowest TTL of the answer section
	negative  uint32 // RFC 2308 §5
	types     [8]struct {
		typ uint16
		ttl uint32
	}
	ntypes int
}

// take adds one record.
func (s *scan) take(r *record) {
	msg := s.answer.msg
	if r.typ == typeOPT {
		s.misplaced = r.section != sectionAdditional
		s.rcode |= int(r.ttl>>24) << 4
		s.options = true
		return
	}
	for i := r.section; i < 3; i++ {
		s.answer.ends[i] = uint16(r.end)
	}
	s.answer.counts[r.section]++
	s.answer.ttls = append(s.answer.ttls, uint16(r.ttlAt))
	ttl := cleanTTL(r.ttl)
	switch {
	case r.section == sectionAnswer:
		s.wanted = s.wanted || r.typ == s.q.typ
		s.positive = min(s.positive, ttl)
		s.lowest(r.typ, ttl)
		if s.private != nil && s.private(msg, r) {
			s.response.private = true
		}
	case r.section == sectionAuthority && r.typ == typeSOA && r.end-r.data >= soaFixed+2:
		s.soa = true
		s.negative = min(s.negative, ttl, cleanTTL(u32(msg, r.end-4)))
	}
}

// lowest remembers the lowest TTL of a record type in the answer section.
func (s *scan) lowest(typ uint16, ttl uint32) {
	for i := range s.types[:s.ntypes] {
		if s.types[i].typ == typ {
			s.types[i].ttl = min(s.types[i].ttl, ttl)
			return
		}
	}
	if s.ntypes < len(s.types) {
		s.types[s.ntypes].typ, s.types[s.ntypes].ttl = typ, ttl
		s.ntypes++
	}
}

// cleanTTL applies RFC 2181 §8 (a set top bit means 0) and our cap.
func cleanTTL(ttl uint32) uint32 {
	if ttl&(1<<31) != 0 {
		return 0
	}
	return min(ttl, maxTTL)
}

// levelTTLs writes the TTLs as clients shall see them: capped, and in the
// answer section equal within an RRset (RFC 2181 §5.2). Records of one type
// with different owners, as in a CNAME chain, are levelled too: lower is safe.
func (s *scan) levelTTLs() {
	a := &s.answer
	for i, off := range a.ttls {
		ttl := cleanTTL(u32(a.msg, int(off)))
		if i < int(a.counts[sectionAnswer]) {
			ttl = min(ttl, s.levelOf(u16(a.msg, int(off)-4)))
		}
		put32(a.msg, int(off), ttl)
	}
}

func (s *scan) levelOf(typ uint16) uint32 {
	for _, t := range s.types[:s.ntypes] {
		if t.typ == typ {
			return t.ttl
		}
	}
	return s.positive // more types than we tell apart: the lowest of all
}

// keep returns how long the answer may be kept. A negative one only with a SOA
// (RFC 2308 §5), a truncated one never (RFC 2181 §9).
func (s *scan) keep() uint32 {
	switch {
	case u16(s.answer.msg, 2)&flagTC != 0, s.rcode != rcodeOK && s.rcode != rcodeNXDomain:
		return 0
	case s.wanted && s.rcode == rcodeOK:
		return s.positive
	case s.soa:
		return min(s.negative, s.positive)
	}
	return 0
}
