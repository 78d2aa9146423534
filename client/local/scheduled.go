package local

import (
	"context"
	"time"

	"luatnetd/client"
)

// Scheduled makes a short connection at each moment of a schedule. All fields
// but Look are required.
type Scheduled struct {
	client.Schedule
	Oneshot
	Data func() []byte // what to send, made at that moment
	Done func(Answer)
	Now  func() time.Time // wall clock
	// Look says that the machine has slept: timers do not run meanwhile, so the
	// clock is to be looked at now. Nil for a machine that never sleeps.
	Look <-chan struct{}
}

// look is how often the wall clock is looked at: it may have been stepped.
const look = time.Minute

// Run makes connections until ctx ends. One that is missed, because the last
// took too long or nothing ran, is not made up for.
func (s *Scheduled) Run(ctx context.Context) error {
	next := s.Next(s.Now())
	for {
		now := s.Now()
		if !now.Before(next) {
			s.Done(s.Do(ctx, s.Data()))
			now = s.Now()
			next = s.Next(now)
		} else if sooner := s.Next(now); sooner.Before(next) {
			next = sooner // the clock was set back
		}
		t := time.NewTimer(min(max(next.Sub(now), 0), look))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		case <-s.Look:
			t.Stop()
		}
	}
}
