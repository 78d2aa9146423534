package tty

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
)

// peer is a modem that does what a test says, to one line after the other. It
// goes on reading meanwhile, as a tty's buffer does.
type peer struct {
	net.Conn
	answer func(p *peer, line string) // called for each line that ends in CR or Ctrl-Z

	mu  sync.Mutex
	raw strings.Builder // everything that was received
}

// serve reads until the end.
func (p *peer) serve() {
	var line []byte
	lines := make(chan string, 1000)
	var wg sync.WaitGroup
	wg.Go(func() {
		for s := range lines {
			p.answer(p, s)
		}
	})
	defer wg.Wait()
	defer close(lines)
	buf := make([]byte, 512)
	for {
		n, err := p.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.raw.Write(buf[:n])
		p.mu.Unlock()
		for _, c := range buf[:n] {
			switch c {
			case '\n':
			case '\r', 0x1A:
				s := string(line)
				if c == 0x1A {
					s += "\x1a"
				}
				line = nil
				lines <- s
			default:
				line = append(line, c)
			}
		}
	}
}

// say writes, and does not mind if nobody is there any more.
func (p *peer) say(s string) { _, _ = p.Write([]byte(s)) }

// seen is everything that was received.
func (p *peer) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.raw.String()
}

// script answers each command with its text, and others with OK.
func script(answers map[string]string) func(*peer, string) {
	return func(p *peer, line string) {
		if a, ok := answers[line]; ok {
			p.say(a)
			return
		}
		p.say("\r\nOK\r\n")
	}
}

// newPeer makes a peer and our end of the line to it.
func newPeer(t *testing.T, answer func(*peer, string)) (*peer, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	p := &peer{Conn: theirs, answer: answer}
	done := make(chan struct{})
	go func() { defer close(done); p.serve() }()
	t.Cleanup(func() { _ = theirs.Close(); _ = ours.Close(); <-done })
	return p, ours
}

// open opens a port to a peer. It is for synctest bubbles, and for others.
func open(t *testing.T, answer func(*peer, string)) (*Port, *peer) {
	t.Helper()
	p, conn := newPeer(t, answer)
	return openConn(t, conn), p
}

func openConn(t *testing.T, conn Conn) *Port {
	t.Helper()
	port, err := Open(context.Background(), Config{Path: "test", Dial: func(context.Context) (Conn, error) { return conn, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = port.Close() })
	return port
}

func ask(t *testing.T, p *Port, text, prefix string, limit time.Duration) modem.Reply {
	t.Helper()
	return p.Do(context.Background(), modem.Command{Text: text, Prefix: prefix, Timeout: limit, Priority: modem.StatePriority})
}

// want checks a reply.
func want(t *testing.T, r modem.Reply, err error, lines ...string) {
	t.Helper()
	if r.Err != err || strings.Join(r.Lines, "|") != strings.Join(lines, "|") {
		t.Errorf("reply %q, %v; want %q, %v", r.Lines, r.Err, lines, err)
	}
}

// virtual runs a test in virtual time.
func virtual(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// drain takes what unsolicited codes there are.
func drain(p *Port) []modem.URC {
	var list []modem.URC
	for {
		synctest.Wait()
		select {
		case u := <-p.URCs():
			list = append(list, u)
		default:
			return list
		}
	}
}
