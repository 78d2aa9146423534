package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// Restart pauses: doubled after each failure, reset by a run of calm.
const (
	firstPause = 200 * time.Millisecond
	maxPause   = 30 * time.Second
	calm       = time.Minute
)

// Group runs tasks until its context ends. The zero value is not usable: New.
type Group struct {
	log *slog.Logger
	wg  sync.WaitGroup

	mu    sync.Mutex // guards state
	state map[string]State
}

// State is how one task is doing.
type State struct {
	Name     string
	Restarts int
	Err      string // why it ended the last time, one line, "" if it never did
	Running  bool
}

// New returns an empty group that logs to log.
func New(log *slog.Logger) *Group {
	return &Group{log: log, state: make(map[string]State)}
}

// Go runs f as the task called name until ctx ends. An error or a panic
// restarts it after a pause; a nil return ends it for good.
func (g *Group) Go(ctx context.Context, name string, f func(context.Context) error) {
	g.wg.Go(func() {
		pause := firstPause
		for {
			g.set(name, true, nil)
			began := time.Now()
			err := Guard(ctx, f)
			if ctx.Err() != nil || err == nil {
				g.set(name, false, nil)
				return
			}
			if time.Since(began) > calm {
				pause = firstPause
			}
			g.set(name, false, err)
			g.log.Warn("task restarts", "task", name, "pause", pause, "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, maxPause)
		}
	})
}

// Guard runs f and turns its panic into an error that carries the stack. It is
// for what a task starts itself: one goroutine per peer, say.
func Guard(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	err = f(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

func (g *Group) set(name string, running bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.state[name]
	s.Name, s.Running = name, running
	if err != nil {
		s.Err, _, _ = strings.Cut(err.Error(), "\n") // a stack belongs in the log
		s.Restarts++
	}
	g.state[name] = s
}

// States returns how every task is doing, in no order.
func (g *Group) States() []State {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]State, 0, len(g.state))
	for _, s := range g.state {
		list = append(list, s)
	}
	return list
}

// Wait returns when every task has ended.
func (g *Group) Wait() { g.wg.Wait() }
