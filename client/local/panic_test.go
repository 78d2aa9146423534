package local

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/client"
	"luatnetd/client/hub"
	"luatnetd/internal/task"
)

// A panic in a timer, a report or a scheduled one-shot restarts that task only:
// the other one, beside it in the same group, goes on undisturbed.
func TestPanicOfASourceStopsOnlyThatTask(t *testing.T) {
	for name, newTask := range map[string]func(step func()) func(context.Context) error{
		"timer": func(step func()) func(context.Context) error {
			send := func(client.Message, func(string, client.Result)) ([]hub.Outcome, error) { step(); return nil, nil }
			return (&Timer{Name: "timer", Fixed: true, Send: send, Now: time.Now}).Run
		},
		"report": func(step func()) func(context.Context) error {
			send := func(client.Message, func(string, client.Result)) ([]hub.Outcome, error) { return nil, nil }
			return (&Report{Name: "report", Every: 5 * time.Second, Read: func() Reading { step(); return Reading{} }, Send: send, Now: time.Now}).Run
		},
		"one-shot": func(step func()) func(context.Context) error {
			dial := func(context.Context) (Conn, error) { return nil, context.DeadlineExceeded }
			s := &Scheduled{Schedule: client.Schedule{Every: 5 * time.Second}, Now: time.Now,
				Oneshot: Oneshot{Connect: time.Second, Dial: dial}, Data: func() []byte { step(); return nil }, Done: func(Answer) {}}
			return s.Run
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tasks := task.New(slog.New(slog.DiscardHandler))
				ctx, cancel := context.WithCancel(t.Context())
				shaky, calm := 0, 0
				tasks.Go(ctx, "shaky", newTask(func() {
					if shaky++; shaky == 1 {
						panic("boom")
					}
				}))
				tasks.Go(ctx, "calm", newTask(func() { calm++ }))
				time.Sleep(time.Minute)
				synctest.Wait()
				if shaky < 5 || calm < 5 {
					t.Errorf("%d and %d turns in a minute, want 5 of each at least", shaky, calm)
				}
				for _, s := range tasks.States() {
					if want := map[string]int{"shaky": 1}[s.Name]; s.Restarts != want || !s.Running {
						t.Errorf("%s: %d restarts, running %v; want %d", s.Name, s.Restarts, s.Running, want)
					}
				}
				cancel()
				tasks.Wait()
			})
		})
	}
}

// A panic over one datagram restarts the socket, which takes the next one.
func TestPanicOverADatagramRestartsTheSocket(t *testing.T) {
	k := &taker{held: client.Run}
	cfg := socket(t, map[string]hub.Target{"a": k})
	send := cfg.Send
	cfg.Send = func(m client.Message, done func(string, client.Result)) ([]hub.Outcome, error) {
		if string(m.Data) == "boom" {
			panic("boom")
		}
		return send(m, done)
	}
	tasks := task.New(slog.New(slog.DiscardHandler))
	background(t, cfg.Path, func(ctx context.Context) error {
		tasks.Go(ctx, "local", NewDatagram(cfg).Run)
		tasks.Wait()
		return nil
	})
	say := func(text string) error {
		c, err := net.Dial("unixgram", cfg.Path)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte(text))
		return err
	}
	if err := say("boom"); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(5 * time.Second); k.list() == ""; time.Sleep(10 * time.Millisecond) {
		_ = say("fine") // refused until the socket is there again
		if time.Now().After(until) {
			t.Fatal("the socket does not come back")
		}
	}
	if s := tasks.States(); len(s) != 1 || s[0].Restarts != 1 {
		t.Errorf("tasks %+v, want one restart", s)
	}
}
