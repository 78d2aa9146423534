package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"luatnetd/client"
	"luatnetd/internal/lab"
	"luatnetd/internal/task"
)

// A panic of a server's own task (as it takes a client, over a datagram)
// restarts that task alone: it is counted, status says meanwhile that nothing
// listens, and afterwards the server serves. Another server beside it in the same
// group keeps its client.
func TestPanicOfAServerRestartsItAlone(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for _, kind := range []client.Kind{client.TCP, client.UDP} {
			t.Run(string(kind), func(t *testing.T) { panicOnce(t, kind) })
		}
	})
}

func panicOnce(t *testing.T, kind client.Kind) {
	const other = "192.168.5.1:50005"
	r := newRig(t, Config{NoPrefix: true}) // the one beside it
	r.up(t)
	calm := r.dial(t, "tcp")
	expect(t, calm, "TCP server is UP!")

	var broken atomic.Bool // from when it listens until the panic
	step := func() {
		if broken.Swap(false) {
			panic("boom")
		}
	}
	got := make(chan string, 100)
	shaky := New(Config{
		Name: "shaky", Kind: kind, Port: 50005, NoGreeting: true, NoPrefix: true, Heartbeat: -1,
		Now: func() time.Time { // admit asks for it
			if kind == client.TCP {
				step()
			}
			return time.Now()
		},
		Deliver: func(v client.Received) error {
			if kind == client.UDP {
				step()
			}
			got <- string(v.Data)
			return nil
		},
	})
	shaky.SetNetwork(r.network(t))
	tasks := task.New(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	tasks.Go(ctx, "server shaky", shaky.Run)
	t.Cleanup(func() { cancel(); tasks.Wait() })
	wait := func(what string, f func() bool) {
		t.Helper()
		if err := lab.Poll(10*time.Second, func() error {
			if !f() {
				return errors.New("not yet")
			}
			return nil
		}); err != nil {
			t.Fatalf("%s: status %+v, tasks %+v", what, shaky.Status(), tasks.States())
		}
	}
	wait("it listens", func() bool { return shaky.Status().Listening == other })
	broken.Store(true)

	c, err := r.lan.Dial(string(kind), other, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "boom")
	wait("its task has ended", func() bool {
		s := tasks.States()
		if len(s) == 1 && s[0].Restarts == 1 && !s[0].Running && shaky.Status().Listening != "" {
			t.Errorf("while nothing listens: status %+v", shaky.Status())
		}
		return len(s) == 1 && s[0].Restarts == 1 && s[0].Err == "panic: boom"
	})
	wait("it listens again", func() bool { return shaky.Status().Listening == other })
	again, err := r.lan.Dial(string(kind), other, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	fmt.Fprint(again, "fine")
	select {
	case text := <-got:
		if text != "fine" {
			t.Errorf("received %q", text)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing received after the restart")
	}

	if v := r.send(t, "", "undisturbed"); !v.OK {
		t.Errorf("the server beside it: %+v", v)
	}
	expect(t, calm, "undisturbed")
	stays(t, calm)
	if s := tasks.States(); len(s) != 1 || s[0].Restarts != 1 || !s[0].Running {
		t.Errorf("tasks %+v, want one restart", s)
	}
}

// stays wants a connection that has neither ended nor anything to say.
func stays(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	var timeout net.Error
	if n, err := c.Read(make([]byte, 1)); err == io.EOF || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("its client reads %d, %v", n, err)
	}
}
