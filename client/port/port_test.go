package port_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"luatnetd/client"
	"luatnetd/client/hub"
	"luatnetd/client/port"
	"luatnetd/internal/lab"
	"luatnetd/internal/serial"
	"luatnetd/internal/task"
)

var errFull = errors.New("queue full")

// target takes messages, or refuses as many as it is told to.
type target struct {
	mu     sync.Mutex
	refuse int
	err    error
	got    chan string
}

func newTarget() *target { return &target{err: errFull, got: make(chan string, 1024)} }

func (g *target) Offer(m client.Message, done func(client.Result)) (client.Held, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refuse > 0 {
		g.refuse--
		return 0, g.err
	}
	g.got <- m.Source + ":" + string(m.Data)
	return client.Memory, nil
}

func (g *target) next(t *testing.T) string {
	t.Helper()
	select {
	case m := <-g.got:
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no message")
		return ""
	}
}

// rig is a port on a pseudo terminal and the hub behind it.
type rig struct {
	*port.Port
	device *os.File
	hub    hub.Hub
	cfg    port.Config
}

func newRig(t *testing.T, change func(*port.Config)) *rig {
	t.Helper()
	device, path, err := lab.Pty()
	if err != nil {
		t.Skipf("needs pseudo terminals: %v", err)
	}
	r := &rig{device: device}
	t.Cleanup(func() { _ = r.device.Close() })
	r.cfg = port.Config{
		Name: "uart", Serial: serial.Config{Path: path}, Now: time.Now,
		Send: r.hub.Send, SendTo: r.hub.SendTo,
		Full: func(err error) bool { return errors.Is(err, errFull) },
	}
	if change != nil {
		change(&r.cfg)
	}
	r.Port = port.New(r.cfg)
	return r
}

// run runs the port until the test ends, and waits until it is open.
func (r *rig) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	r.until(t, func(s port.Status) bool { return s.Open })
}

func (r *rig) until(t *testing.T, f func(port.Status) bool) {
	t.Helper()
	err := lab.Poll(10*time.Second, func() error {
		if !f(r.Status()) {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil {
		t.Fatalf("status %+v", r.Status())
	}
}

func (r *rig) in(t *testing.T, s string) {
	t.Helper()
	if _, err := io.WriteString(r.device, s); err != nil {
		t.Fatal(err)
	}
}

// expect reads exactly want from the device's end.
func (r *rig) expect(t *testing.T, want string) {
	t.Helper()
	_ = r.device.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r.device, got); err != nil || string(got) != want {
		t.Fatalf("line has %q (%v), want %q", got[:n], err, want)
	}
}

// TestLC07Bursts: a burst of 1100 bytes in parts is one message, two bursts
// 100 ms apart are two. A machine that stood still for 50 ms itself may cut
// otherwise, so the pauses are measured and such a try does not count.
func TestLC07Bursts(t *testing.T) {
	r := newRig(t, nil)
	cloud := newTarget()
	r.hub.SetTarget("cloud", cloud)
	r.run(t)
	burst := strings.Repeat("0123456789", 110)
	for try := 0; ; try++ {
		var longest time.Duration
		last := time.Now()
		for part := range 11 {
			r.in(t, burst[part*100:][:100])
			longest, last = max(longest, time.Since(last)), time.Now()
			time.Sleep(8 * time.Millisecond) // 100 bytes at 115200 baud
		}
		time.Sleep(100 * time.Millisecond)
		r.in(t, "second")
		if longest > 40*time.Millisecond && try < 5 {
			r.until(t, func(s port.Status) bool { return s.In == uint64((try+1)*1106) })
			for got := 0; got < 1106; got += len(cloud.next(t)) - len("uart:") {
			}
			continue
		}
		if got := cloud.next(t); got != "uart:"+burst {
			t.Fatalf("first message has %d bytes", len(got)-5)
		}
		if got := cloud.next(t); got != "uart:second" {
			t.Fatalf("second message %q", got)
		}
		return
	}
}

// TestLC05Write: prefix, data and CRLF byte for byte; many writers, no mixture.
func TestLC05Write(t *testing.T) {
	r := newRig(t, nil)
	r.run(t)
	if err := r.Write(client.Received{Prefix: "recv from tcp server: ", Data: []byte("on\x00")}); err != nil {
		t.Fatal(err)
	}
	r.expect(t, "recv from tcp server: on\x00\r\n")
	var wg sync.WaitGroup
	for _, c := range "abcdefgh" {
		wg.Go(func() {
			for range 50 {
				if err := r.Write(client.Received{Data: bytes.Repeat([]byte(string(c)), 300)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	_ = r.device.SetReadDeadline(time.Now().Add(20 * time.Second))
	all := make([]byte, 8*50*302)
	if _, err := io.ReadFull(r.device, all); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	for line := range strings.SplitSeq(strings.TrimSuffix(string(all), "\r\n"), "\r\n") {
		if len(line) != 300 || strings.Trim(line, line[:1]) != "" {
			t.Fatalf("mixed line %q", line)
		}
	}
}

// TestBackpressure: a full target keeps the message, nothing is read meanwhile,
// and every target gets every message once and in order.
func TestBackpressure(t *testing.T) {
	room := make(chan struct{}, 1)
	r := newRig(t, func(c *port.Config) { c.Frame.Delimiter, c.Room = []byte("\n"), room })
	full, free := newTarget(), newTarget()
	full.refuse = 3
	r.hub.SetTarget("full", full)
	r.hub.SetTarget("free", free)
	r.run(t)
	r.in(t, "one\n")
	r.until(t, func(s port.Status) bool { return s.Waiting })
	before := r.Status().In
	r.in(t, "two\n")
	room <- struct{}{}
	for _, g := range []*target{full, free} {
		for _, want := range []string{"uart:one", "uart:two"} {
			if got := g.next(t); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	if before != 4 {
		t.Errorf("%d bytes read while the target was full, want 4", before)
	}
	r.until(t, func(s port.Status) bool { return s.Messages == 2 && !s.Waiting && s.Refused == 0 })
}

// TestRefusedForGood: what will never be taken does not stop the port.
func TestRefusedForGood(t *testing.T) {
	r := newRig(t, func(c *port.Config) { c.Frame.Delimiter = []byte("\n") })
	g := newTarget()
	g.refuse, g.err = 1, errors.New("message too large")
	r.hub.SetTarget("cloud", g)
	r.run(t)
	r.in(t, "huge\nsmall\n")
	if got := g.next(t); got != "uart:small" {
		t.Errorf("got %q", got)
	}
	r.until(t, func(s port.Status) bool { return s.Refused == 1 && s.Messages == 1 })
}

// TestSlowPortSlowsTheSocket: a line that does not move makes Write wait, and
// fail in bounded time.
func TestSlowPortSlowsTheSocket(t *testing.T) {
	r := newRig(t, func(c *port.Config) { c.WriteTimeout = 50 * time.Millisecond; c.Serial.Baud = 4_000_000 })
	r.run(t)
	var err error
	began := time.Now()
	for err == nil && time.Since(began) < 20*time.Second {
		err = r.Write(client.Received{Data: make([]byte, 4096)})
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || r.Status().Unsent != 1 {
		t.Errorf("Write: %v, status %+v", err, r.Status())
	}
}

// TestHotPlug: an unplugged port is an error to writers, is waited for, and
// works again; the gap is told.
func TestHotPlug(t *testing.T) {
	link := filepath.Join(t.TempDir(), "ttyUSB0")
	var path string
	r := newRig(t, func(c *port.Config) { path, c.Serial.Path = c.Serial.Path, link })
	g := newTarget()
	r.hub.SetTarget("cloud", g)
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	r.run(t)
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	_ = r.device.Close()
	r.until(t, func(s port.Status) bool { return !s.Open && s.Err != "" })
	if err := r.Write(client.Received{Data: []byte("x")}); !errors.Is(err, port.ErrNotOpen) {
		t.Errorf("Write without a port: %v", err)
	}
	var err error
	if r.device, path, err = lab.Pty(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	r.until(t, func(s port.Status) bool { return s.Open && s.Err == "" && !s.Gap.From.IsZero() })
	r.in(t, "back")
	if got := g.next(t); got != "uart:back" {
		t.Errorf("got %q", got)
	}
}

// TestGapSinceTheLastProcess: the next process knows when somebody listened last.
func TestGapSinceTheLastProcess(t *testing.T) {
	alive := filepath.Join(t.TempDir(), "uart")
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.WriteFile(alive, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(alive, old, old); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *port.Config) { c.AliveFile = alive })
	r.run(t)
	if gap := r.Status().Gap; !gap.From.Equal(old) || gap.To.Sub(old) < time.Hour {
		t.Errorf("gap %v", gap)
	}
	if err := lab.Poll(10*time.Second, func() error {
		info, err := os.Stat(alive)
		if err == nil && time.Since(info.ModTime()) > time.Minute {
			err = errors.New("not touched")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// TestPanicRestartsThePort: a panic while a message is sent restarts this task
// alone; the port is free to be opened again and the next message passes.
func TestPanicRestartsThePort(t *testing.T) {
	broken := true
	r := newRig(t, func(c *port.Config) {
		c.Frame.Delimiter = []byte("\n")
		send := c.Send
		c.Send = func(m client.Message, done func(string, client.Result)) ([]hub.Outcome, error) {
			if broken {
				broken = false
				panic("boom")
			}
			return send(m, done)
		}
	})
	g := newTarget()
	r.hub.SetTarget("cloud", g)
	tasks := task.New(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	tasks.Go(ctx, "port uart", r.Run)
	t.Cleanup(func() { cancel(); tasks.Wait() })
	r.until(t, func(s port.Status) bool { return s.Open })
	r.in(t, "one\n")
	r.until(t, func(s port.Status) bool { return tasks.States()[0].Restarts == 1 && s.Open })
	r.in(t, "two\n")
	if got := g.next(t); got != "uart:two" {
		t.Errorf("got %q", got)
	}
	if states := tasks.States(); len(states) != 1 || states[0].Restarts != 1 {
		t.Errorf("tasks %+v", states)
	}
}

// TestSocat: a foreign program at the other end of a port that it made.
func TestSocat(t *testing.T) {
	socat, err := exec.LookPath("socat")
	if err != nil {
		t.Skip("needs socat")
	}
	link := filepath.Join(t.TempDir(), "ttyV0")
	cmd := exec.Command(socat, "pty,raw,echo=0,link="+link, "exec:cat") // an echoing device
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	r := newRig(t, func(c *port.Config) { c.Serial.Path = link })
	g := newTarget()
	r.hub.SetTarget("cloud", g)
	r.run(t)
	if err := r.Write(client.Received{Prefix: "recv from udp server: ", Data: []byte("ping")}); err != nil {
		t.Fatal(err)
	}
	if got := g.next(t); got != "uart:recv from udp server: ping\r\n" {
		t.Errorf("echo %q", got)
	}
}
