package tty

import (
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"luatnetd/modem/filter"
)

// traceBytes bounds the trace of a port.
const traceBytes = 64 << 10

// direction of what is traced.
type direction int

const (
	sent direction = iota
	received
	noted // by us
)

// ring keeps the last lines that passed, as filter.Mask shows them. Lines, not
// reads: a secret that comes in two pieces is a secret as well.
type ring struct {
	mu     sync.Mutex
	list   []entry
	size   int
	part   [2][]byte // lines that have not ended, by direction
	mask   [2]filter.Masker
	secret string // command line that only its name may be shown of
	shown  string
}

type entry struct {
	when time.Time
	way  direction
	text string
}

// hide says that a command line is shown as another one from now on.
func (r *ring) hide(line, shown string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret, r.shown = line, shown
}

// note adds a remark of ours, which holds no secret.
func (r *ring) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(noted, text)
}

// add adds what passed.
func (r *ring) add(way direction, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range b {
		part := &r.part[way]
		if c != '\r' && c != '\n' {
			*part = append(*part, c)
		}
		if c == '\r' || c == '\n' || c == 0x1A || c == 0x1B || len(*part) >= filter.MaxLine {
			r.flush(way)
		}
	}
}

func (r *ring) flush(way direction) {
	if len(r.part[way]) == 0 {
		return
	}
	r.keep(way, r.masked(way, &r.mask[way]))
	r.part[way] = r.part[way][:0]
}

// masked is the line of a direction as it may be shown.
func (r *ring) masked(way direction, m *filter.Masker) string {
	return printable(m.Mask(filter.Hide(string(r.part[way]), r.secret, r.shown)))
}

func printable(s string) string {
	for _, c := range s {
		if c < ' ' || c == 0x7F || c == utf8.RuneError {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// keep appends an entry and drops the oldest over traceBytes.
func (r *ring) keep(way direction, text string) {
	const overhead = 32 // of an entry
	r.list = append(r.list, entry{time.Now(), way, text})
	r.size += len(text) + overhead
	drop := 0
	for ; r.size > traceBytes; drop++ {
		r.size -= len(r.list[drop].text) + overhead
	}
	r.list = r.list[drop:]
}

// lines is the trace as text: "2026-11-25T18:03:32.123Z > AT+CSQ".
func (r *ring) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]string, 0, len(r.list)+1)
	for _, e := range r.list {
		list = append(list, fmt.Sprintf("%s %c %s", e.when.UTC().Format("2006-01-02T15:04:05.000Z"), "><#"[e.way], e.text))
	}
	if len(r.part[received]) > 0 {
		mask := r.mask[received] // a copy: the line goes on
		list = append(list, "… < "+r.masked(received, &mask))
	}
	return list
}
