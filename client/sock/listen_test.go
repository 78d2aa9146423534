package sock

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"luatnetd/client"
)

func freeTCP(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// ncat is a foreign client of the port: it prints what it reads and sends what
// it is told. It tries until somebody listens.
type ncat struct {
	say io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
}

func newNcat(t *testing.T, port uint16, args ...string) *ncat {
	t.Helper()
	cmd := exec.Command("sh", "-c", "until ncat "+strings.Join(args, " ")+" 127.0.0.1 "+portText(port)+" 2>/dev/null; do sleep 0.05; done")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if _, err := exec.LookPath("ncat"); err != nil {
		t.Skip("needs the ncat program")
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &ncat{in, bufio.NewReader(out), cmd}
	t.Cleanup(func() { n.kill(); _ = cmd.Wait() })
	return n
}

func (n *ncat) kill() { _ = syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL) } // the shell, too

// Listen takes one client and nobody else (backlog 0); Accept confirms it.
func TestLIB01ListenOneToOne(t *testing.T) {
	var log []string
	u := &uplink{up: true, next: make(chan struct{})}
	c := u.ctrl(Config{Kind: client.TCP, LocalPort: freeTCP(t)}, &log)
	if n, ok := c.Accept(t.Context(), time.Second, nil, nil); n != nil || ok || c.Cause().Code != client.CodeNotConnected {
		t.Errorf("Accept before Listen: %v, %v, %v; want nil, false and not connected", n, ok, c.Cause())
	}
	if c.Listen(t.Context(), 50*time.Millisecond, 0) || c.Cause().Code != client.CodeTimeout {
		t.Errorf("Listen without a client: %v, want a time-out", c.Cause())
	}
	p := newNcat(t, c.cfg.LocalPort)
	if !c.Listen(t.Context(), 20*time.Second, 0) {
		t.Fatalf("Listen with a client: %v", c.Cause())
	}
	if n, ok := c.Accept(t.Context(), time.Second, nil, nil); n != nil || !ok {
		t.Errorf("Accept: %v, %v; want nil, true: the client is on the control block that listened", n, ok)
	}
	if ok, full := c.Tx(t.Context(), 20*time.Second, []byte("greeting\n")); !ok || full {
		t.Errorf("Tx to the client: %v, %v, %v", ok, full, c.Cause())
	}
	if line, err := p.out.ReadString('\n'); line != "greeting\n" {
		t.Errorf("the client reads %q, %v", line, err)
	}
	if _, err := net.DialTimeout("tcp4", net.JoinHostPort("127.0.0.1", portText(c.cfg.LocalPort)), time.Second); err == nil {
		t.Error("a second client was let in")
	}
	c.Close(t.Context(), 50*time.Millisecond)
	if got, want := strings.Join(log, " "), "OFF_LINE link+ LISTEN on_line- OFF_LINE link+ LISTEN on_line+ ONLINE tx_ok+ DISCONNECTING OFF_LINE closed+"; got != want {
		t.Errorf("states and events:\n%s, want\n%s", got, want)
	}
}

// With a backlog each client has a control block of its own: its data, its
// events and its end are its own, and the one that listens goes on, also after
// a time-out. The end of that one leaves the clients alone.
func TestLIB01AcceptOneToMany(t *testing.T) {
	ctx := t.Context()
	var log []string
	u := &uplink{up: true, next: make(chan struct{})}
	l := u.ctrl(Config{Kind: client.TCP, LocalPort: freeTCP(t), KeepAlive: KeepAlive{Idle: 77 * time.Second}}, &log)
	if l.Listen(ctx, time.Second, maxBacklog+1) || l.Cause().Code != client.CodeArgument {
		t.Errorf("a backlog of %d: %v, want a refusal", maxBacklog+1, l.Cause())
	}
	var peers []*ncat
	var ctrls []*Ctrl
	var events [3][]string
	for i := range events {
		peers = append(peers, newNcat(t, l.cfg.LocalPort))
		if i == 0 && !l.Listen(ctx, 20*time.Second, 8) {
			t.Fatalf("Listen with a client: %v", l.Cause())
		}
		c, ok := l.Accept(ctx, 20*time.Second, nil, func(e client.Event, ok bool) { events[i] = append(events[i], fmt.Sprint(e, ok)) })
		if !ok || c == nil {
			t.Fatalf("Accept of client %d: %v, %v", i, c, l.Cause())
		}
		ctrls = append(ctrls, c)
		if n, ok := l.Accept(ctx, 30*time.Millisecond, nil, nil); n != nil || ok || l.Cause().Code != client.CodeTimeout {
			t.Errorf("Accept without a client: %v, %v, %v; want a time-out", n, ok, l.Cause())
		}
		if s, _ := c.State(); s != client.OnLine || sockopt(t, c.conn) != 1 || c.RemoteIP()[0].String() != "127.0.0.1" {
			t.Errorf("client %d: state %v, keep-alive %d, from %v", i, s, sockopt(t, c.conn), c.RemoteIP())
		}
	}
	if s, _ := l.State(); s != client.Listening {
		t.Errorf("the one that listens is %v", s)
	}
	l.Close(ctx, time.Second)
	for i, c := range ctrls {
		text := fmt.Sprintf("you are client-%d\n", i)
		if ok, full := c.Tx(ctx, 20*time.Second, []byte(text)); !ok || full {
			t.Fatalf("Tx to client %d: %v, %v, %v", i, ok, full, c.Cause())
		}
		if line, err := peers[i].out.ReadString('\n'); line != text {
			t.Errorf("client %d reads %q, %v", i, line, err)
		}
	}
	peers[0].kill()
	ctrls[1].Close(ctx, 20*time.Millisecond)
	_, _ = io.WriteString(peers[2].say, "still here\n")
	if alive, event := ctrls[2].Wait(ctx, 20*time.Second); !alive || !event {
		t.Errorf("the third client after the ends of the others: %v, %v, %v", alive, event, ctrls[2].Cause())
	}
	buf := make([]byte, 64)
	if n, err := ctrls[2].Rx(buf); string(buf[:n]) != "still here\n" {
		t.Errorf("the third client says %q, %v", buf[:n], err)
	}
	for i, want := range []string{"TX_OK true", "TX_OK true CLOSED true", "TX_OK true EVENT true"} {
		if got := strings.Join(events[i], " "); got != want {
			t.Errorf("events of client %d: %s, want %s", i, got, want)
		}
	}
	ctrls[2].Close(ctx, 20*time.Millisecond)
	ctrls[0].Close(ctx, 20*time.Millisecond)
}

// A client that Listen has seen and nobody accepts ends with the one that listens.
func TestCloseEndsWhoIsNotAccepted(t *testing.T) {
	var log []string
	u := &uplink{up: true, next: make(chan struct{})}
	l := u.ctrl(Config{Kind: client.TCP, LocalPort: freeTCP(t)}, &log)
	p := newNcat(t, l.cfg.LocalPort, "--recv-only")
	if !l.Listen(t.Context(), 20*time.Second, 1) {
		t.Fatal(l.Cause())
	}
	l.Close(t.Context(), time.Second)
	if b, err := p.out.ReadByte(); err != io.EOF {
		t.Errorf("the client reads %q, %v; want the end", b, err)
	}
}

// The uplink goes while nobody comes: the wait ends, as that for data does.
func TestLIB01AcceptEndsWithTheLink(t *testing.T) {
	gone := make(chan struct{})
	var up atomic.Bool
	up.Store(true)
	l := NewCtrl(Config{Kind: client.TCP, LocalPort: freeTCP(t)},
		func() (Route, bool) { return Route{}, up.Load() }, func() <-chan struct{} { return gone }, nil, nil)
	newNcat(t, l.cfg.LocalPort)
	if !l.Listen(t.Context(), 20*time.Second, 2) {
		t.Fatal(l.Cause())
	}
	if c, ok := l.Accept(t.Context(), time.Second, nil, nil); !ok {
		t.Fatal(l.Cause())
	} else {
		defer c.Close(t.Context(), 20*time.Millisecond)
	}
	time.AfterFunc(20*time.Millisecond, func() { up.Store(false); close(gone) })
	if c, ok := l.Accept(t.Context(), 20*time.Second, nil, nil); ok || c != nil || l.Cause().Code != client.CodeRoute {
		t.Errorf("Accept: %v, %v, %v; want no route", c, ok, l.Cause())
	}
	if s, _ := l.State(); s != client.OffLine {
		t.Errorf("the one that listens is %v", s)
	}
	l.Close(t.Context(), time.Second)
}
