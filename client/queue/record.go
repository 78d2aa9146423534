package queue

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"

	"luatnetd/client"
)

// A segment is a row of records and nothing else:
//
//	mark[4] length[4] seq[8] sum[4]   body[length] sum[4]
//	body: at[8] len[1] source len[1] to data
//
// Numbers are big endian. The first sum covers the front, so that a damaged
// length cannot lead astray; the second continues it over the body, so that no
// body can follow a foreign front. Both start from the segment's salt, which is
// part of the file's name, drawn per file: bytes that a client chose inside a
// payload, or blocks of an older file that a power cut brings back, can then
// not pass for a record, and no damage of a header costs a whole segment.
const (
	frontLen = 4 + 4 + 8 + 4
	overhead = frontLen + 4
	minBody  = 8 + 1 + 1
	maxExtra = minBody + 255 + 255
	maxBody  = 1 << 20 // bytes; a longer length is damage
)

var (
	mark       = []byte{0xA7, 'L', 'Q', '1'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// recordSize is what m takes on the medium.
func recordSize(m client.Message) int64 {
	return int64(overhead + minBody + len(m.Source) + len(m.To) + len(m.Data))
}

// appendRecord adds m, whose names are at most 255 bytes long.
func appendRecord(b []byte, salt uint32, m client.Message) []byte {
	start := len(b)
	b = append(b, mark...)
	b = binary.BigEndian.AppendUint32(b, uint32(recordSize(m)-overhead))
	b = binary.BigEndian.AppendUint64(b, m.Seq)
	sum := crc32.Update(salt, castagnoli, b[start:])
	b = binary.BigEndian.AppendUint32(b, sum)
	body := len(b)
	b = binary.BigEndian.AppendUint64(b, uint64(m.At.UnixNano()))
	b = append(append(b, byte(len(m.Source))), m.Source...)
	b = append(append(b, byte(len(m.To))), m.To...)
	b = append(b, m.Data...)
	return binary.BigEndian.AppendUint32(b, crc32.Update(sum, castagnoli, b[body:]))
}

// decode returns the record at the start of b and its size; size is 0 where
// there is no whole and sound one. The message's Data is part of b.
func decode(b []byte, salt uint32) (m client.Message, size int) {
	if len(b) < overhead+minBody || !bytes.HasPrefix(b, mark) {
		return m, 0
	}
	sum := crc32.Update(salt, castagnoli, b[:frontLen-4])
	n := binary.BigEndian.Uint32(b[4:])
	if binary.BigEndian.Uint32(b[frontLen-4:]) != sum || n < minBody || n > maxBody || int(n) > len(b)-overhead {
		return m, 0
	}
	body := b[frontLen : frontLen+int(n)]
	if binary.BigEndian.Uint32(b[frontLen+int(n):]) != crc32.Update(sum, castagnoli, body) {
		return m, 0
	}
	m.Seq = binary.BigEndian.Uint64(b[8:])
	m.At = time.Unix(0, int64(binary.BigEndian.Uint64(body)))
	rest, ok := body[8:], false
	if m.Source, rest, ok = cutName(rest); !ok {
		return client.Message{}, 0
	}
	if m.To, rest, ok = cutName(rest); !ok {
		return client.Message{}, 0
	}
	m.Data = rest
	return m, overhead + int(n)
}

func cutName(b []byte) (string, []byte, bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, false
	}
	end := 1 + int(b[0])
	return string(b[1:end]), b[end:], true
}

// entry is where a record is.
type entry struct {
	seq       uint64
	at        int64 // nanoseconds since 1970, as it was accepted
	off, size uint32
}

// scanned is what is in a segment's bytes.
type scanned struct {
	list    []entry
	damaged int // stretches without a sound record, between sound ones
	torn    int // bytes behind the last sound record
}

// scan finds the sound records of b. Numbers only grow in what we write, so a
// record that goes back is damage.
func scan(b []byte, salt uint32) scanned {
	var s scanned
	end, last := 0, uint64(0)
	for at := 0; at < len(b); {
		m, size := decode(b[at:], salt)
		if size == 0 || m.Seq <= last {
			next := bytes.Index(b[at+1:], mark)
			if next < 0 {
				break
			}
			at += 1 + next
			continue
		}
		if at != end {
			s.damaged++
		}
		s.list = append(s.list, entry{seq: m.Seq, at: m.At.UnixNano(), off: uint32(at), size: uint32(size)})
		at += size
		end, last = at, m.Seq
	}
	s.torn = len(b) - end
	return s
}
