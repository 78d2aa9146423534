package task

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPanicAndErrorRestartTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		g.Go(ctx, "shaky", func(ctx context.Context) error {
			runs++
			switch runs {
			case 1:
				panic("first")
			case 2:
				return errors.New("second")
			}
			<-ctx.Done()
			return ctx.Err()
		})
		time.Sleep(time.Second)
		synctest.Wait()
		if runs != 3 {
			t.Errorf("runs = %d after 1 s, want 3 (pauses of 200 and 400 ms)", runs)
		}
		if s := g.States(); len(s) != 1 || s[0].Restarts != 2 || !s[0].Running {
			t.Errorf("states = %+v, want one running task with two restarts", s)
		}
		cancel()
		g.Wait()
	})
}

// TestStackStaysInTheLog: status is read by people, who want one line.
func TestStackStaysInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		g := New(slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		g.Go(ctx, "shaky", func(context.Context) error { panic("boom") })
		synctest.Wait()
		if s := g.States(); len(s) != 1 || s[0].Err != "panic: boom" {
			t.Errorf("states = %+v, want the first line only", s)
		}
		cancel()
		g.Wait()
		if !strings.Contains(log.String(), "task_test.go") {
			t.Errorf("the log has no stack: %s", log.String())
		}
	})
}

func TestNilEndsTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(slog.New(slog.DiscardHandler))
		runs := 0
		g.Go(t.Context(), "once", func(context.Context) error { runs++; return nil })
		g.Wait()
		if runs != 1 {
			t.Errorf("runs = %d, want 1", runs)
		}
	})
}

// A task that failed once and has ended is not failing: a connection that was
// taken out of the configuration leaves no health code behind.
func TestAnEndedTaskIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		g.Go(ctx, "gone", func(context.Context) error { panic("it\nhas a stack") })
		synctest.Wait()
		if s := g.States(); len(s) != 1 || s[0].Running || s[0].Err != "panic: it" {
			t.Errorf("states = %+v, want one that waits, with one line of its panic", s)
		}
		cancel()
		g.Wait()
		if s := g.States(); len(s) != 0 {
			t.Errorf("states = %+v after its end, want none", s)
		}
	})
}

// The successor of a task has its name at once; the end of the old one says
// nothing about the new one.
func TestASuccessorIsNotItsPredecessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(slog.New(slog.DiscardHandler))
		old, cancel := context.WithCancel(t.Context())
		next, end := context.WithCancel(t.Context())
		g.Go(old, "connection", func(context.Context) error { return errors.New("refused") })
		synctest.Wait()
		g.Go(next, "connection", func(ctx context.Context) error { <-ctx.Done(); return nil })
		cancel()
		synctest.Wait()
		if s := g.States(); len(s) != 1 || !s[0].Running || s[0].Err != "" {
			t.Errorf("states = %+v, want the new task, running and without the old one's fault", s)
		}
		end()
		g.Wait()
	})
}
