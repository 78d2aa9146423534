package conn

import (
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"luatnetd/client"
)

// traceData is how much of one piece of data a trace shows.
const traceData = 64

// trace keeps the last lines of what happened, up to a number of bytes.
type trace struct {
	mu    sync.Mutex // guards what follows
	lines []string
	size  int
	limit int
}

func newTrace(limit int) *trace { return &trace{limit: limit} }

func (t *trace) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	t.size += len(line)
	drop := 0
	for t.size > t.limit && drop < len(t.lines)-1 {
		t.size -= len(t.lines[drop])
		drop++
	}
	if drop > 0 {
		t.lines = append(t.lines[:0], t.lines[drop:]...)
	}
}

// stamp is a time since boot, in seconds.
func stamp(now time.Time) string { return fmt.Sprintf("%12.6f ", float64(now.UnixNano())/1e9) }

func (t *trace) note(now time.Time, format string, args ...any) {
	t.add(stamp(now) + fmt.Sprintf(format, args...))
}

// sent notes what is written. What may hold a password is not shown.
func (t *trace) sent(now time.Time, w client.Write) {
	if w.Hide > 0 {
		t.note(now, "> %d bytes that are not shown", w.Hide)
	}
	if len(w.Bytes) > w.Hide {
		t.data(now, '>', w.Bytes[w.Hide:])
	}
}

// data notes bytes: '>' sent, '<' received.
func (t *trace) data(now time.Time, dir byte, p []byte) {
	shown := p[:min(len(p), traceData)]
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, string(shown))
	more := ""
	if len(p) > traceData {
		more = " …"
	}
	t.add(fmt.Sprintf("%s%c %d bytes  %s%s  |%s|", stamp(now), dir, len(p), hex.EncodeToString(shown), more, text))
}

func (t *trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
