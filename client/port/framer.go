package port

import (
	"bytes"
	"time"
)

// Frame says where a message ends on a line that has no messages.
type Frame struct {
	// Idle is the silence that ends a message: 50 ms if there is no Delimiter,
	// none if there is one.
	Idle      time.Duration
	Delimiter []byte // ends a message and is not part of it; nil for none
	Limit     int    // bytes of the longest message; 16 KiB
}

// Defaults of a Frame. LuatOS's uart_app ends a message after 50 ms.
const (
	DefaultIdle  = 50 * time.Millisecond
	DefaultLimit = 16 << 10
)

func (f Frame) withDefaults() Frame {
	if f.Idle == 0 && len(f.Delimiter) == 0 {
		f.Idle = DefaultIdle
	}
	if f.Limit <= 0 {
		f.Limit = DefaultLimit
	}
	return f
}

// framer cuts a byte stream into messages. It asks no clock.
type framer struct {
	Frame
	buf  []byte
	last time.Time // when the newest byte of buf arrived
}

// add takes what arrived and returns the messages that are complete now. They
// are the caller's.
func (f *framer) add(b []byte, at time.Time) [][]byte {
	if len(b) > 0 {
		f.last = at
	}
	var out [][]byte
	for len(b) > 0 {
		n := min(len(b), f.Limit+len(f.Delimiter)-len(f.buf))
		from := max(0, len(f.buf)-len(f.Delimiter)+1) // a delimiter may have come in parts
		f.buf = append(f.buf, b[:n]...)
		b = b[n:]
		out = f.split(out, from)
	}
	return out
}

// split moves complete messages from buf, in which no delimiter ends before from.
func (f *framer) split(out [][]byte, from int) [][]byte {
	for len(f.Delimiter) > 0 {
		i := bytes.Index(f.buf[from:], f.Delimiter)
		if i < 0 {
			break
		}
		end := from + i
		if end > 0 {
			out = append(out, bytes.Clone(f.buf[:end]))
		}
		f.buf = append(f.buf[:0], f.buf[end+len(f.Delimiter):]...)
		from = 0
	}
	for len(f.buf) >= f.Limit+len(f.Delimiter) { // no delimiter in time
		out = append(out, bytes.Clone(f.buf[:f.Limit]))
		f.buf = append(f.buf[:0], f.buf[f.Limit:]...)
	}
	return out
}

// due is when silence ends the message that has begun.
func (f *framer) due() (time.Time, bool) {
	return f.last.Add(f.Idle), f.Idle > 0 && len(f.buf) > 0
}

// flush returns the message that has begun, nil if none has.
func (f *framer) flush() []byte {
	if len(f.buf) == 0 {
		return nil
	}
	b := bytes.Clone(f.buf)
	f.buf = f.buf[:0]
	return b
}
