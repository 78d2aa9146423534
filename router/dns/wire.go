package dns

import "encoding/binary"

// Sizes of RFC 1035 §4.1 and §2.3.4, in bytes.
const (
	headerLen = 12
	maxName   = 255   // a name on the wire, with its length bytes and the root
	fixedRR   = 10    // type, class, TTL and RDLENGTH
	plainUDP  = 512   // RFC 1035 §4.2.1: the limit without EDNS
	ownUDP    = 1232  // DNS flag day 2020: fits IPv6's smallest MTU, never a fragment
	maxTCP    = 65535 // the length field of RFC 1035 §4.2.2
	soaFixed  = 20    // five numbers at the end of a SOA's RDATA
)

// Header flags (RFC 1035 §4.1.1, RFC 2535 §6.1).
const (
	flagQR     = 1 << 15
	maskOpcode = 0xf << 11
	flagAA     = 1 << 10
	flagTC     = 1 << 9
	flagRD     = 1 << 8
	flagRA     = 1 << 7
	flagAD     = 1 << 5
	flagCD     = 1 << 4
	maskRcode  = 0xf
)

// Response codes (RFC 1035 §4.1.1, RFC 6891 §9).
const (
	rcodeOK       = 0
	rcodeFormErr  = 1
	rcodeServFail = 2
	rcodeNXDomain = 3
	rcodeNotImp   = 4
	rcodeRefused  = 5
	rcodeBadVers  = 16 // upper bits travel in the OPT record
)

// Record types that we tell apart; all others pass untouched (RFC 3597).
const (
	typeA      = 1
	typeNS     = 2
	typeCNAME  = 5
	typeSOA    = 6
	typePTR    = 12
	typeHINFO  = 13
	typeAAAA   = 28
	typeOPT    = 41
	typeDS     = 43
	typeDNSKEY = 48
	typeSVCB   = 64
	typeHTTPS  = 65
	typeTKEY   = 249
	typeTSIG   = 250
	typeMAILA  = 254
	typeANY    = 255
)

// Classes.
const (
	classIN = 1
	classCH = 3
)

// Sections of a message, in order.
const (
	sectionAnswer = iota
	sectionAuthority
	sectionAdditional
)

func u16(b []byte, off int) uint16 { return binary.BigEndian.Uint16(b[off:]) }
func u32(b []byte, off int) uint32 { return binary.BigEndian.Uint32(b[off:]) }

func put16(b []byte, off int, v uint16) { binary.BigEndian.PutUint16(b[off:], v) }
func put32(b []byte, off int, v uint32) { binary.BigEndian.PutUint32(b[off:], v) }

func append16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }
func append32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// nameEnd returns the offset behind the name that begins at off. ok is false
// for a name that leaves the message, is too long, has a label type that does
// not exist, or has a pointer that does not point strictly backwards
// (RFC 1035 §4.1.4): so loops cannot be built.
func nameEnd(msg []byte, off int) (end int, ok bool) {
	length, limit, pos := 0, off, off
	for pos < len(msg) {
		c := int(msg[pos])
		switch {
		case c == 0:
			if length+1 > maxName {
				return 0, false
			}
			if end == 0 {
				end = pos + 1
			}
			return end, true
		case c < 0x40:
			length += c + 1
			pos += c + 1
			if length > maxName {
				return 0, false
			}
		case c >= 0xc0:
			if pos+1 >= len(msg) {
				return 0, false
			}
			if end == 0 {
				end = pos + 2
			}
			pos = (c&0x3f)<<8 | int(msg[pos+1])
			if pos >= limit || pos < headerLen {
				return 0, false
			}
			limit = pos
		default:
			return 0, false
		}
	}
	return 0, false
}

// record is where one resource record lies in its message.
type record struct {
	section    int
	name       int // offset of the owner name
	typ, class uint16
	ttl        uint32
	ttlAt      int // offset of the TTL field
	data, end  int // RDATA is msg[data:end]
}

// walker steps through the records behind the question section.
type walker struct {
	msg     []byte
	off     int
	left    [3]int
	section int
	broken  bool // the message ends before its counts do, or holds a bad name
}

// walk returns a walker over msg, whose question section ends at off.
func walk(msg []byte, off int) walker {
	return walker{msg: msg, off: off, left: [3]int{int(u16(msg, 6)), int(u16(msg, 8)), int(u16(msg, 10))}}
}

// next fills in the next record and reports whether there was one.
func (w *walker) next(r *record) bool {
	for w.section < len(w.left) && w.left[w.section] == 0 {
		w.section++
	}
	if w.section == len(w.left) || w.broken {
		return false
	}
	end, ok := nameEnd(w.msg, w.off)
	if !ok || end+fixedRR > len(w.msg) {
		w.broken = true
		return false
	}
	*r = record{
		section: w.section, name: w.off,
		typ: u16(w.msg, end), class: u16(w.msg, end+2), ttl: u32(w.msg, end+4),
		ttlAt: end + 4, data: end + fixedRR, end: end + fixedRR + int(u16(w.msg, end+8)),
	}
	if r.end > len(w.msg) {
		w.broken = true
		return false
	}
	w.off = r.end
	w.left[w.section]--
	return true
}
