package tty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warthog618/modem/at"

	"luatnetd/modem"
)

// Each fault that was measured in the bare library runs twice here: bare, where
// the fault is asserted, and through a Port, where it must be gone. Should a
// newer library lose a fault, its test turns red and the filter's reason can go.
// Faults that need another package of the library are in imports_test.go.
var faults = []struct {
	name string
	bare func(*testing.T)
	port func(*testing.T)
}{
	{"1 echo is dropped (no fault)", bareEcho, portEcho},
	{"2 unsolicited code inside an answer", bareInside, portInside},
	{"3 an answer taken for unsolicited", bareSolicited, portSolicited},
	{"4 order of unsolicited codes", bareOrder, portOrder},
	{"5 bytes one by one (no fault)", bareSlow, portSlow},
	{"6 answer after the timeout", bareLate, portLate},
	{"7 64 kB without a line end", bareEndless, portEndless},
	{"8 garbage before OK", bareGarbage, portGarbage},
	{"9 the modem stops reading", bareStuck, portStuck},
	{"11 the port disappears", bareGone, portGone},
	{"12 CONNECT after +CGDATA, NO CARRIER after ATO", bareConnect, portConnect},
	{"13 other words for ERROR", bareAliases, portAliases},
	{"14 CR CR LF", bareCRCRLF, portCRCRLF},
	{"15 numeric results", bareNumeric, portNumeric},
	{"16 a line that begins with >", bareGreater, portGreater},
	{"17 information that begins with ERROR", bareErrorLog, portErrorLog},
	{"18 a read of nothing", bareEmptyReads, portEmptyReads},
	{"19 +CMT without its PDU", bareNoPDU, portNoPDU},
	{"21 ATZ", bareATZ, portATZ},
	{"a second prompt", barePrompts, portPrompts},
	{"b waiting is not counted", bareWaiting, portWaiting},
	{"c prefixes that overlap", bareOverlap, portOverlap},
	{"d LF after CR", bareLF, portLF},
	{"e Closed while a write is blocked", bareClosed, portClosed},
	{"f information taken for an echo", bareATLine, portATLine},
}

func TestFaults(t *testing.T) {
	for _, tt := range faults {
		t.Run(tt.name+"/bare", func(t *testing.T) { virtual(t, tt.bare) })
		t.Run(tt.name+"/port", func(t *testing.T) { virtual(t, tt.port) })
	}
}

// bare is the library on a peer, without us.
func bare(t *testing.T, answer func(*peer, string)) (*at.AT, *peer) {
	t.Helper()
	p, conn := newPeer(t, answer)
	return at.New(conn), p
}

// always answers everything with the same.
func always(answer string) func(*peer, string) {
	return func(p *peer, _ string) { p.say(answer) }
}

// bareWant checks an answer of the bare library.
func bareWant(t *testing.T, a *at.AT, cmd string, err error, lines ...string) {
	t.Helper()
	got, e := a.Command(cmd)
	if !errors.Is(e, err) || !slices.Equal(got, lines) {
		t.Errorf("the bare library gives %q, %v to %s; the known fault is %q, %v", got, e, cmd, lines, err)
	}
}

// 1

func echoes(p *peer, line string) { p.say(line + "\r\r\n+CSQ: 9,99\r\n\r\nOK\r\n") }

func bareEcho(t *testing.T) {
	a, _ := bare(t, echoes)
	bareWant(t, a, "+CSQ", nil, "+CSQ: 9,99")
}

func portEcho(t *testing.T) {
	p, _ := open(t, echoes)
	want(t, ask(t, p, "+CSQ", "", time.Second), nil, "+CSQ: 9,99")
	if left := drain(p); left != nil {
		t.Errorf("an echo became %v", left)
	}
}

// 2

const inside = "\r\n+CREG: 1\r\n\r\n+CSQ: 9,99\r\n\r\nOK\r\n"

func bareInside(t *testing.T) {
	a, _ := bare(t, always(inside))
	var heard atomic.Int32
	if err := a.AddIndication("+CREG", func([]string) { heard.Add(1) }); err != nil {
		t.Fatal(err)
	}
	bareWant(t, a, "+CSQ", nil, "+CREG: 1", "+CSQ: 9,99")
	synctest.Wait()
	if heard.Load() != 1 {
		t.Errorf("heard %d times", heard.Load())
	}
}

func portInside(t *testing.T) {
	p, _ := open(t, always(inside))
	want(t, ask(t, p, "+CSQ", "", time.Second), nil, "+CSQ: 9,99")
	if got := drain(p); len(got) != 1 || got[0] != (modem.URC{Prefix: "+CREG", Line: "+CREG: 1", Count: 1}) {
		t.Errorf("unsolicited: %v", got)
	}
}

// 3

const registered = "\r\n+CEREG: 2,1,\"12AB\",\"01A2B3C4\",7\r\n\r\nOK\r\n"

func bareSolicited(t *testing.T) {
	a, _ := bare(t, always(registered))
	var heard atomic.Int32
	if err := a.AddIndication("+CEREG", func([]string) { heard.Add(1) }); err != nil {
		t.Fatal(err)
	}
	_, _ = a.Command("+CEREG?")
	synctest.Wait()
	if heard.Load() != 1 {
		t.Errorf("the bare library takes an answer for unsolicited %d times; the known fault is once", heard.Load())
	}
}

func portSolicited(t *testing.T) {
	p, peer := open(t, always(registered))
	want(t, ask(t, p, "+CEREG?", "+CEREG", time.Second), nil, `+CEREG: 2,1,"12AB","01A2B3C4",7`)
	if got := drain(p); got != nil {
		t.Errorf("unsolicited: %v", got)
	}
	peer.say("+CEREG: 5\r\n")
	if got := drain(p); len(got) != 1 {
		t.Errorf("unsolicited: %v", got)
	}
}

// 4

func bareOrder(t *testing.T) {
	a, p := bare(t, always(""))
	var mu sync.Mutex
	var order []string
	var calls atomic.Int32
	handler := func(lines []string) {
		if calls.Add(1) == 1 { // each runs in a goroutine of its own, so the first does not keep the second
			time.Sleep(time.Second)
		}
		mu.Lock()
		defer mu.Unlock()
		order = append(order, lines[0])
	}
	if err := a.AddIndication("+CREG", handler); err != nil {
		t.Fatal(err)
	}
	p.say("+CREG: 2\r\n")
	synctest.Wait()
	p.say("+CREG: 1\r\n")
	time.Sleep(2 * time.Second)
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(order, []string{"+CREG: 1", "+CREG: 2"}) {
		t.Errorf("order %q; the known fault is the wrong one", order)
	}
}

func portOrder(t *testing.T) {
	p, peer := open(t, script(nil))
	for i := range 20_000 {
		peer.say(fmt.Sprintf("+TEST: %05d\r\n", i))
	}
	want(t, ask(t, p, "", "", time.Second), nil)
	last, sum := "", 0
	got := drain(p)
	for _, u := range got {
		if u.Line <= last {
			t.Fatalf("%s after %s", u.Line, last)
		}
		last, sum = u.Line, sum+u.Count
	}
	if sum != 20_000 || last != "+TEST: 19999" || len(got) > 66 {
		t.Errorf("%d codes for %d lines, the last %s", len(got), sum, last)
	}
}

// 5

func drips(p *peer, _ string) {
	for _, c := range "\r\n+CSQ: 9,99\r\n\r\nOK\r\n" {
		time.Sleep(3 * time.Millisecond)
		p.say(string(c))
	}
}

func bareSlow(t *testing.T) {
	a, _ := bare(t, drips)
	bareWant(t, a, "+CSQ", nil, "+CSQ: 9,99")
}

func portSlow(t *testing.T) {
	p, _ := open(t, drips)
	want(t, ask(t, p, "+CSQ", "", time.Second), nil, "+CSQ: 9,99")
}

// 6

// late answers +SLOW after 1.5 s and everything else in its turn, in order.
func late(p *peer, line string) {
	if line == "AT+SLOW" {
		time.Sleep(1500 * time.Millisecond)
	}
	p.say(map[string]string{
		"AT+SLOW":  "\r\n+SLOW: 1\r\n\r\nOK\r\n",
		"AT+CSQ":   "\r\n+CSQ: 9,99\r\n\r\nOK\r\n",
		"AT+CGSN":  "\r\n861234567890123\r\n\r\nOK\r\n",
		"AT+CMEE?": "\r\n+CMEE: 1\r\n\r\nOK\r\n",
	}[line])
}

func bareLate(t *testing.T) {
	a, _ := bare(t, late)
	bareWant(t, a, "+SLOW", at.ErrDeadlineExceeded)
	bareWant(t, a, "+CSQ", nil, "+SLOW: 1")
}

func portLate(t *testing.T) {
	p, _ := open(t, late)
	want(t, ask(t, p, "+SLOW", "", time.Second), modem.ErrTimeout)
	began := time.Now()
	want(t, ask(t, p, "+CSQ", "", 5*time.Second), nil, "+CSQ: 9,99")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("resynchronised after %s", took)
	}
}

// 7

func endless(size int) func(*peer, string) {
	return func(p *peer, line string) {
		p.say(strings.Repeat("x", size) + "\r\n" + "+CSQ: 9,99\r\nOK\r\n")
	}
}

func bareEndless(t *testing.T) {
	a, _ := bare(t, endless(70_000))
	bareWant(t, a, "+CSQ", at.ErrClosed)
}

func portEndless(t *testing.T) {
	p, _ := open(t, endless(90_000))
	want(t, ask(t, p, "+CSQ", "", time.Second), nil, "+CSQ: 9,99")
	if p.Garbage() != 90_000 {
		t.Errorf("garbage %d", p.Garbage())
	}
}

// 8

const garbage = "\xfe\xff\x00+CSQ: 9,99\r\n\x12\x00\xffOK\r\n"

func bareGarbage(t *testing.T) {
	a, _ := bare(t, always(garbage))
	if _, err := a.Command("+CSQ"); !errors.Is(err, at.ErrDeadlineExceeded) {
		t.Errorf("%v; the known fault is a timeout", err)
	}
}

func portGarbage(t *testing.T) {
	p, _ := open(t, always(garbage))
	want(t, ask(t, p, "+CSQ", "", time.Second), nil, "+CSQ: 9,99")
}

// 9

// deaf is a line whose other end reads nothing.
func deaf(t *testing.T) Conn {
	t.Helper()
	p, conn := newPeer(t, nil)
	_ = p.SetReadDeadline(time.Unix(1, 0)) // serve ends
	synctest.Wait()
	return conn
}

func bareStuck(t *testing.T) {
	conn := deaf(t)
	a := at.New(conn)
	done := make(chan error)
	go func() { _, err := a.Command("+CSQ"); done <- err }()
	select {
	case err := <-done:
		t.Errorf("Command returned %v; the known fault is that it does not", err)
	case <-time.After(time.Hour):
	}
	_ = conn.Close()
	<-done
}

func portStuck(t *testing.T) {
	p := openConn(t, deaf(t))
	began := time.Now()
	want(t, ask(t, p, "+CSQ", "", time.Minute), modem.ErrStuck)
	if took := time.Since(began); took != writeTime {
		t.Errorf("after %s", took)
	}
	<-p.Done()
	if p.Err() != modem.ErrStuck {
		t.Errorf("Err: %v", p.Err())
	}
}

// 11

func hangsUp(p *peer, _ string) { _ = p.Close() }

func bareGone(t *testing.T) {
	a, _ := bare(t, hangsUp)
	bareWant(t, a, "+CSQ", at.ErrClosed)
	<-a.Closed()
}

func portGone(t *testing.T) {
	p, _ := open(t, hangsUp)
	want(t, ask(t, p, "+CSQ", "", time.Minute), modem.ErrGone)
	<-p.Done()
	if _, err := p.conn.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the descriptor is still open: %v", err)
	}
	reset, _ := open(t, hangsUp)
	r := reset.Do(context.Background(), modem.Command{Text: "+CFUN=1,1", Resets: true})
	want(t, r, nil) // a lost OK is success
}

// 12

func noCarrier(p *peer, line string) {
	p.say(map[string]string{"AT+CGDATA=\"PPP\",1": "\r\nCONNECT 115200\r\n", "ATO": "\r\nNO CARRIER\r\n"}[line])
}

func bareConnect(t *testing.T) {
	a, _ := bare(t, noCarrier)
	bareWant(t, a, `+CGDATA="PPP",1`, at.ErrDeadlineExceeded, "CONNECT 115200")
	bareWant(t, a, "O", at.ErrDeadlineExceeded, "NO CARRIER")
}

func portConnect(t *testing.T) {
	p, _ := open(t, noCarrier)
	want(t, ask(t, p, "O", "", time.Second), modem.ConnectError("NO CARRIER"))
	want(t, ask(t, p, `+CGDATA="PPP",1`, "", time.Second), nil, "CONNECT 115200")
	want(t, ask(t, p, "+CSQ", "", time.Second), ErrData)
}

// 13

var otherWords = []string{"COMMAND NOT SUPPORT", "TOO MANY PARAMETERS", "NA", "MODEM ERROR: 3"}

func bareAliases(t *testing.T) {
	for _, w := range otherWords {
		a, _ := bare(t, always("\r\n"+w+"\r\n"))
		bareWant(t, a, "+CSQ", at.ErrDeadlineExceeded, w)
	}
}

func portAliases(t *testing.T) {
	for _, w := range otherWords {
		p, _ := open(t, always("\r\n"+w+"\r\n"))
		want(t, ask(t, p, "+CSQ", "", time.Second), modem.ErrError)
	}
}

// 14

const crcrlf = "\r\r\n+CSQ: 9,99 \r\r\n\r\r\nOK\r\r\n"

func bareCRCRLF(t *testing.T) {
	a, _ := bare(t, always(crcrlf))
	if _, err := a.Command("+CSQ"); !errors.Is(err, at.ErrDeadlineExceeded) {
		t.Errorf("%v; the known fault is a timeout", err)
	}
}

func portCRCRLF(t *testing.T) {
	p, _ := open(t, always(crcrlf))
	want(t, ask(t, p, "+CSQ", "", time.Second), nil, "+CSQ: 9,99")
}

// 15

func bareNumeric(t *testing.T) {
	a, _ := bare(t, always("0\r"))
	bareWant(t, a, "E0", at.ErrDeadlineExceeded)
}

func portNumeric(t *testing.T) {
	words := false
	p, _ := open(t, func(p *peer, line string) {
		words = words || line == "ATV1"
		if words {
			p.say("\r\nOK\r\n")
		} else {
			p.say("0\r")
		}
	})
	for _, init := range []string{"Q0", "E0", "V1", "+CMEE=1"} {
		want(t, ask(t, p, init, "", time.Second), nil)
	}
}
