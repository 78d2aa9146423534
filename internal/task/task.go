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

	mu    sync.Mutex // guards state and what it points to
	state map[string]*State
}

// State is how one task is doing.
type State struct {
	Name     string
	Restarts int
	Err      string // why it ended the last time in one line, "" if it never did
	Running  bool
}

// New returns an empty group that logs to log.
func New(log *slog.Logger) *Group {
	return &Group{log: log, state: make(map[string]*State)}
}

// Go runs f as the task called name until ctx ends. An error or a panic
// restarts it after a pause; a nil return ends it for good. A second task of
// the same name takes the place of the first in States.
func (g *Group) Go(ctx context.Context, name string, f func(context.Context) error) {
	s := &State{Name: name, Running: true}
	g.mu.Lock()
	g.state[name] = s
	g.mu.Unlock()
	g.wg.Go(func() {
		defer g.end(s)
		pause := firstPause
		for {
			g.set(s, true, nil)
			began := time.Now()
			err := Guard(ctx, f)
			if ctx.Err() != nil || err == nil {
				return
			}
			if time.Since(began) > calm {
				pause = firstPause
			}
			g.set(s, false, err)
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

func (g *Group) set(s *State, running bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.Running = running
	if err != nil {
		s.Err, _, _ = strings.Cut(err.Error(), "\n") // a stack is for the log
		s.Restarts++
	}
}

// end forgets a task: one that is gone is not failing.
func (g *Group) end(s *State) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state[s.Name] == s {
		delete(g.state, s.Name)
	}
}

// States returns how every task that has not ended is doing, in no order.
func (g *Group) States() []State {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]State, 0, len(g.state))
	for _, s := range g.state {
		list = append(list, *s)
	}
	return list
}

// Wait returns when every task has ended.
func (g *Group) Wait() { g.wg.Wait() }
