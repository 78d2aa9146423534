package filter

import (
	"slices"
	"strings"
)

// part is one command of a line such as "+CSQ;+CREG?".
type part struct {
	name string // upper case: "+CREG"; of a basic command its letter, "&C" or ""
	op   op
}

// op is the form of an extended command (ITU-T V.250 §5.4).
type op int

const (
	action op = iota
	read      // "?"
	test      // "=?"
	set       // "="
)

// extended are the first characters of extended commands: ITU-T and the makers'.
const extended = "+^$*%#!@"

// parse takes a command line without "AT" apart.
func parse(text string) []part {
	var parts []part
	for _, s := range split(text) {
		s = strings.ToUpper(strings.TrimSpace(s))
		switch {
		case s == "":
			parts = append(parts, part{})
		case strings.IndexByte(extended, s[0]) >= 0:
			parts = append(parts, extendedPart(s))
		case s[0] == '&' && len(s) > 1:
			parts = append(parts, part{name: s[:2]})
		default:
			parts = append(parts, part{name: s[:1]})
		}
	}
	return parts
}

func extendedPart(s string) part {
	i := strings.IndexAny(s, "=?")
	switch {
	case i < 0:
		return part{s, action}
	case s[i] == '?':
		return part{s[:i], read}
	case strings.HasPrefix(s[i:], "=?"):
		return part{s[:i], test}
	}
	return part{s[:i], set}
}

// split cuts at semicolons outside of strings.
func split(text string) []string {
	quoted := false
	return strings.FieldsFunc(text+" ", func(r rune) bool {
		quoted = quoted != (r == '"')
		return r == ';' && !quoted
	})
}

func (fl *flight) is(name string) bool {
	return slices.ContainsFunc(fl.parts, func(p part) bool { return p.name == name })
}

// basic reports whether the line has basic commands only, none of which answers
// with text.
func (fl *flight) basic() bool {
	for _, p := range fl.parts {
		if len(p.name) > 0 && (strings.IndexByte(extended, p.name[0]) >= 0 || p.name == "I" || p.name == "&V" || p.name == "S") {
			return false
		}
	}
	return true
}

// owns reports whether a line that is no final result code belongs to the
// answer.
func (fl *flight) owns(s string) bool {
	p := Prefix(s)
	if p == "" {
		return !bare(s)
	}
	for _, c := range fl.parts {
		switch {
		case c.name == "+CLAC":
			return true
		case registration(p) && registration(c.name):
			// One firmware answers +CEREG? with "+CGREG: 2,1": it is the form that
			// tells an answer from an unsolicited code, which has no <n>.
			if c.op == test && c.name == p || c.op == read && readForm(s) {
				return true
			}
		case same(c.name, p):
			return c.op != set || !reports(p)
		case c.name == "I":
			return p == "+GCAP"
		case c.name == "&V":
			return !known(p, s)
		}
	}
	return p == fl.expect
}

// final is how a command ends.
type final int

const (
	open final = iota
	good
	bad
	numbered    // +CME ERROR, +CMS ERROR
	connected   // CONNECT
	unconnected // NO CARRIER and the like
)

// aliases are other words for ERROR (ModemManager knows them, too:
// src/mm-serial-parsers.c).
var aliases = []string{"ERROR", "COMMAND NOT SUPPORT", "COMMAND NOT SUPPORTED", "TOO MANY PARAMETERS", "NA"}

// final tells final result codes from other lines.
func (fl *flight) final(s string) final {
	switch {
	case s == "OK":
		return good
	case slices.Contains(aliases, s), strings.HasPrefix(s, "MODEM ERROR:"):
		return bad
	case strings.HasPrefix(s, "+CME ERROR:"), strings.HasPrefix(s, "+CMS ERROR:"):
		return numbered
	case fl.dial && (s == "CONNECT" || strings.HasPrefix(s, "CONNECT ")):
		return connected
	case fl.dial && (s == "NO CARRIER" || s == "BUSY" || s == "NO ANSWER" || s == "NO DIALTONE"):
		return unconnected
	case len(s) == 1 && len(fl.parts) > 0 && fl.basic() && !fl.dial:
		return numeric(s[0])
	}
	return open
}

// numeric is a result code after ATV0 (ITU-T V.250 table 1). It is understood
// after commands that answer with nothing else, so that ATV1 can be sent.
func numeric(c byte) final {
	switch c {
	case '0':
		return good
	case '4':
		return bad
	}
	return open
}
