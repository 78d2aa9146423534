package modemtest

import (
	"bytes"
	"strings"
	"time"
)

// numericFinal are the codes of V.250 §5.7.1 for ATV0.
var numericFinal = map[string]string{"OK": "0", "CONNECT": "1", "RING": "2", "NO CARRIER": "3", "ERROR": "4", "NO DIALTONE": "6", "BUSY": "7", "NO ANSWER": "8"}

// frameLocked is an answer on the wire: every line in CR LF … CR LF.
func (c *conn) frameLocked(lines []string, final string) []byte {
	var b bytes.Buffer
	eol := c.eolLocked()
	if len(lines) > 0 {
		if !c.m.onLocked("no-leading-crlf", c.l) && !c.l.numeric {
			b.WriteString(eol)
		}
		for i, line := range lines {
			b.WriteString(line + eol)
			if c.m.onLocked("urc-inside", c.l) && (i == 0 || i == len(lines)-1) {
				b.WriteString(eol + c.m.sampleURCLocked() + eol)
			}
		}
	} else if c.m.onLocked("urc-inside", c.l) {
		b.WriteString(eol + c.m.sampleURCLocked() + eol)
	}
	if c.l.quiet {
		return b.Bytes()
	}
	if c.l.numeric {
		if n, ok := numericFinal[final]; ok {
			b.WriteString(n + "\r")
			return b.Bytes()
		}
	}
	if !c.m.onLocked("no-leading-crlf", c.l) {
		b.WriteString(eol)
	}
	b.Write(c.m.garbageLocked(c.l))
	b.WriteString(final + eol)
	return b.Bytes()
}

// textLocked is one unsolicited line on the wire.
func (c *conn) textLocked(line string) []byte {
	eol := c.eolLocked()
	if c.m.onLocked("no-leading-crlf", c.l) {
		return []byte(line + eol)
	}
	return []byte(eol + line + eol)
}

func (c *conn) promptLocked() []byte {
	if c.m.onLocked("no-leading-crlf", c.l) {
		return []byte("> ")
	}
	return []byte(c.eolLocked() + "> ")
}

func (c *conn) eolLocked() string {
	if c.m.onLocked("crcrlf", c.l) {
		return "\r\r\n"
	}
	return "\r\n"
}

// urcLocked sends an unsolicited code unless the port carries data or is silent.
func (c *conn) urcLocked(text string) {
	if c.data || !c.hearsLocked() {
		return
	}
	if c.m.onLocked("urc-truncated", c.l) {
		cut := max(1, len(text)*2/3)
		c.out.add([]byte(c.eolLocked() + strings.TrimRight(text[:cut], "\r\n")))
		return
	}
	c.out.add(c.textLocked(text))
}

// shapeLocked is how the next chunk leaves: after pause, in pieces of size, gap apart.
func (c *conn) shapeLocked(n int) (pause time.Duration, size int, gap time.Duration) {
	size = n
	if c.m.onLocked("fragments", c.l) {
		return 0, 1, c.m.durationLocked("fragments", 3*time.Millisecond)
	}
	if c.m.onLocked("bursts", c.l) {
		pause = c.m.durationLocked("bursts", 300*time.Millisecond)
	}
	return pause, size, 0
}
