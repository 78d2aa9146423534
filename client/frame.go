package client

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// FrameSend is how a message ends on the wire.
type FrameSend string

// The ways to end a message.
const (
	SendPlain  FrameSend = "none"   // as it is, as LuatOS does
	SendCRLF   FrameSend = "crlf"   // followed by CR LF
	SendLength FrameSend = "length" // after its length, two bytes, big endian
)

// Frame appends data to buf as it goes on the wire. A message over 65,535 bytes
// has no two-byte length: the error says so.
func (f FrameSend) Frame(buf, data []byte) ([]byte, error) {
	switch f {
	case SendCRLF:
		return append(append(buf, data...), "\r\n"...), nil
	case SendLength:
		if len(data) > 0xffff {
			return buf, fmt.Errorf("message of %d bytes: a two-byte length ends at 65535", len(data))
		}
		return append(binary.BigEndian.AppendUint16(buf, uint16(len(data))), data...), nil
	default:
		return append(buf, data...), nil
	}
}

// FrameRecv is how received bytes become messages.
type FrameRecv string

// The ways to cut what is received.
const (
	RecvRead      FrameRecv = "read"      // what one read gives, until nothing is left, as LuatOS does
	RecvDelimiter FrameRecv = "delimiter" // up to Delimiter, which is taken off
	RecvLength    FrameRecv = "length"    // after a length, two bytes, big endian
	RecvIdle      FrameRecv = "idle"      // until nothing came for Idle
)

// Cutter cuts a stream into messages. Its zero value gives each read as one.
type Cutter struct {
	How       FrameRecv
	Delimiter []byte        // RecvDelimiter; empty means LF
	Idle      time.Duration // RecvIdle
	Max       int           // longest message in bytes, 0 for 64 KiB; what is longer is given in pieces

	buf  []byte
	last time.Time // when the newest byte came
}

func (c *Cutter) limit() int {
	if c.Max > 0 {
		return c.Max
	}
	return 64 << 10
}

// Add takes bytes that came at now and returns the messages they complete. The
// messages are copies.
func (c *Cutter) Add(now time.Time, p []byte) [][]byte {
	if len(p) == 0 {
		return nil
	}
	var out [][]byte
	if c.How == RecvIdle && len(c.buf) > 0 && now.Sub(c.last) >= c.Idle {
		out = c.take(out, len(c.buf), 0) // the silence is noticed late: two messages all the same
	}
	c.last = now
	c.buf = append(c.buf, p...)
	for {
		n, skip, ok := c.cut()
		if !ok {
			break
		}
		out = c.take(out, n, skip)
	}
	return out
}

// cut returns the length of the first complete message and of what follows it
// and is thrown away.
func (c *Cutter) cut() (n, skip int, ok bool) {
	switch {
	case len(c.buf) == 0:
		return 0, 0, false
	case c.How == RecvDelimiter:
		d := c.Delimiter
		if len(d) == 0 {
			d = []byte("\n")
		}
		if i := bytes.Index(c.buf, d); i >= 0 && i <= c.limit() {
			return i, len(d), true
		}
	case c.How == RecvLength:
		if len(c.buf) < 2 {
			return 0, 0, false
		}
		n := int(binary.BigEndian.Uint16(c.buf))
		if len(c.buf) < 2+n {
			return 0, 0, false
		}
		c.buf = c.buf[2:]
		return n, 0, true
	case c.How != RecvIdle:
		return min(len(c.buf), c.limit()), 0, true
	}
	if len(c.buf) >= c.limit() {
		return c.limit(), 0, true
	}
	return 0, 0, false
}

func (c *Cutter) take(out [][]byte, n, skip int) [][]byte {
	out = append(out, bytes.Clone(c.buf[:n]))
	c.buf = c.buf[n+skip:]
	if len(c.buf) == 0 {
		c.buf = nil // an idle connection holds no buffer
	}
	return out
}

// Due is when Flush has to be called, zero for never.
func (c *Cutter) Due() time.Time {
	if c.How != RecvIdle || len(c.buf) == 0 {
		return time.Time{}
	}
	return c.last.Add(c.Idle)
}

// Flush returns what the silence until now has completed.
func (c *Cutter) Flush(now time.Time) [][]byte {
	if due := c.Due(); due.IsZero() || now.Before(due) {
		return nil
	}
	return c.take(nil, len(c.buf), 0)
}
