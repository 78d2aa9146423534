package journal

import (
	"context"
	"sync"

	"luatnetd/internal/status"
)

// Size is how many events are kept.
const Size = 1000

// Journal is a ring of events; it may be used by several goroutines.
type Journal struct {
	mu     sync.Mutex // guards what follows
	events []status.Event
	next   uint64
	wake   chan struct{} // closed and replaced with each event
}

// New returns an empty journal.
func New() *Journal { return &Journal{wake: make(chan struct{}), next: 1} }

// Add numbers and keeps an event; the oldest one goes when the ring is full.
func (j *Journal) Add(e status.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Seq = j.next
	j.next++
	j.events = append(j.events, e)
	if len(j.events) > Size {
		j.events = append(j.events[:0:0], j.events[len(j.events)-Size:]...)
	}
	close(j.wake)
	j.wake = make(chan struct{})
}

// After returns the kept events whose number is above seq, and a channel that
// is closed when there is another one.
func (j *Journal) After(seq uint64) ([]status.Event, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, e := range j.events {
		if e.Seq > seq {
			return append([]status.Event(nil), j.events[i:]...), j.wake
		}
	}
	return nil, j.wake
}

// Follow calls f with each event above seq until ctx ends or f fails.
func (j *Journal) Follow(ctx context.Context, seq uint64, f func(status.Event) error) error {
	for {
		list, wake := j.After(seq)
		for _, e := range list {
			if err := f(e); err != nil {
				return err
			}
			seq = e.Seq
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		}
	}
}
