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
