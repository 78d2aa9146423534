package tty

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
)

// gate is a modem that answers when it is told to.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	seen []string
}

func (g *gate) answer(p *peer, line string) {
	g.mu.Lock()
	g.seen = append(g.seen, strings.TrimPrefix(line, "AT"))
	g.mu.Unlock()
	<-g.open
	p.say("\r\nOK\r\n")
}

func (g *gate) order() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.seen, " ")
}

// later sends commands that wait, one after the other.
func later(p *Port, cmds ...modem.Command) (replies func() []error) {
	var wg sync.WaitGroup
	errs := make([]error, len(cmds))
	for i, c := range cmds {
		wg.Go(func() { errs[i] = p.Do(context.Background(), c).Err })
		synctest.Wait()
	}
	return func() []error { wg.Wait(); return errs }
}

func command(text string, prio modem.Priority) modem.Command {
	return modem.Command{Text: text, Priority: prio, Timeout: 5 * time.Second}
}

func TestPriorities(t *testing.T) {
	virtual(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		p, _ := open(t, g.answer)
		replies := later(p,
			command("+A", modem.PollPriority), command("+B", modem.PollPriority), command("+C", modem.StatePriority),
			command("+D", modem.UserPriority), command("+E", modem.StatePriority), command("+F", modem.UserPriority))
		close(g.open)
		for i, err := range replies() {
			if err != nil {
				t.Errorf("command %d: %v", i, err)
			}
		}
		if got := g.order(); got != "+A +D +F +C +E +B" { // +A ran already
			t.Errorf("order %s", got)
		}
	})
}

// TestNoPollsBehindALongCommand: those that wait go, later ones are refused.
func TestNoPollsBehindALongCommand(t *testing.T) {
	virtual(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		p, _ := open(t, g.answer)
		long := command("+COPS=?", modem.StatePriority)
		long.Timeout = 315 * time.Second
		first := later(p, command("+A", modem.StatePriority), command("+P", modem.PollPriority), long, command("+B", modem.StatePriority))
		g.open <- struct{}{} // +A is answered, the long one begins
		synctest.Wait()
		second := later(p, command("+Q", modem.PollPriority))
		want(t, modem.Reply{Err: second()[0]}, modem.ErrCancelled)
		close(g.open)
		if errs := fmt.Sprint(first()); errs != fmt.Sprint([]error{nil, modem.ErrCancelled, nil, nil}) {
			t.Error(errs)
		}
		if got := g.order(); got != "+A +COPS=? +B" {
			t.Errorf("order %s", got)
		}
	})
}

// TestQueueIsBounded: polls make room for others, and nothing is kept beyond.
func TestQueueIsBounded(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, _ := open(t, func(*peer, string) {})
		var cmds []modem.Command
		for range maxWaiting + 1 { // one runs
			cmds = append(cmds, command("+P", modem.PollPriority))
		}
		polls := later(p, cmds...)
		replies := later(p, command("+S", modem.StatePriority))
		for range maxWaiting - 1 {
			go p.Do(context.Background(), command("+S", modem.StatePriority))
		}
		synctest.Wait()
		want(t, p.Do(context.Background(), command("+S", modem.UserPriority)), ErrFull)
		want(t, p.Do(context.Background(), command("+P", modem.PollPriority)), modem.ErrCancelled)
		cancelled := 0
		for _, err := range polls() {
			if err == modem.ErrCancelled {
				cancelled++
			}
		}
		if cancelled != maxWaiting {
			t.Errorf("%d polls made room", cancelled)
		}
		want(t, modem.Reply{Err: replies()[0]}, modem.ErrTimeout)
	})
}

// TestWithdrawn: what was cancelled before its turn is never sent.
func TestWithdrawn(t *testing.T) {
	virtual(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		p, _ := open(t, g.answer)
		first := later(p, command("+A", modem.StatePriority))
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		want(t, p.Do(ctx, command("+B", modem.UserPriority)), modem.ErrCancelled)
		close(g.open)
		first()
		want(t, p.Do(context.Background(), command("+C", modem.StatePriority)), nil)
		if got := g.order(); got != "+A +C" {
			t.Errorf("order %s", got)
		}
	})
}

// TestNoControlCharacters: one command is one line.
func TestNoControlCharacters(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, peer := open(t, script(nil))
		for _, c := range []modem.Command{{Text: "+CSQ\rAT+CFUN=0"}, {Text: "+CMGS=1", PDU: "00\x1aAT"}, {Text: strings.Repeat("x", 5000)}} {
			if r := p.Do(context.Background(), c); r.Err == nil {
				t.Errorf("%q was sent", c.Text)
			}
		}
		synctest.Wait()
		if peer.seen() != "" {
			t.Errorf("sent %q", peer.seen())
		}
	})
}

// TestUnreadCodesDoNotStopThePort: nobody takes the unsolicited codes.
func TestUnreadCodesDoNotStopThePort(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, peer := open(t, script(nil))
		for range 5000 {
			peer.say("+CREG: 2\r\n")
		}
		want(t, ask(t, p, "", "", time.Second), nil)
	})
}

// TestADayOfPolling runs in no time.
func TestADayOfPolling(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, _ := open(t, script(map[string]string{"AT+CSQ": known["AT+CSQ"]}))
		for range 24 * 60 * 4 {
			time.Sleep(15 * time.Second)
			if r := p.Do(context.Background(), command("+CSQ", modem.PollPriority)); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		size := 0
		for _, s := range p.Trace() {
			size += len(s)
		}
		if size > 2*traceBytes || size < traceBytes/4 {
			t.Errorf("trace of %d bytes", size)
		}
	})
}
