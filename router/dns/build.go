package dns

import "net/netip"

// TTLs of our own data, in seconds.
const (
	localTTL   = 60   // a leased name; less when the lease ends sooner
	absentTTL  = 10   // a name that a client may get at any moment
	specialTTL = 3600 // names that are ruled out for good
	hinfoTTL   = 3789 // the example of RFC 8482 §4.2; long, so that askers stay away
)

// builder makes a local answer. Owner names are the question's, by pointer.
type builder struct{ answer }

// build begins a local answer to q.
func build(q *question, rcode uint16) builder {
	var b builder
	b.ownData = true
	b.msg = append(b.msg, make([]byte, headerLen)...)
	put16(b.msg, 2, flagQR|rcode)
	b.msg = append16(append16(append(b.msg, q.name...), q.typ), q.class)
	for i := range b.ends {
		b.ends[i] = uint16(len(b.msg))
	}
	return b
}

// record appends a record to a section; sections must be filled in order.
func (b *builder) record(section int, owner []byte, typ uint16, ttl uint32, data []byte) {
	b.msg = append16(append16(append(b.msg, owner...), typ), classIN)
	b.ttls = append(b.ttls, uint16(len(b.msg)))
	b.msg = append(append16(append32(b.msg, ttl), uint16(len(data))), data...)
	for i := section; i < len(b.ends); i++ {
		b.ends[i] = uint16(len(b.msg))
	}
	b.counts[section]++
}

// atQuestion is a pointer to the name of the question.
var atQuestion = []byte{0xc0, headerLen}

func (b *builder) address(a netip.Addr, ttl uint32) {
	typ := uint16(typeAAAA)
	if a.Is4() {
		typ = typeA
	}
	b.record(sectionAnswer, atQuestion, typ, ttl, a.AsSlice())
}

// soa adds the SOA that lets clients remember a negative answer (RFC 2308 §3).
// zone is a wire name that ends the question's name.
func (b *builder) soa(section int, zone []byte, ttl uint32) {
	data := append(append([]byte(nil), zone...), nobody...)
	for _, v := range []uint32{1, 3600, 1200, 604800, ttl} { // serial, refresh, retry, expire, minimum
		data = append32(data, v)
	}
	b.record(section, zone, typeSOA, ttl, data)
}

var nobody = mustName("nobody.invalid")

// negative is NXDOMAIN or, with rcodeOK, an answer without records.
func negative(q *question, rcode uint16, zone []byte, ttl uint32) *answer {
	b := build(q, rcode)
	b.soa(sectionAuthority, zone, ttl)
	return &b.answer
}

// refuseAny answers a question for all types with one record that says why it
// is not answered (RFC 8482 §4.2), so nobody uses us as an amplifier.
func refuseAny(q *question) *answer {
	b := build(q, rcodeOK)
	b.record(sectionAnswer, atQuestion, typeHINFO, hinfoTTL, []byte("\x07RFC8482\x00"))
	return &b.answer
}
