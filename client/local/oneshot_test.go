package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/client"
)

// peerConn makes a connection whose other end is served by f.
func peerConn(f func(net.Conn)) func(context.Context) (Conn, error) {
	return func(context.Context) (Conn, error) {
		a, b := net.Pipe()
		go func() {
			defer b.Close()
			f(b)
		}()
		return a, nil
	}
}

// TestSC01Oneshot: the results by LuatOS's names, the answer, and how long each
// takes, in virtual time.
func TestSC01Oneshot(t *testing.T) {
	read := func(c net.Conn) { _, _ = c.Read(make([]byte, 100)) }
	fail := func(err error) func(context.Context) (Conn, error) {
		return func(context.Context) (Conn, error) { return nil, err }
	}
	for name, tt := range map[string]struct {
		o     Oneshot
		want  string
		reply string
		took  time.Duration
	}{
		"answer": {Oneshot{Dial: peerConn(func(c net.Conn) {
			read(c)
			time.Sleep(time.Second)
			fmt.Fprint(c, "o")
			time.Sleep(20 * time.Millisecond)
			fmt.Fprint(c, "k")
			time.Sleep(time.Hour)
		})}, Sent, "ok", 1070 * time.Millisecond},
		"answer and end": {Oneshot{Dial: peerConn(func(c net.Conn) { read(c); fmt.Fprint(c, "bye") })}, Sent, "bye", 0},
		"no answer":      {Oneshot{Dial: peerConn(func(c net.Conn) { read(c); time.Sleep(time.Hour) })}, Sent, "", 3 * time.Second},
		"late answer":    {Oneshot{Dial: peerConn(func(c net.Conn) { read(c); time.Sleep(4 * time.Second); fmt.Fprint(c, "x") })}, Sent, "", 3 * time.Second},
		"nobody reads":   {Oneshot{Dial: peerConn(func(net.Conn) { time.Sleep(time.Hour) })}, SendFalse, "", 15 * time.Second},
		"unconfirmed": {Oneshot{Dial: peerConn(func(c net.Conn) { read(c); time.Sleep(time.Hour) }), Confirm: func(ctx context.Context, _ Conn) error {
			<-ctx.Done()
			return ctx.Err()
		}}, SendFalse, "", 15 * time.Second},
		"connect": {Oneshot{Dial: func(ctx context.Context) (Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, ConnectFalse, "", 30 * time.Second},
		"settings":  {Oneshot{Dial: fail(fmt.Errorf("ca file: %w", ErrConfig))}, ConfigFalse, "", 0},
		"no socket": {Oneshot{Dial: fail(fmt.Errorf("too many files: %w", ErrCreate))}, CreateFalse, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got := tt.o.Do(t.Context(), []byte("data"))
				if got.Status != tt.want || string(got.Reply) != tt.reply || (got.Err == nil) != (tt.want == Sent) {
					t.Errorf("got %+v, want %s %q", got, tt.want, tt.reply)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
				time.Sleep(2 * time.Hour) // the other ends
			})
		})
	}
}

// TestOneshotShuts: it is closed in order after the answer, within 5 s, and
// not after a failure.
func TestOneshotShuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shut := 0
		o := Oneshot{Shut: func(ctx context.Context, c Conn) error {
			shut++
			if end, ok := ctx.Deadline(); !ok || time.Until(end) != 5*time.Second {
				t.Errorf("shut until %v", end)
			}
			_, err := c.Read(make([]byte, 1)) // still open
			if !errors.Is(err, io.EOF) {
				t.Errorf("read while shutting: %v", err)
			}
			return nil
		}}
		o.Dial = peerConn(func(c net.Conn) { _, _ = c.Read(make([]byte, 100)); fmt.Fprint(c, "x") })
		if got := o.Do(t.Context(), []byte("data")); got.Status != Sent || shut != 1 {
			t.Errorf("%+v, shut %d times", got, shut)
		}
		o.Dial = peerConn(func(net.Conn) {})
		if got := o.Do(t.Context(), []byte("data")); got.Status != SendFalse || shut != 1 {
			t.Errorf("%+v, shut %d times", got, shut)
		}
	})
}

// TestSC01Foreign: a foreign server answers.
func TestSC01Foreign(t *testing.T) {
	socat, err := exec.LookPath("socat")
	if err != nil {
		t.Skip("needs socat")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a free port
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(socat, "TCP-LISTEN:"+port+",bind=127.0.0.1", "SYSTEM:read x; echo got-$x")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	o := Oneshot{Dial: func(ctx context.Context) (Conn, error) {
		for {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			if err == nil || ctx.Err() != nil {
				return c, err
			}
		}
	}}
	if got := o.Do(t.Context(), []byte("ping\n")); got.Status != Sent || !strings.HasPrefix(string(got.Reply), "got-ping") {
		t.Errorf("%+v", got)
	}
}

// TestSC02Scheduled: on the grid, once each, also when the clock is stepped.
func TestSC02Scheduled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var step atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(step.Load())) }
		var at []string
		ctx, cancel := context.WithCancel(t.Context())
		s := &Scheduled{
			Schedule: client.Schedule{Every: time.Hour, Offset: 5 * time.Minute}, Now: now,
			Oneshot: Oneshot{Dial: func(context.Context) (Conn, error) { return nil, errors.New("off") }},
			Data:    func() []byte { return nil },
			Done:    func(a Answer) { at = append(at, now().UTC().Format("15:04:05 ")+a.Status) },
		}
		go func() { _ = s.Run(ctx) }()
		time.Sleep(2*time.Hour + 30*time.Second) // the bubble begins at midnight UTC; no look is due at the step
		step.Store(int64(30 * time.Minute))
		time.Sleep(time.Hour)
		step.Store(0)
		time.Sleep(10 * time.Minute)
		cancel()
		synctest.Wait()
		// Half past two is the missed five past, found within a minute of the
		// step; five past three comes again when the clock is set back.
		want := "00:05:00|01:05:00|02:31:00|03:05:00|03:05:00"
		if got := strings.ReplaceAll(strings.Join(at, "|"), " "+ConnectFalse, ""); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestSC02Look: a machine that has slept is on time, although no timer ran.
func TestSC02Look(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var step atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(step.Load())) }
		look := make(chan struct{}, 1)
		ran := make(chan string, 4)
		ctx, cancel := context.WithCancel(t.Context())
		s := &Scheduled{
			Schedule: client.Schedule{Every: time.Hour}, Now: now, Look: look,
			Oneshot: Oneshot{Dial: func(context.Context) (Conn, error) { return nil, errors.New("off") }},
			Data:    func() []byte { return nil },
			Done:    func(Answer) { ran <- now().UTC().Format("15:04:05") },
		}
		go func() { _ = s.Run(ctx) }()
		synctest.Wait()
		step.Store(int64(59*time.Minute + 30*time.Second)) // it slept; the next look would be in a minute
		look <- struct{}{}
		if got := <-ran; got != "01:00:00" {
			t.Errorf("it ran at %s, want 01:00:00", got)
		}
		cancel()
		synctest.Wait()
	})
}
