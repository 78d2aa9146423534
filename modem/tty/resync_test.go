package tty

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
)

// known are a modem's answers to what a Port asks by itself, and to +CSQ.
var known = map[string]string{
	"AT+CGSN":  "\r\n861234567890123\r\n\r\nOK\r\n",
	"AT+CMEE?": "\r\n+CMEE: 1\r\n\r\nOK\r\n",
	"AT+CSQ":   "\r\n+CSQ: 9,99\r\n\r\nOK\r\n",
}

// TestResync: a command without an answer in time, and what becomes of the next.
func TestResync(t *testing.T) {
	for _, tt := range []struct {
		name string
		slow func(p *peer)     // what +SLOW does
		with map[string]string // other answers than known
		err  error             // of the port
	}{
		{"the answer is lost", func(*peer) {}, nil, nil},
		{"the answer is late", delayed(1500*time.Millisecond, "\r\n+SLOW: 1\r\n\r\nOK\r\n"), nil, nil},
		{"later", delayed(4*time.Second, "\r\n+SLOW: 1\r\n\r\nOK\r\n"), nil, nil},
		{"only its OK is late", delayed(1200*time.Millisecond, "\r\nOK\r\n"), nil, nil},
		{"it looks like the first probe's", delayed(1500*time.Millisecond, known["AT+CGSN"]), nil, nil},
		{"an error is late", delayed(1500*time.Millisecond, "\r\nERROR\r\n"), nil, nil},
		{"everything is late for a while", delayed(5*time.Second, "\r\n+SLOW: 1\r\n\r\nOK\r\n"), map[string]string{"AT+CGSN": "slow"}, nil},
		{"too late", delayed(20*time.Second, "\r\nOK\r\n"), nil, modem.ErrUnsynced},
		{"noise", delayed(1200*time.Millisecond, strings.Repeat("\x01\x80%&\r\n", 500)), nil, nil},
		{"half a line", delayed(1200*time.Millisecond, "\r\n+SLO"), nil, nil},
		{"no IMEI to give", delayed(1500*time.Millisecond, "\r\nERROR\r\n"), map[string]string{"AT+CGSN": "\r\n+CME ERROR: 13\r\n"}, nil},
		{"+CMEE not known", delayed(1500*time.Millisecond, "\r\nERROR\r\n"), map[string]string{"AT+CMEE?": "\r\nERROR\r\n"}, nil},
		{"echo on", func(*peer) {}, map[string]string{
			"AT+CGSN": "AT+CGSN\r" + known["AT+CGSN"], "AT+CMEE?": "AT+CMEE?\r" + known["AT+CMEE?"],
		}, nil},
		{"no answer to any probe", func(*peer) {}, map[string]string{"AT+CGSN": ""}, modem.ErrUnsynced},
		{"always another's answer", func(*peer) {}, map[string]string{"AT+CGSN": known["AT+CMEE?"]}, modem.ErrUnsynced},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				p, _ := open(t, func(p *peer, line string) {
					if line == "AT+SLOW" {
						tt.slow(p)
					} else if a, ok := tt.with[line]; ok {
						if a == "slow" {
							time.Sleep(5 * time.Second)
							a = known[line]
						}
						p.say(a)
					} else {
						p.say(known[line])
					}
				})
				want(t, ask(t, p, "+SLOW", "+SLOW", time.Second), modem.ErrTimeout)
				r := ask(t, p, "+CSQ", "+CSQ", time.Minute)
				if tt.err != nil {
					want(t, r, tt.err)
				} else {
					want(t, r, nil, "+CSQ: 9,99")
				}
				if p.Err() != tt.err {
					t.Errorf("port: %v, want %v\n%s", p.Err(), tt.err, strings.Join(p.Trace(), "\n"))
				}
			})
		})
	}
}

func delayed(d time.Duration, answer string) func(*peer) {
	return func(p *peer) { time.Sleep(d); p.say(answer) }
}

// TestKnownIMEI: an IMEI that was seen once is what the probe must give.
func TestKnownIMEI(t *testing.T) {
	virtual(t, func(t *testing.T) {
		other := false
		p, _ := open(t, func(p *peer, line string) {
			switch {
			case line == "AT+SLOW":
			case line == "AT+CGSN" && other:
				p.say("\r\n111111111111111\r\n\r\nOK\r\n")
			default:
				p.say(known[line])
			}
		})
		want(t, ask(t, p, "+CGSN", "", time.Second), nil, "861234567890123")
		other = true
		want(t, ask(t, p, "+SLOW", "", time.Second), modem.ErrTimeout)
		want(t, ask(t, p, "+CSQ", "", time.Minute), modem.ErrUnsynced)
	})
}

// TestMutePort: a port that takes bytes and gives none is given up within 10 s
// of the first command of 3 s, so that another port can take over.
func TestMutePort(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, _ := open(t, func(*peer, string) {})
		began := time.Now()
		want(t, ask(t, p, "+CSQ", "", 3*time.Second), modem.ErrTimeout)
		want(t, ask(t, p, "+CSQ", "", time.Minute), modem.ErrUnsynced)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("given up after %s", took)
		}
	})
}

// TestStormDoesNotKeepUs: unsolicited codes without end do not look like late
// answers.
func TestStormDoesNotKeepUs(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, peer := open(t, func(p *peer, line string) { p.say(known[line]) })
		stop := make(chan struct{})
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					peer.say("+CREG: 2\r\n")
				}
			}
		}()
		want(t, ask(t, p, "+SLOW", "", time.Second), modem.ErrTimeout)
		began := time.Now()
		want(t, ask(t, p, "+CSQ", "", time.Minute), nil, "+CSQ: 9,99")
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("resynchronised after %s", took)
		}
		close(stop)
		<-stopped
	})
}

// erratic is a modem whose answers are late, lost, torn and full of noise. It
// answers in order.
type erratic struct {
	mu   sync.Mutex // of rng
	rng  *rand.Rand
	bad  float64       // how often something happens
	late time.Duration // at most
}

func (e *erratic) answer(p *peer, line string) {
	text, ok := known[line]
	if n, own := strings.CutPrefix(line, "AT+Q="); own {
		text, ok = "\r\n+Q: "+n+"\r\n\r\nOK\r\n", true
	}
	if !ok {
		return
	}
	if e.happens() {
		time.Sleep(time.Duration(e.intN(int(e.late))))
	}
	switch {
	case e.happensTwice():
		return
	case e.happensTwice():
		text = strings.Repeat("\xff\x00", e.intN(50)) + text
	case e.happens():
		text = "\r\n+CREG: 2\r\n" + text + "\r\n+CGEV: NW DETACH\r\n"
	}
	for text != "" {
		n := 1 + e.intN(len(text))
		p.say(text[:n])
		text = text[n:]
	}
}

func (e *erratic) happens() bool { return float64(e.intN(1000)) < 1000*e.bad }

func (e *erratic) happensTwice() bool { return float64(e.intN(1000)) < 1000*e.bad*e.bad }

// intN is locked: after a port was opened anew the last answer may still be on its way.
func (e *erratic) intN(n int) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rng.IntN(n)
}

// neverAnothers asks many questions with short limits: an answer is its own or
// there is none.
func neverAnothers(t *testing.T, e *erratic, questions int) (answered int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(e.intN(1<<30)), 1)) // e's is the modem's
	virtual(t, func(t *testing.T) {
		peer, conn := newPeer(t, e.answer)
		p := openConn(t, conn)
		for n := range questions {
			r := ask(t, p, fmt.Sprintf("+Q=%d", n), "", time.Duration(1+rng.IntN(3000))*time.Millisecond)
			if r.Err == nil && strings.Join(r.Lines, "|") != fmt.Sprintf("+Q: %d", n) {
				t.Errorf("question %d is answered %q\n%s", n, r.Lines, strings.Join(p.Trace(), "\n"))
				return
			}
			if r.Err == nil {
				answered++
			}
			if p.Ended() { // open it anew: the same modem, a fresh line
				_ = p.Close()
				_ = peer.Close()
				synctest.Wait()
				peer, conn = newPeer(t, e.answer)
				p = openConn(t, conn)
			}
		}
	})
	return answered
}

func TestNeverAnothersAnswer(t *testing.T) {
	const seeds, each = 400, 60
	answered := 0
	for seed := range uint64(seeds) {
		e := &erratic{rng: rand.New(rand.NewPCG(seed, 5)), bad: float64(seed%4+1) / 8, late: 4 * time.Second}
		answered += neverAnothers(t, e, each)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if answered < seeds*each/5 {
		t.Errorf("%d of %d questions were answered: the port does not come back", answered, seeds*each)
	}
	t.Logf("%d of %d questions were answered", answered, seeds*each)
}

func FuzzPort(f *testing.F) {
	f.Add(uint64(1), uint8(64), uint8(8))
	f.Add(uint64(2), uint8(128), uint8(30))
	f.Add(uint64(3), uint8(20), uint8(2))
	f.Fuzz(func(t *testing.T, seed uint64, bad, late uint8) {
		e := &erratic{rng: rand.New(rand.NewPCG(seed, 7)), bad: float64(bad) / 512, late: time.Duration(late%32+1) * 150 * time.Millisecond}
		neverAnothers(t, e, 20)
	})
}

// TestCancelledCommandKeepsItsAnswer: one that was given up by its caller is
// waited for, so that the next gets its own.
func TestCancelledCommandKeepsItsAnswer(t *testing.T) {
	virtual(t, func(t *testing.T) {
		e := &erratic{rng: rand.New(rand.NewPCG(1, 1)), bad: 0.9, late: 2 * time.Second}
		rng := rand.New(rand.NewPCG(1, 2))
		p, _ := open(t, e.answer)
		for n := range 20 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(1000))*time.Millisecond)
			r := p.Do(ctx, modem.Command{Text: fmt.Sprintf("+Q=%d", n), Timeout: 10 * time.Second})
			cancel()
			if r.Err == nil && r.Lines[0] != fmt.Sprintf("+Q: %d", n) {
				t.Errorf("question %d is answered %q", n, r.Lines)
			}
		}
	})
}
