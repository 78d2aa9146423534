package pcap

import (
	"fmt"
	"time"
)

// Bounds are where a capture ends by itself. Zero is not usable: Default is.
type Bounds struct {
	Bytes   int           // of the file, its headers included
	Packets int           // in the file
	Time    time.Duration // from its start
	Snaplen int           // bytes that are kept of one packet
}

// Default and Max are what a capture has when nothing else is asked for, and
// the most that may be asked for: a capture must not be a load for the box.
var (
	Default = Bounds{Bytes: 1 << 20, Packets: 10000, Time: time.Minute, Snaplen: 65535}
	Max     = Bounds{Bytes: 64 << 20, Packets: 1000000, Time: 10 * time.Minute, Snaplen: 65535}
	least   = Bounds{Bytes: 1 << 10, Packets: 1, Time: time.Second, Snaplen: 64}
)

// Check says which bound is out of range.
func (b Bounds) Check() error {
	switch {
	case b.Bytes < least.Bytes || b.Bytes > Max.Bytes:
		return fmt.Errorf("%d bytes: want %d to %d", b.Bytes, least.Bytes, Max.Bytes)
	case b.Packets < least.Packets || b.Packets > Max.Packets:
		return fmt.Errorf("%d packets: want %d to %d", b.Packets, least.Packets, Max.Packets)
	case b.Time < least.Time || b.Time > Max.Time:
		return fmt.Errorf("a time of %v: want %v to %v", b.Time, least.Time, Max.Time)
	case b.Snaplen < least.Snaplen || b.Snaplen > Max.Snaplen:
		return fmt.Errorf("%d bytes of each packet: want %d to %d", b.Snaplen, least.Snaplen, Max.Snaplen)
	}
	return nil
}

// File makes a file within bounds, piece by piece. It is not safe for several
// goroutines.
type File struct {
	bounds         Bounds
	Bytes, Packets int
}

// NewFile returns the file and its first piece.
func NewFile(b Bounds) (*File, []byte) {
	head := appendFile(nil, b.Snaplen)
	return &File{bounds: b, Bytes: len(head)}, head
}

// Add returns the piece of one more packet, which buf's memory may hold. With
// full, the bound that is reached, there is no more to add; the piece, if
// there is one, still belongs to the file.
func (f *File) Add(buf []byte, p Packet) (piece []byte, full string) {
	p.Data = p.Data[:min(len(p.Data), f.bounds.Snaplen)]
	p.Size = max(p.Size, len(p.Data))
	if need := recordHeader + sllHeader + len(p.Data); f.Bytes+need > f.bounds.Bytes {
		return nil, fmt.Sprintf("the next packet would make it larger than %d bytes", f.bounds.Bytes)
	}
	piece = appendRecord(buf[:0], p)
	f.Bytes += len(piece)
	f.Packets++
	if f.Packets == f.bounds.Packets {
		full = fmt.Sprintf("there are %d packets", f.Packets)
	}
	return piece, full
}

// Summary is what became of a capture.
type Summary struct {
	Packets int    `json:"packets"` // below 0: not known
	Bytes   int    `json:"bytes"`
	Missed  int    `json:"missed"`           // passed the filter and found no room in the kernel
	Ended   string `json:"ended"`            // why
	Faults  string `json:"faults,omitempty"` // devices that could not be listened to
}

// Text is the summary for a person.
func (s Summary) Text() string {
	text := fmt.Sprintf("%d bytes; it ended because %s", s.Bytes, s.Ended)
	if s.Packets >= 0 {
		text = fmt.Sprintf("%d packets, ", s.Packets) + text
	}
	if s.Missed > 0 {
		text += fmt.Sprintf("; %d packets found no room", s.Missed)
	}
	if s.Faults != "" {
		text += "; " + s.Faults
	}
	return text
}
