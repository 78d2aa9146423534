package modemtest

import (
	"context"
	"time"
)

// Clock is what the modem takes for time. The zero Clock is the time package,
// which is virtual within testing/synctest.
type Clock struct {
	Now       func() time.Time
	AfterFunc func(d time.Duration, f func()) (stop func() bool)
}

func (c Clock) withDefaults() Clock {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.AfterFunc == nil {
		c.AfterFunc = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	return c
}

// sleep waits for d, the end of ctx or of done, and says whether it slept whole.
func (c Clock) sleep(ctx context.Context, done <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	ch := make(chan struct{})
	stop := c.AfterFunc(d, func() { close(ch) })
	defer stop()
	select {
	case <-ch:
		return true
	case <-done:
		return false
	case <-ctx.Done():
		return false
	}
}

// Pace is how long the module needs. A zero field has the default in its
// comment, a negative one is none at all.
type Pace struct {
	Boot     time.Duration // from a reset or power-on to the bus: 5 s
	SIM      time.Duration // until the card answers READY: 500 ms
	Register time.Duration // from search to registered: 1 s
	Detach   time.Duration // out of coverage until the bearers are lost: 30 s
	Activate time.Duration // of a PDP context: 200 ms
	Scan     time.Duration // AT+COPS=?: 40 s
	Network  time.Duration // of an SMS, a USSD answer: 1 s
}

func (p Pace) withDefaults() Pace {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
		*d = max(*d, 0)
	}
	set(&p.Boot, 5*time.Second)
	set(&p.SIM, 500*time.Millisecond)
	set(&p.Register, time.Second)
	set(&p.Detach, 30*time.Second)
	set(&p.Activate, 200*time.Millisecond)
	set(&p.Scan, 40*time.Second)
	set(&p.Network, time.Second)
	return p
}
