package engine

import (
	"context"
	"sync"
)

// signal is given once; giving it again does nothing.
type signal struct {
	done chan struct{} // closed when it was given
	give func()
}

func newSignal() signal {
	s := signal{done: make(chan struct{})}
	s.give = sync.OnceFunc(func() { close(s.done) })
	return s
}

// gate holds sources back until the connections are in the hub. A message that
// came earlier would be "accepted" by those that are there, and the others
// would never hear of it.
type gate []signal

// before makes run begin when every signal was given.
func (g gate) before(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, s := range g {
			select {
			case <-s.done:
			case <-ctx.Done():
				return nil
			}
		}
		return run(ctx)
	}
}
