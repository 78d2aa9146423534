package modemtest

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// host is the other end of a port: plain AT over net.Pipe.
type host struct {
	t    *testing.T
	conn net.Conn
	mu   sync.Mutex
	got  bytes.Buffer // guarded by mu: everything since the last take
	over bool
	done chan error // of Serve
}

// bubble runs f in virtual time and ends everything that it served.
func bubble(t *testing.T, p Personality, o Options, f func(*testing.T, *Modem)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, New(p, o))
	})
}

// plug serves a port and talks to it.
func plug(t *testing.T, m *Modem, port int) *host {
	t.Helper()
	near, far := net.Pipe()
	h := &host{t: t, conn: near, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { h.done <- m.Serve(ctx, port, far) }()
	go h.read()
	t.Cleanup(func() {
		cancel()
		_ = near.Close()
	})
	synctest.Wait()
	return h
}

func (h *host) read() {
	buf := make([]byte, 4096)
	for {
		n, err := h.conn.Read(buf)
		h.mu.Lock()
		h.got.Write(buf[:n])
		h.over = h.over || err != nil
		h.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take is what has come since the last take.
func (h *host) take() string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.got.String()
	h.got.Reset()
	return s
}

func (h *host) closed() bool {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

// send writes bytes as they are.
func (h *host) send(s string) {
	h.t.Helper()
	_ = h.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	if _, err := h.conn.Write([]byte(s)); err != nil {
		h.t.Fatalf("write %q: %v", s, err)
	}
}

// raw sends a command and returns what comes within d.
func (h *host) raw(cmd string, d time.Duration) string {
	h.t.Helper()
	h.take()
	h.send(cmd + "\r")
	time.Sleep(d)
	return h.take()
}

// ask sends a command and returns its lines without echo and blank ones.
func (h *host) ask(cmd string) []string {
	h.t.Helper()
	return lines(h.raw(cmd, 3*time.Second), cmd)
}

// lines are those of an answer.
func lines(s, echo string) []string {
	var out []string
	for line := range strings.SplitSeq(strings.ReplaceAll(s, "\r", "\n"), "\n") {
		if line = strings.TrimSpace(line); line != "" && line != echo {
			out = append(out, line)
		}
	}
	return out
}

// want sends a command and compares the lines of its answer.
func (h *host) want(cmd string, want ...string) {
	h.t.Helper()
	if got := h.ask(cmd); !slices.Equal(got, want) {
		h.t.Errorf("%s: got %q, want %q", cmd, got, want)
	}
}

// has sends a command and looks for a line that begins so.
func (h *host) has(cmd, prefix string) {
	h.t.Helper()
	got := h.ask(cmd)
	if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, prefix) }) {
		h.t.Errorf("%s: got %q, want a line %q…", cmd, got, prefix)
	}
}

func personality(t *testing.T, id string) Personality {
	t.Helper()
	p, ok := ByID(id)
	if !ok {
		t.Fatalf("no personality %q", id)
	}
	return p
}

// commandPort is the first interface that speaks AT.
func commandPort(t *testing.T, p Personality) int {
	t.Helper()
	for _, s := range p.Compositions[0].Ports {
		if s.Kind == KindAT {
			return s.Interface
		}
	}
	t.Fatalf("%s has no AT port", p.ID)
	return 0
}
