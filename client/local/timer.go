package local

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"luatnetd/client"
	"luatnetd/client/hub"
)

// Send hands a message to the targets (hub.Hub.Send).
type Send func(m client.Message, done func(target string, r client.Result)) ([]hub.Outcome, error)

// Timer sends 1, 2, 3 … as LuatOS's timer_app does. Name, Send and Now are required.
type Timer struct {
	Name  string        // tag: "timer"
	First time.Duration // before the first message: 5 s
	// Every is the time from the latest result to the next message: 5 s. Each
	// result starts it anew, so with several targets the slowest counts. While
	// no result comes, because a queue waits for its uplink, nothing is sent.
	Every time.Duration
	Fixed bool   // every Every, whatever the results
	Text  string // sent instead of the counter, "" for the counter
	Send  Send
	Now   func() time.Time
	Log   *slog.Logger // nil for none

	sent uint64 // the number that was last taken, kept over a restart of the task
}

// timerPause is LuatOS's 5 s.
const timerPause = 5 * time.Second

// Run sends until ctx ends.
func (t *Timer) Run(ctx context.Context) error {
	every := or(t.Every, timerPause)
	results := make(chan struct{}, 1) // one notice is enough: only the latest counts
	next := time.NewTimer(or(t.First, timerPause))
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-results:
			next.Reset(every)
		case <-next.C:
			if t.Fixed {
				next.Reset(every)
			}
			if !t.send(results) && !t.Fixed {
				next.Reset(every) // nobody will give a result
			}
		}
	}
}

// send offers the next number and reports whether any target took it.
func (t *Timer) send(results chan<- struct{}) bool {
	var done func(string, client.Result)
	if !t.Fixed {
		done = func(string, client.Result) {
			select {
			case results <- struct{}{}:
			default:
			}
		}
	}
	m := client.Message{Source: t.Name, Data: strconv.AppendUint(nil, t.sent+1, 10), At: t.Now()}
	if t.Text != "" {
		m.Data = []byte(t.Text)
	}
	out, err := t.Send(m, done)
	took := false
	for _, o := range out {
		took = took || o.Err == nil
		if o.Err != nil {
			err = o.Err
		}
	}
	if took {
		t.sent++
	} else if t.Log != nil {
		t.Log.Debug("timer message not taken", "source", t.Name, "err", err)
	}
	return took
}

func or(d, fallback time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return fallback
}
