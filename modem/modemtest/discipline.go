package modemtest

import (
	"context"
	"strings"
)

// The control characters of a command line (V.250 §5.2).
const (
	cr    = '\r'
	ctrlZ = 0x1a
	esc   = 0x1b
	bs    = 0x08
)

// serve reads command lines and carries them out until the port ends.
func (c *conn) serve(ctx context.Context) {
	var text []byte
	for {
		b, ok := c.in.take()
		if !ok {
			return
		}
		for i := 0; i < len(b); i++ {
			ch := b[i]
			c.echo(ch)
			switch ch {
			case cr:
				c.in.unread(b[i+1:]) // a PDU, or PPP, may follow
				b = nil
				line := string(text)
				text = text[:0]
				if !c.line(ctx, line) {
					return
				}
			case '\n', 0:
			case bs:
				text = text[:max(0, len(text)-1)]
			case esc, ctrlZ:
				text = text[:0]
			default:
				if len(text) < 2048 {
					text = append(text, ch)
				}
			}
			if b == nil {
				break
			}
		}
	}
}

// echo gives a character back, as received.
func (c *conn) echo(ch byte) {
	c.m.lock()
	defer c.m.unlock()
	if !c.hearsLocked() {
		return
	}
	if c.l.echo || c.m.onLocked("echo-on", c.l) {
		c.out.add([]byte{ch})
	}
}

// hearsLocked says whether the port answers at all.
func (c *conn) hearsLocked() bool {
	return c.m.running && c.l.spec.Kind == KindAT && !c.m.onLocked("mute", c.l) && !c.m.onLocked("stuck", c.l) && !c.m.onLocked("diag", c.l)
}

// line carries out one command line; false ends the port.
func (c *conn) line(ctx context.Context, text string) bool {
	text = strings.TrimSpace(text)
	c.m.lock()
	if text == "" {
		c.m.unlock()
		return true
	}
	c.m.noteLocked(c.l.spec.Interface, text)
	hears := c.hearsLocked()
	upper := strings.ToUpper(text)
	switch {
	case upper == "A/":
		text = c.l.last
	case !strings.HasPrefix(upper, "AT"):
		c.m.count.Stray++
		hears = false
	default:
		c.l.last = text
	}
	if c.m.onLocked("eio", c.l) && hears {
		c.m.spendLocked("eio")
		c.m.unlock()
		c.end(nil)
		return false
	}
	c.m.unlock()
	if !hears {
		return true
	}
	return c.run(ctx, split(text[2:]))
}

// split cuts what follows AT into commands: letters with a number, extended
// ones up to a semicolon outside quotes, D up to the end.
func split(text string) []string {
	var out []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimLeft(text, " ;") {
		n := length(text)
		out = append(out, strings.TrimSpace(text[:n]))
		text = text[n:]
	}
	return out
}

func length(text string) int {
	switch first := text[0] &^ 0x20; {
	case first == 'D':
		return len(strings.TrimSuffix(text, ";"))
	case first == 'S' && len(text) > 1 && text[1] >= '0' && text[1] <= '9':
		return semicolon(text)
	case first >= 'A' && first <= 'Z':
		return letters(text, 1)
	case text[0] == '&' || text[0] == '\\':
		return letters(text, min(2, len(text)))
	}
	return semicolon(text)
}

func letters(text string, n int) int {
	for n < len(text) && (text[n] >= '0' && text[n] <= '9' || text[n] == '?' || text[n] == '=') {
		n++
	}
	return n
}

func semicolon(text string) int {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ';' && !quoted:
			return i
		}
	}
	return len(text)
}
