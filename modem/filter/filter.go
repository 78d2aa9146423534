package filter

import (
	"bytes"
	"errors"
	"strings"

	"luatnetd/modem"
)

// Limits of what a modem may make us keep.
const (
	MaxLine   = 2 << 10   // a longer line is garbage: the longest real one, +COPS=?, has about 1.5 kB
	MaxAnswer = 256 << 10 // of one command: 255 messages of +CMGL have about 100 kB
)

// Expect is what the library's text of a command does not say. It is for the
// next command only.
type Expect struct {
	Prefix string // of the answer where it is not the command's name; "" for none
	Dial   bool   // CONNECT ends the command and the port carries data
}

// Filter is the state. The zero value is idle.
type Filter struct {
	line     []byte // of the modem, not ended yet
	overlong bool   // the line is beyond MaxLine: dropped up to its end

	expect Expect
	flight *flight
	last   string   // line of the last command, whose echo may be late
	unsure bool     // a command was not answered
	stale  []string // prefixes whose answers may still come
	header string   // "+CMT: …" that waits for its PDU, "+CUSD: …" for the end of its text

	answer  []byte // for the library
	urcs    URCs
	data    bool
	strays  int
	garbage int
}

// flight is the command that is being answered.
type flight struct {
	text   string // "+CSQ", as the library wrote it
	parts  []part
	expect string
	dial   bool
	prompt prompt
	pdu    string // as sent after the prompt
	size   int    // of the answer so far
}

// prompt is how far a command with a PDU is.
type prompt int

const (
	noPrompt prompt = iota
	awaited
	passed // one '>' only: the library sends the PDU at each
)

// errNotAT is for bytes that no method of the library writes.
var errNotAT = errors.New("neither a command, a PDU nor an escape")

// Expect is told before the library writes.
func (f *Filter) Expect(e Expect) { f.expect = e }

// Send takes what the library writes and returns what goes to the modem: a
// command ends in CR alone, because a character that comes while an abortable
// command runs aborts it (ITU-T V.250 §5.6.1).
func (f *Filter) Send(b []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(b, []byte("AT")) && bytes.HasSuffix(b, []byte("\r\n")):
		f.start(string(b[2:len(b)-2]), noPrompt)
		return b[:len(b)-1], nil
	case bytes.HasPrefix(b, []byte("AT")) && bytes.HasSuffix(b, []byte("\r")):
		f.start(string(b[2:len(b)-1]), awaited)
		return b, nil
	case bytes.HasPrefix(b, []byte("\x1b\r\n")):
		return []byte("\x1b\r"), nil
	case bytes.HasSuffix(b, []byte("\x1a")) && f.flight != nil && f.flight.prompt == passed:
		f.flight.pdu = string(b[:len(b)-1])
		return b, nil
	}
	return nil, errNotAT
}

func (f *Filter) start(text string, p prompt) {
	fl := &flight{text: text, parts: parse(text), prompt: p, expect: strings.ToUpper(f.expect.Prefix)}
	fl.dial = f.expect.Dial || fl.is("D") || fl.is("O") || fl.is("+CGDATA")
	f.flight, f.expect, f.last = fl, Expect{}, "AT"+text
}

// Receive takes what came from the modem. After CONNECT it takes nothing more
// and returns the rest, which is no longer ours.
func (f *Filter) Receive(b []byte) (rest []byte) {
	for i, c := range b {
		switch {
		case f.data:
			return b[i:]
		case c == '\r' || c == '\n':
			f.end()
		case len(f.line) >= MaxLine:
			f.overlong = true
			f.garbage++
		default:
			f.line = append(f.line, c)
			if c == '>' {
				f.prompted()
			}
		}
	}
	return nil
}

// prompted passes the first '>' of a command that waits for it.
func (f *Filter) prompted() {
	if f.flight == nil || f.flight.prompt != awaited || clean(f.line) != ">" {
		return
	}
	f.flight.prompt = passed
	f.line = f.line[:0]
	f.answer = append(f.answer, '>')
}

// end ends the line.
func (f *Filter) end() {
	s, overlong := clean(f.line), f.overlong
	if n := len(f.line) - len(s); n > 0 && noisy(f.line) {
		f.garbage += n
	}
	f.line, f.overlong = f.line[:0], false
	switch {
	case overlong:
		f.garbage += len(s)
		f.strays++
	case s == "":
	default:
		f.take(s)
	}
}

// Answer is what the library may read; it is taken.
func (f *Filter) Answer() []byte {
	b := f.answer
	f.answer = nil
	return b
}

// URC is the oldest unsolicited result code; it is taken.
func (f *Filter) URC() (modem.URC, bool) { return f.urcs.Take() }

// Unsure says that the command in flight was given up. Its answer may still
// come, so nothing but known unsolicited codes is let out until Sure.
func (f *Filter) Unsure() {
	f.unsure = true
	if f.flight == nil {
		return
	}
	for _, p := range f.flight.parts {
		f.stale = append(f.stale, p.name)
	}
	if f.flight.expect != "" {
		f.stale = append(f.stale, f.flight.expect)
	}
	f.flight = nil
}

// Sure ends Unsure.
func (f *Filter) Sure() { f.unsure, f.stale = false, nil }

// Reset forgets a line half received and a command in flight: somebody else
// has used the port.
func (f *Filter) Reset() {
	f.line, f.overlong, f.header = f.line[:0], false, ""
	f.Unsure()
}

// Dialling reports whether CONNECT may come: what follows it must not be read.
func (f *Filter) Dialling() bool { return f.flight != nil && f.flight.dial }

// Data reports whether the port carries data.
func (f *Filter) Data() bool { return f.data }

// Strays counts the lines that were nobody's: late answers and noise.
func (f *Filter) Strays() int { return f.strays }

// Pending reports whether a line is half received.
func (f *Filter) Pending() bool { return len(f.line) > 0 }

// Garbage counts the bytes that were dropped because they are no text.
func (f *Filter) Garbage() int { return f.garbage }

// Lost counts unsolicited codes that found no room.
func (f *Filter) Lost() int { return f.urcs.Lost }
