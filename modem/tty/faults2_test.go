package tty

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warthog618/modem/at"

	"luatnetd/modem"
)

// 16

const greater = "\r\n> hello\r\n\r\nOK\r\n"

func bareGreater(t *testing.T) {
	a, _ := bare(t, always(greater))
	bareWant(t, a, "+NOTE", nil, "hello")
}

func portGreater(t *testing.T) {
	p, _ := open(t, always(greater))
	want(t, ask(t, p, "+NOTE", "", time.Second), nil, "> hello")
}

// 17

const errorLog = "\r\nERRORLOG: 5\r\n\r\nOK\r\n"

func bareErrorLog(t *testing.T) {
	a, _ := bare(t, always(errorLog))
	bareWant(t, a, "+LOG", at.ErrError)
}

func portErrorLog(t *testing.T) {
	p, _ := open(t, always(errorLog))
	want(t, ask(t, p, "+LOG", "", time.Second), nil, "ERRORLOG: 5")
}

// 18

// idleConn gives nothing now and then, as a tty with a read timeout of its own does.
type idleConn struct {
	net.Conn
	empty int // reads in a row
}

func (c *idleConn) Read(b []byte) (int, error) {
	if c.empty > 0 {
		c.empty--
		return 0, nil
	}
	return c.Conn.Read(b)
}

func bareEmptyReads(t *testing.T) {
	_, conn := newPeer(t, always("\r\nOK\r\n"))
	a := at.New(&idleConn{conn, 101})
	synctest.Wait()
	bareWant(t, a, "", at.ErrClosed)
}

func portEmptyReads(t *testing.T) {
	_, conn := newPeer(t, always("\r\nOK\r\n"))
	p := openConn(t, &idleConn{conn, 1000})
	time.Sleep(3 * time.Second)
	want(t, ask(t, p, "", "", 10*time.Second), nil)
}

// 19

const noPDU = "\r\n+CMT: ,23\r\n+CSQ: 9,99\r\n\r\nOK\r\n"

func bareNoPDU(t *testing.T) {
	a, _ := bare(t, always(noPDU))
	if err := a.AddIndication("+CMT:", func([]string) {}, at.WithTrailingLine); err != nil {
		t.Fatal(err)
	}
	bareWant(t, a, "+CSQ", nil, "+CMT: ,23") // its own answer is gone
}

func portNoPDU(t *testing.T) {
	p, peer := open(t, always(noPDU))
	want(t, ask(t, p, "+CSQ", "", time.Second), nil, "+CSQ: 9,99")
	peer.say("+CMT: ,23\r\n0891683108200505F0240BA18600\r\n")
	got := drain(p)
	if len(got) != 2 || got[0].Line != "+CMT: ,23" || got[1].Line != "+CMT: ,23\n0891683108200505F0240BA18600" {
		t.Errorf("unsolicited: %v", got)
	}
}

// 21

func bareATZ(t *testing.T) {
	a, p := bare(t, always("\r\nOK\r\n"))
	if err := a.Init(); err != nil || !strings.Contains(p.seen(), "ATZ\r") {
		t.Errorf("Init: %v, sent %q", err, p.seen())
	}
}

func portATZ(t *testing.T) {
	p, peer := open(t, always("\r\nOK\r\n"))
	synctest.Wait()
	if peer.seen() != "" {
		t.Errorf("Open sends %q", peer.seen())
	}
	want(t, ask(t, p, "E0", "", time.Second), nil)
	if peer.seen() != "ATE0\r" {
		t.Errorf("sent %q", peer.seen())
	}
}

// a

const pdu = "0011000B916407281553F80000AA0AE8329BFD4697D9EC37"

// prompts asks twice for one PDU and counts what comes.
func prompts(p *peer, line string) {
	switch {
	case line == "AT+CMGS=23":
		p.say("\r\n> \r\n+CREG: 1\r\n> ")
	case strings.HasSuffix(line, "\x1a"):
		time.Sleep(100 * time.Millisecond)
		if strings.Count(p.seen(), "\x1a") == 1 {
			p.say("\r\n+CMGS: 5\r\n\r\nOK\r\n")
		}
	}
}

func barePrompts(t *testing.T) {
	a, p := bare(t, func(p *peer, line string) {
		if line == "AT+CMGS=23" {
			p.say("\r\n> \r\n> ")
		}
	})
	_, _ = a.SMSCommand("+CMGS=23", pdu)
	if n := strings.Count(p.seen(), pdu+"\x1a"); n != 2 {
		t.Errorf("the PDU is sent %d times; the known fault is twice", n)
	}
}

func portPrompts(t *testing.T) {
	p, peer := open(t, prompts)
	r := p.Do(context.Background(), modem.Command{Text: "+CMGS=23", PDU: pdu, Prefix: "+CMGS", Timeout: time.Minute})
	want(t, r, nil, "+CMGS: 5")
	if peer.seen() != "AT+CMGS=23\r"+pdu+"\x1a" {
		t.Errorf("sent %q", peer.seen())
	}
	if got := drain(p); len(got) != 1 || got[0].Line != "+CREG: 1" {
		t.Errorf("unsolicited: %v", got)
	}
}

// b

func scanning(p *peer, line string) {
	if line == "AT+COPS=?" {
		time.Sleep(315 * time.Second)
	}
	p.say("\r\nOK\r\n")
}

func bareWaiting(t *testing.T) {
	a, _ := bare(t, scanning)
	scanned := make(chan error)
	go func() { _, err := a.Command("+COPS=?", at.WithTimeout(320*time.Second)); scanned <- err }()
	synctest.Wait()
	began := time.Now()
	_, err := a.Command("+CSQ", at.WithTimeout(time.Second))
	if took := time.Since(began); err != nil || took < 300*time.Second {
		t.Errorf("%v after %s; the known fault is to wait for the scan", err, took)
	}
	if err := <-scanned; err != nil {
		t.Error(err)
	}
}

func portWaiting(t *testing.T) {
	p, _ := open(t, scanning)
	scanned := make(chan modem.Reply)
	go func() { scanned <- ask(t, p, "+COPS=?", "", 320*time.Second) }()
	synctest.Wait()
	began := time.Now()
	want(t, ask(t, p, "+CSQ", "", time.Second), modem.ErrCancelled)
	if took := time.Since(began); took != time.Second {
		t.Errorf("after %s", took)
	}
	began = time.Now()
	poll := p.Do(context.Background(), modem.Command{Text: "+CSQ", Priority: modem.PollPriority})
	want(t, poll, modem.ErrCancelled)
	if took := time.Since(began); took != 0 {
		t.Errorf("a poll waits %s", took)
	}
	want(t, <-scanned, nil)
}

// c

func bareOverlap(t *testing.T) {
	a, p := bare(t, always(""))
	var heard atomic.Int32
	for _, prefix := range []string{"+CREG", "+CREG:"} {
		if err := a.AddIndication(prefix, func([]string) { heard.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	p.say("+CREG: 1\r\n")
	synctest.Wait()
	if heard.Load() != 2 {
		t.Errorf("heard %d times; the known fault is twice", heard.Load())
	}
}

func portOverlap(t *testing.T) {
	p, peer := open(t, always(""))
	peer.say("+CREG: 1\r\n")
	if got := drain(p); len(got) != 1 || got[0].Count != 1 {
		t.Errorf("heard %v", got)
	}
}

// d

func bareLF(t *testing.T) {
	a, p := bare(t, always("\r\nOK\r\n"))
	bareWant(t, a, "+CSQ", nil)
	synctest.Wait()
	if p.seen() != "AT+CSQ\r\n" {
		t.Errorf("sent %q; the known fault is CR LF", p.seen())
	}
}

func portLF(t *testing.T) {
	p, peer := open(t, always("\r\nOK\r\n"))
	want(t, ask(t, p, "+CSQ", "", time.Second), nil)
	synctest.Wait()
	if peer.seen() != "AT+CSQ\r" {
		t.Errorf("sent %q", peer.seen())
	}
}

// e

func bareClosed(t *testing.T) {
	p, conn := newPeer(t, nil)
	_ = p.SetReadDeadline(time.Unix(1, 0)) // the modem reads nothing
	synctest.Wait()
	gone := make(chan struct{})
	a := at.New(&halfClosed{conn, gone})
	done := make(chan error)
	go func() { _, err := a.Command("+CSQ"); done <- err }()
	synctest.Wait()
	close(gone)
	select {
	case <-a.Closed():
		t.Error("Closed although a write is blocked; the known fault is that it is not")
	case <-time.After(time.Hour):
	}
	_ = conn.Close()
	<-done
}

// halfClosed is a port whose reader sees its end while a write is blocked.
type halfClosed struct {
	net.Conn
	gone chan struct{}
}

func (c *halfClosed) Read([]byte) (int, error) {
	<-c.gone
	return 0, net.ErrClosed
}

func portClosed(t *testing.T) {
	p, conn := newPeer(t, nil)
	_ = p.SetReadDeadline(time.Unix(1, 0))
	synctest.Wait()
	port := openConn(t, conn)
	go func() {
		time.Sleep(writeTime / 2)
		_ = p.Close()
	}()
	began := time.Now()
	want(t, ask(t, port, "+CSQ", "", time.Minute), modem.ErrGone)
	<-port.Done()
	if took := time.Since(began); took != writeTime/2 {
		t.Errorf("ended after %s", took)
	}
	<-port.engine.closed()
}

// f

const atLine = "\r\nATMEL\r\n\r\nOK\r\n"

func bareATLine(t *testing.T) {
	a, _ := bare(t, always(atLine))
	lines, err := a.Command("")
	if err != nil || !slices.Equal(lines, nil) {
		t.Errorf("%q, %v; the known fault is no line", lines, err)
	}
}

func portATLine(t *testing.T) {
	p, _ := open(t, always(atLine))
	want(t, ask(t, p, "", "", time.Second), nil, "ATMEL")
	if errors.Is(p.Err(), modem.ErrGone) {
		t.Error("gone")
	}
}
