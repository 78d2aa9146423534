package queue

import (
	"bytes"
	"testing"

	"luatnetd/client"
)

// FuzzSegment: whatever a segment holds, scan ends, the places it names lie in
// it, hold sound records with growing numbers, and what they decode to encodes
// to the same bytes.
func FuzzSegment(f *testing.F) {
	a := appendRecord(nil, 7, client.Message{Seq: 1, At: noon, Source: "uart", Data: []byte("hello")})
	b := appendRecord(nil, 7, client.Message{Seq: 2, At: noon, To: "client-1", Data: a}) // a record inside a payload
	f.Add([]byte{}, uint32(7))
	f.Add(a, uint32(7))
	f.Add(append(bytes.Clone(a), b...), uint32(7))
	f.Add(append(append(bytes.Clone(a), 0, 0, 0, 0), b...), uint32(7))
	f.Add(append(bytes.Clone(b), a...), uint32(7)) // numbers go back
	f.Add(a[:len(a)-3], uint32(7))
	f.Add(bytes.Repeat(mark, 100), uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, salt uint32) {
		s := scan(data, salt)
		end, last := 0, uint64(0)
		for _, e := range s.list {
			if int(e.off) < end || int(e.off)+int(e.size) > len(data) || e.seq <= last {
				t.Fatalf("entry %+v after end %d, number %d", e, end, last)
			}
			raw := data[e.off : e.off+e.size]
			m, size := decode(raw, salt)
			if size != len(raw) || m.Seq != e.seq {
				t.Fatalf("entry %+v decodes to %d, %+v", e, size, m)
			}
			if again := appendRecord(nil, salt, m); !bytes.Equal(again, raw) {
				t.Fatalf("%x encodes to %x", raw, again)
			}
			end, last = int(e.off+e.size), e.seq
		}
		if s.torn != len(data)-end {
			t.Fatalf("torn %d, want %d", s.torn, len(data)-end)
		}
	})
}

// FuzzPosition: a position file of any content gives a position or none.
func FuzzPosition(f *testing.F) {
	p := position{gen: 3, done: 9, reserved: 70_000}
	f.Add([]byte{})
	f.Add(p.encode())
	f.Add(append(make([]byte, slotApart), p.encode()...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p position
		if p.take(data) && !bytes.Contains(data, p.encode()) {
			t.Fatalf("%+v is not in %x", &p, data)
		}
	})
}
