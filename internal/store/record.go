package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// A Record is one entry of a Log. Type 0 is allowed; the caller owns the
// meaning of both fields.
type Record struct {
	Type    byte
	Payload []byte
}

// The file: a header, then records.
//
//	header: magic[8] version[1] salt[8] crc32c[4]
//	record: mark[1] length[2] type[1] payload[length] crc32c[4]
//
// Numbers are big endian. A record's sum covers the salt and everything before
// the sum. The salt is drawn per file: bytes that a client chose and that sit
// inside a payload, or blocks of an older file that a power cut brings back,
// can then not pass for a record when the frame around them is damaged.
const (
	magic      = "luatlog\n"
	saltLen    = 8
	headerLen  = len(magic) + 1 + saltLen + 4
	recordMark = 0xA7
	frontLen   = 1 + 2 + 1
	overhead   = frontLen + 4
)

// MaxPayload is the size limit of a record's payload in bytes.
const MaxPayload = 4096

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type header struct {
	version byte
	salt    [saltLen]byte
}

func (h header) encode() []byte {
	b := append([]byte(magic), h.version)
	b = append(b, h.salt[:]...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeHeader returns the header at the start of b; ok is false when there is none.
func decodeHeader(b []byte) (h header, ok bool) {
	if len(b) < headerLen || !bytes.HasPrefix(b, []byte(magic)) {
		return h, false
	}
	body := b[:headerLen-4]
	if binary.BigEndian.Uint32(b[headerLen-4:]) != crc32.Checksum(body, castagnoli) {
		return h, false
	}
	h.version = body[len(magic)]
	copy(h.salt[:], body[len(magic)+1:])
	return h, true
}

func (h header) appendRecord(b []byte, r Record) []byte {
	start := len(b)
	b = append(b, recordMark)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Payload)))
	b = append(b, r.Type)
	b = append(b, r.Payload...)
	return binary.BigEndian.AppendUint32(b, h.sum(b[start:]))
}

func (h header) sum(body []byte) uint32 {
	return crc32.Update(crc32.Checksum(h.salt[:], castagnoli), castagnoli, body)
}

// record returns the record at the start of b and its size in the file; size
// is 0 when there is no whole and sound one.
func (h header) record(b []byte) (r Record, size int) {
	if len(b) < overhead || b[0] != recordMark {
		return r, 0
	}
	n := int(binary.BigEndian.Uint16(b[1:]))
	if n > MaxPayload || len(b) < overhead+n {
		return r, 0
	}
	body := b[:frontLen+n]
	if binary.BigEndian.Uint32(b[frontLen+n:]) != h.sum(body) {
		return r, 0
	}
	return Record{Type: b[3], Payload: bytes.Clone(body[frontLen:])}, overhead + n
}

// scan reads the records of b, which follows the header. end is where the last
// sound record ends; what is behind it is a torn tail. bad counts the damaged
// stretches between sound records.
func (h header) scan(b []byte) (list []Record, end int, bad int) {
	for at := 0; at < len(b); {
		r, size := h.record(b[at:])
		if size == 0 {
			next := h.resync(b[at+1:])
			if next < 0 {
				break
			}
			bad++
			at += 1 + next
			continue
		}
		list = append(list, r)
		at += size
		end = at
	}
	return list, end, bad
}

// resync returns the offset of the next sound record in b, -1 for none.
func (h header) resync(b []byte) int {
	for at := 0; at < len(b); at++ {
		i := bytes.IndexByte(b[at:], recordMark)
		if i < 0 {
			return -1
		}
		at += i
		if _, size := h.record(b[at:]); size > 0 {
			return at
		}
	}
	return -1
}
