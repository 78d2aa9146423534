package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"luatnetd/internal/order"
)

// Position is a place in the file, counted from 1. Col counts characters.
// The zero Position means "not written in the file".
type Position struct {
	Line int `json:"line"`
	Col  int `json:"col"`
}

// Scope is the piece of the file that a problem spoils, and so the piece that
// ParseBoot leaves out.
type Scope string

// The scopes, from large to small.
const (
	ScopeFile       Scope = "file"
	ScopeLAN        Scope = "lan"
	ScopeUplink     Scope = "uplink"
	ScopeForward    Scope = "forward"
	ScopeAllow      Scope = "allow"
	ScopeHost       Scope = "host"
	ScopeOption     Scope = "option"
	ScopeConnection Scope = "connection"
	ScopeSource     Scope = "source" // [[serial]], [[timer]], [[report]], [[local]], [[oneshot]]
	ScopeServer     Scope = "server"
	ScopeRoute      Scope = "route"
	ScopeSIM        Scope = "sim"
	ScopeSection    Scope = "section"
	ScopeKey        Scope = "key"
	ScopeItem       Scope = "item"
	ScopeName       Scope = "upstream"
	ScopeLease      Scope = "lease" // of CheckLeased only
)

// ScopeText is a scope and what ParseBoot does about it, in a sentence.
type ScopeText struct {
	Scope Scope
	Text  string
}

// Scopes lists every scope, from large to small, for the documentation.
func Scopes() []ScopeText {
	return []ScopeText{
		{ScopeFile, "nothing of the file is used: it is not TOML, or of another version"},
		{ScopeLAN, "one LAN has no device that it could use"},
		{ScopeUplink, "one [[uplink]] is left out: its name, device, address or gateway is wrong, or a LAN has the same"},
		{ScopeForward, "one [[port_forward]] is left out"},
		{ScopeAllow, "one [[firewall.allow]] is left out"},
		{ScopeHost, "one [[lan.dhcp.host]] is left out"},
		{ScopeOption, "one [[lan.dhcp.option]] is left out"},
		{ScopeConnection, "one [[connection]] is left out"},
		{ScopeSource, "one [[serial]], [[timer]], [[report]], [[local]] or [[oneshot]] is left out"},
		{ScopeServer, "one [[server]] is left out"},
		{ScopeRoute, "one [[route]] is left out: what it let pass does not pass"},
		{ScopeSIM, "one [[uplink.modem.sim]] is left out: its card gets what [uplink.modem] says"},
		{ScopeSection, "a section that comes with a later version is left out"},
		{ScopeKey, "one key is left out, its default is used; metered and isolate_lans are then true, the safe side"},
		{ScopeItem, "one entry of a list is left out"},
		{ScopeName, "an entry of a LAN's upstream, or the uplink of a connection, names no uplink that can be used: it is kept, so that nothing leaves by another uplink"},
		{ScopeLease, "while running: an uplink was offered an address whose subnet overlaps a LAN; it is not used"},
	}
}

// Code is the stable health code that stands in status while ParseBoot has
// left this scope out, such as "config-uplink-dropped".
func (s Scope) Code() string {
	switch s {
	case ScopeFile:
		return "config-file-refused"
	case ScopeKey, ScopeSection, ScopeItem:
		return "config-" + string(s) + "-ignored"
	case ScopeName:
		return "config-upstream-missing"
	case ScopeLease:
		return "config-lease-refused"
	}
	return "config-" + string(s) + "-dropped"
}

// Problem is one thing that is wrong in the file, in words for the person who
// wrote it.
type Problem struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Col   int    `json:"col"`
	Key   string `json:"key"`             // "uplink.check.interval"
	Value string `json:"value"`           // as written, shortened; "nothing" where it is missing
	Want  string `json:"want"`            // what is allowed
	Hint  string `json:"hint,omitempty"`  // what to do, one sentence
	Scope Scope  `json:"scope"`           // what cannot be used because of it
	Entry string `json:"entry,omitempty"` // name of the uplink, LAN, host … it is in, "#2" without a name
}

// String is "file:line:col: key: got VALUE, want …", and the hint on a line of
// its own.
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s: got %s, want %s", p.File, p.Line, p.Col, p.Key, p.Value, p.Want)
	if p.Hint != "" {
		s += "\n  hint: " + p.Hint
	}
	return s
}

// Code is the health code of the problem's scope.
func (p Problem) Code() string { return p.Scope.Code() }

// Problems are all problems of a file, sorted by line and column.
type Problems []Problem

// Error is every problem, one after the other.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// Err returns p as an error, nil if there is no problem.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// sorted orders by place in the file and drops repetitions.
func (p Problems) sorted() Problems {
	order.Stable(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Key, b.Key))
	})
	return slices.Compact(p)
}

// maxShown is how many characters of a value a problem repeats.
const maxShown = 60

// quote shows text as the file would write it, shortened and on one line.
func quote(text string) string {
	if r := []rune(text); len(r) > maxShown {
		text = string(r[:maxShown]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// oneOf joins names for a sentence: `"a", "b" or "c"`.
func oneOf(names []string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = quote(n)
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}
