package tty

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/filter"
)

// defaultTimeout is for commands without one.
const defaultTimeout = 3 * time.Second

// maxCommand bounds a command line: V.250 asks for 40 characters, modems take 256 to 2048.
const maxCommand = 2048

// Do has a command carried out and waits for what came of it. Its Timeout runs
// from now on, waiting included. ErrTimeout says that the modem did not answer in
// time, or still had to be resynchronised; ErrCancelled, that its turn did not
// come behind a command or a lease that takes long, which says nothing bad of the
// modem. When ctx ends first the reply is ErrCancelled (ErrTimeout for a
// deadline); a command that had been sent is still waited for by the port, and
// the next one's turn comes after that.
//
// A poll does not wait behind a command or a lease that may take long, nor where
// no room is left: the reply is ErrCancelled at once.
func (p *Port) Do(ctx context.Context, c modem.Command) modem.Reply {
	if err := check(c); err != nil {
		return modem.Reply{Err: err}
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	j := &job{cmd: c, deadline: time.Now().Add(c.Timeout), reply: make(chan modem.Reply, 1)}
	if err := p.queue.put(j); err != nil {
		return modem.Reply{Err: err}
	}
	return p.await(ctx, j, c.Timeout)
}

func check(c modem.Command) error {
	odd := func(r rune) bool { return r < ' ' || r == 0x7F }
	if strings.ContainsFunc(c.Text, odd) || strings.ContainsFunc(c.PDU, odd) {
		return fmt.Errorf("command %s: it has control characters", c.Name())
	}
	if len(c.Text) > maxCommand || len(c.PDU) > maxCommand {
		return fmt.Errorf("command %s: longer than %d characters", c.Name(), maxCommand)
	}
	return nil
}

// await waits for a job's reply. What runs always gets one.
func (p *Port) await(ctx context.Context, j *job, limit time.Duration) modem.Reply {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	expired := timer.C
	for {
		select {
		case r := <-j.reply:
			return r
		case <-expired:
			switch withdrawn, held := p.queue.withdraw(j); {
			case withdrawn && held:
				return modem.Reply{Err: modem.ErrCancelled}
			case withdrawn:
				return modem.Reply{Err: modem.ErrTimeout}
			}
			expired = nil // it runs, and the library has the same deadline
		case <-ctx.Done():
			_, _ = p.queue.withdraw(j)
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return modem.Reply{Err: modem.ErrTimeout}
			}
			return modem.Reply{Err: modem.ErrCancelled}
		}
	}
}

// work carries out one job after the other.
func (p *Port) work() {
	defer func() { p.queue.close(p.cause()) }()
	for {
		j := p.queue.next()
		switch {
		case j == nil:
			select {
			case <-p.queue.wake:
			case <-p.done:
				return
			}
		case j.borrow != nil:
			p.lend(j)
		default:
			p.run(j)
		}
		if p.Ended() {
			return
		}
	}
}

// Ended reports whether Done is closed.
func (p *Port) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// run carries out one command.
func (p *Port) run(j *job) {
	c, left := j.cmd, time.Until(j.deadline)
	switch {
	case p.wire.carries():
		j.reply <- modem.Reply{Err: ErrData}
		return
	case left <= 0:
		j.reply <- modem.Reply{Err: modem.ErrTimeout}
		return
	}
	lines, err := p.send(c, left)
	switch {
	case err != nil && p.Ended():
		err = p.cause()
		if c.Resets && errors.Is(err, modem.ErrGone) {
			err = nil // it went because it does what it was told
		}
	case errors.Is(err, modem.ErrTimeout):
		p.wire.unsure(false)
		p.wire.trace.note("no answer to " + c.String())
	case err == nil && c.Name() == "+CGSN" && imei(lines) != "":
		p.imei = imei(lines)
	}
	j.reply <- modem.Reply{Lines: lines, Err: err}
	if errors.Is(err, modem.ErrTimeout) {
		p.resync()
	}
}

// send gives a command to the library.
func (p *Port) send(c modem.Command, limit time.Duration) ([]string, error) {
	if c.Secret {
		p.wire.trace.hide("AT"+c.Text, c.String())
	}
	p.wire.change(func(f *filter.Filter) { f.Expect(filter.Expect{Prefix: c.Prefix, Dial: c.Dial}) })
	return p.engine.do(c, limit)
}

// imei is the only number of 14 to 16 digits in an answer to +CGSN, "" if there
// is none.
func imei(lines []string) string {
	found := ""
	for _, s := range lines {
		for _, f := range strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
			switch {
			case len(f) < 14 || len(f) > 16:
			case found != "" && found != f:
				return ""
			default:
				found = f
			}
		}
	}
	return found
}
