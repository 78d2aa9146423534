package filter

import (
	"strings"
	"unicode/utf8"

	"luatnetd/modem"
)

// take sorts one line, which is not empty.
func (f *Filter) take(s string) {
	if f.header != "" && f.continued(s) {
		return
	}
	switch {
	case f.echo(s):
	case f.flight == nil:
		f.unasked(s)
	default:
		f.answered(s)
	}
}

// maxMore bounds a text in lines: a USSD answer has at most 182 characters.
const maxMore = 512

// continued reports whether s goes on what a line before has begun: a message's
// PDU, or a text that has line ends in it.
func (f *Filter) continued(s string) bool {
	h := f.header
	f.header = ""
	text := openString(h)
	mine := text && (f.flight == nil || f.flight.final(s) == open) || !text && isHex(s) && len(s) >= minPDU
	if mine {
		h += "\n" + s
	}
	if mine && text && openString(h) && len(h) < maxMore {
		f.header = h
	} else {
		f.heard(modem.URC{Prefix: Prefix(h), Line: h, Count: 1})
	}
	return mine
}

// openString reports whether a string is not closed yet.
func openString(s string) bool { return strings.Count(s, `"`)%2 == 1 }

// echo reports whether s is what we sent.
func (f *Filter) echo(s string) bool {
	if strings.EqualFold(s, f.last) && f.last != "" {
		return true
	}
	return f.flight != nil && f.flight.prompt == passed && f.flight.pdu != "" &&
		strings.EqualFold(strings.TrimRight(strings.TrimLeft(s, "> "), "\x1a"), f.flight.pdu)
}

// answered sorts a line that comes while a command is in flight.
func (f *Filter) answered(s string) {
	fl := f.flight
	switch kind := fl.final(s); {
	case kind != open:
		f.finish(kind, s)
	case f.isStale(Prefix(s)) && !fl.owns(s):
		f.strays++
	case fl.owns(s):
		f.info(s)
	default:
		f.unsolicited(s)
	}
}

// info gives a line of information to the library behind a blank: so the
// library takes none for a result code ("ERRORLOG: 5"), an echo ("ATMEL") or a
// prompt ("> hello"). Lines removes the blank.
func (f *Filter) info(s string) {
	if f.flight.size += len(s) + 3; f.flight.size > MaxAnswer {
		f.garbage += len(s)
		return
	}
	f.pass(" " + s)
}

func (f *Filter) pass(line string) { f.answer = append(append(f.answer, line...), "\r\n"...) }

// finish gives a final result code to the library, in its words.
func (f *Filter) finish(kind final, s string) {
	dialled := strings.HasPrefix(f.flight.text, "D") // elsewhere the library knows no CONNECT
	f.flight = nil
	switch {
	case kind == good:
		f.pass("OK")
	case kind == bad:
		f.pass("ERROR")
	case kind == numbered, dialled:
		f.pass(s)
	case kind == connected:
		f.pass(" " + s)
		f.pass("OK")
	case kind == unconnected:
		f.pass("+CME ERROR: " + s)
	}
	f.data = kind == connected
}

// unasked sorts a line that comes while no command is in flight.
func (f *Filter) unasked(s string) {
	var none flight
	switch p := Prefix(s); {
	case none.final(s) != open, s[0] == '>', f.isStale(p), f.unsure && !known(p, s):
		f.strays++
	default:
		f.unsolicited(s)
	}
}

// unsolicited lets a line out sideways. The PDU of a message, and the rest of a
// text, are on the next ones.
func (f *Filter) unsolicited(s string) {
	switch p := Prefix(s); {
	case !isText(s):
		f.garbage += len(s)
		f.strays++
	case p == "+CMT", p == "+CDS", p == "+CBM", p == "+CUSD" && openString(s):
		f.header = s
	default:
		f.heard(modem.URC{Prefix: p, Line: s, Count: 1})
	}
}

func (f *Filter) heard(u modem.URC) { f.urcs.Put(u) }

func (f *Filter) isStale(prefix string) bool {
	for _, s := range f.stale {
		if prefix != "" && same(s, prefix) {
			return true
		}
	}
	return false
}

// clean takes noise off a line. Modems put NUL, 0xFE and 0xFF before the first
// line after power-on or a baud rate change, without a line end.
func clean(b []byte) string {
	for len(b) > 0 && (noise(b[len(b)-1]) || blank(b[len(b)-1])) {
		b = b[:len(b)-1]
	}
	for i := len(b) - 1; i >= 0; i-- {
		if noise(b[i]) {
			b = b[i+1:]
			break
		}
	}
	for len(b) > 0 && blank(b[0]) {
		b = b[1:]
	}
	return string(b)
}

func noisy(b []byte) bool {
	for _, c := range b {
		if noise(c) {
			return true
		}
	}
	return false
}

func noise(c byte) bool { return c == 0 || c == 0xFE || c == 0xFF }
func blank(c byte) bool { return c == ' ' || c == '\t' }

// isText reports whether a person can read s.
func isText(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' || r == 0x7F || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// minPDU is shorter than any message's PDU in hex, and longer than an ICCID.
const minPDU = 26

func isHex(s string) bool { return strings.Trim(s, "0123456789ABCDEFabcdef") == "" }
