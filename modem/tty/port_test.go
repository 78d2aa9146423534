package tty

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"luatnetd/modem"
)

func TestAnswer(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, _ := open(t, script(map[string]string{
			"AT+CSQ":   "\r\n+CSQ: 20,99\r\n\r\nOK\r\n",
			"AT+CPIN?": "\r\n+CME ERROR: 10\r\n",
			"AT+CFUN?": "\r\n+CME ERROR: SIM busy\r\n",
		}))
		want(t, ask(t, p, "+CSQ", "+CSQ", time.Second), nil, "+CSQ: 20,99")
		want(t, ask(t, p, "", "", time.Second), nil)
		want(t, ask(t, p, "+CPIN?", "", time.Second), modem.CMEError{Code: 10, Text: "10"})
		want(t, ask(t, p, "+CFUN?", "", time.Second), modem.CMEError{Code: 14, Text: "SIM busy"})
	})
}

func TestCloseFreesEverything(t *testing.T) {
	virtual(t, func(t *testing.T) { // a goroutine that is left fails the bubble
		p, _ := open(t, func(*peer, string) {})
		got := make(chan modem.Reply)
		go func() { got <- ask(t, p, "+COPS=?", "", 5*time.Minute) }()
		time.Sleep(time.Second)
		began := time.Now()
		if err := p.Close(); err != nil || time.Since(began) > 0 {
			t.Errorf("Close: %v after %s", err, time.Since(began))
		}
		want(t, <-got, modem.ErrGone)
		if _, err := p.conn.Write([]byte("x")); err != io.ErrClosedPipe {
			t.Errorf("the descriptor is still open: %v", err)
		}
		want(t, ask(t, p, "", "", time.Second), modem.ErrGone)
		if p.Err() != nil {
			t.Errorf("Err after Close: %v", p.Err())
		}
	})
}

func TestContextEndsTheWait(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, _ := open(t, func(p *peer, line string) {
			time.Sleep(20 * time.Second)
			p.say("\r\n" + line[2:] + ": 1\r\nOK\r\n")
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r := p.Do(ctx, modem.Command{Text: "+CFUN", Timeout: time.Minute})
		if !errors.Is(r.Err, modem.ErrTimeout) {
			t.Errorf("reply %v", r.Err)
		}
		// Its answer belongs to nobody: the next command gets its own.
		want(t, ask(t, p, "+CGATT", "", time.Minute), nil, "+CGATT: 1")
	})
}
