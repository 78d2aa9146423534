package tty

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/internal/serial"
	"luatnetd/modem"
)

// patience is for what takes milliseconds on an idle machine.
const patience = 30 * time.Second

// onPty opens a port to a peer behind a pseudo terminal.
func onPty(t *testing.T, answer func(*peer, string)) (*Port, *peer) {
	t.Helper()
	p, path := ptyPeer(t, answer)
	port, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = port.Close() })
	return port, p
}

func ptyPeer(t *testing.T, answer func(*peer, string)) (*peer, string) {
	t.Helper()
	master, path, err := lab.Pty()
	if err != nil {
		t.Skipf("needs pseudo terminals: %v", err)
	}
	p := &peer{Conn: fileConn{File: master}, answer: answer}
	done := make(chan struct{})
	go func() { defer close(done); p.serve() }()
	t.Cleanup(func() { _ = master.Close(); <-done })
	return p, path
}

// fileConn is a net.Conn as far as a peer needs one. The end of a pty that
// nobody has open yet, or any more, is no end.
type fileConn struct {
	*os.File
	net.Addr
}

func (fileConn) LocalAddr() net.Addr  { return nil }
func (fileConn) RemoteAddr() net.Addr { return nil }

func (c fileConn) Read(b []byte) (int, error) {
	for {
		n, err := c.File.Read(b)
		if err == nil || errors.Is(err, os.ErrClosed) {
			return n, err
		}
		time.Sleep(time.Millisecond)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

func TestPty(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p, peer := onPty(t, script(known))
	want(t, ask(t, p, "+CSQ", "+CSQ", patience), nil, "+CSQ: 9,99")
	peer.say("+CREG: 1\r\n")
	select {
	case u := <-p.URCs():
		if u.Line != "+CREG: 1" {
			t.Errorf("heard %v", u)
		}
	case <-time.After(patience):
		t.Error("heard nothing")
	}
	if p.Holder() != "" {
		t.Errorf("held by %s", p.Holder())
	}
	_ = peer.Close() // unplugged
	select {
	case <-p.Done():
	case <-time.After(patience):
		t.Fatal("the end is not seen")
	}
	want(t, ask(t, p, "", "", time.Second), modem.ErrGone)
	_ = p.Close()
}

func TestHolderIsNamed(t *testing.T) {
	peer, path := ptyPeer(t, script(known))
	cmd := exec.Command("sh", "-c", "exec 3<>"+path+"; printf ready >&3; exec sleep 60 3>&3")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "the other program has it open", func() bool { return strings.Contains(peer.seen(), "ready") })
	p, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if want := fmt.Sprintf("(pid %d)", cmd.Process.Pid); !strings.Contains(p.Holder(), want) {
		t.Errorf("held by %q, want %s", p.Holder(), want)
	}
}

// TestBinaryPort: a diagnosis port is left alone, an AT port that says
// something at first is not.
func TestBinaryPort(t *testing.T) {
	for text, want := range map[string]error{
		strings.Repeat("~\x7d\x01\x00\xf3", 300):    ErrBinary,
		strings.Repeat("\r\n+CREG: 1\r\n", 100):     nil,
		strings.Repeat("\x00", 100) + "\r\nRDY\r\n": nil,
	} {
		virtual(t, func(t *testing.T) {
			peer, conn := newPeer(t, script(known))
			go peer.say(text)
			p, err := Open(context.Background(), Config{Dial: func(context.Context) (Conn, error) { return conn, nil }})
			if !errors.Is(err, want) {
				t.Errorf("%.10q…: %v, want %v", text, err, want)
			}
			if p != nil {
				_ = p.Close()
			}
			if peer.seen() != "" {
				t.Errorf("sent %q", peer.seen())
			}
		})
	}
}

// TestDetach: after CONNECT the descriptor passes on, with every byte that follows.
func TestDetach(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	frame := bytes.Repeat([]byte{0x7E, 0xFF, 0x7D, 0x23, 0xC0, 0x21}, 100)
	p, peer := onPty(t, func(p *peer, line string) {
		if line == "ATD*99***1#" {
			p.say("\r\nCONNECT 115200\r\n" + string(frame))
		}
	})
	if _, _, err := p.Detach(); err == nil {
		t.Error("detached although nothing was dialled")
	}
	want(t, p.Do(t.Context(), modem.Command{Text: "D*99***1#", Dial: true, Timeout: patience}), nil, "CONNECT 115200")
	want(t, ask(t, p, "+CSQ", "", time.Second), ErrData)
	conn, early, err := p.Detach()
	if err != nil {
		t.Fatal(err)
	}
	file, ok := conn.(*os.File)
	if !ok {
		t.Fatalf("detached is a %T", conn)
	}
	defer file.Close()
	want(t, ask(t, p, "+CSQ", "", time.Second), modem.ErrGone)
	if p.Err() != nil {
		t.Errorf("Err: %v", p.Err())
	}
	got := early
	_ = file.SetReadDeadline(time.Now().Add(patience))
	for buf := make([]byte, 4096); len(got) < len(frame); {
		n, err := file.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = bytes.TrimPrefix(append(got, buf[:n]...), []byte("\n")) // of CONNECT's line end
	}
	if len(early) != 0 || !bytes.Equal(got, frame) {
		t.Errorf("%d early bytes, %d of %d in all, equal %v", len(early), len(got), len(frame), bytes.Equal(got, frame))
	}
	if _, err := file.WriteString("~~"); err != nil {
		t.Error(err)
	}
	eventually(t, "what is written arrives", func() bool { return strings.HasSuffix(peer.seen(), "~~") })
	_ = p.Close()
	_ = peer.Close()
}

// TestLease: another program has the port for a while. Our commands wait, polls
// are refused, and then the answers are ours again.
func TestLease(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p, peer := onPty(t, script(known))
	path, err := p.Lease(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	other, err := serial.Open(serial.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan modem.Reply, 1)
	go func() { waiting <- ask(t, p, "+CSQ", "+CSQ", 2*patience) }()
	want(t, p.Do(t.Context(), modem.Command{Text: "+CSQ", Priority: modem.PollPriority}), modem.ErrCancelled)

	if _, err := other.Write([]byte("AT+CSQ\r")); err != nil {
		t.Fatal(err)
	}
	var got string
	_ = other.SetReadDeadline(time.Now().Add(patience))
	for buf := make([]byte, 512); !strings.HasSuffix(got, "OK\r\n"); {
		n, err := other.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		got += string(buf[:n])
	}
	if got != known["AT+CSQ"] {
		t.Errorf("the other program got %q", got)
	}
	_, _ = other.Write([]byte("AT+SLOW")) // and leaves half a line behind
	eventually(t, "it arrives", func() bool { return strings.HasSuffix(peer.seen(), "AT+SLOW") })
	select {
	case r := <-waiting:
		t.Errorf("answered during the lease: %v", r)
	default:
	}
	_ = other.Close() // the lease ends soon
	want(t, <-waiting, nil, "+CSQ: 9,99")
	_ = p.Close()
	_ = peer.Close()
}

func TestLeaseEnds(t *testing.T) {
	for name, end := range map[string]func(*Port){
		"by itself": func(*Port) {},
		"by us":     (*Port).EndLease,
		"by Close":  func(p *Port) { _ = p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			p, peer := onPty(t, script(known))
			limit := time.Hour
			if name == "by itself" {
				limit = 50 * time.Millisecond
			}
			path, err := p.Lease(t.Context(), limit)
			if err != nil {
				t.Fatal(err)
			}
			end(p)
			if name != "by Close" {
				want(t, ask(t, p, "+CSQ", "+CSQ", patience), nil, "+CSQ: 9,99")
			}
			eventually(t, "the pty is gone", func() bool { _, err := os.Stat(path); return err != nil })
			_ = p.Close()
			_ = peer.Close()
		})
	}
}

// TestStuckPty: a modem that reads nothing fills the tty; then the port ends, and
// its descriptor is closed at once.
func TestStuckPty(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	master, path, err := lab.Pty()
	if err != nil {
		t.Skipf("needs pseudo terminals: %v", err)
	}
	defer master.Close()
	p, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, path)
	want(t, ask(t, p, "+CSQ", "", patience), modem.ErrStuck)
	<-p.Done()
	if p.Err() != modem.ErrStuck {
		t.Errorf("Err: %v", p.Err())
	}
	began := time.Now()
	_ = p.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %s", took)
	}
}

// fill writes to the tty until it takes no more. The kernel passes bytes on
// beside us and makes room again, a few times.
func fill(t *testing.T, path string) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for refused := 0; refused < 50; {
		if _, err := unix.Write(fd, make([]byte, 64)); err == nil {
			refused = 0
			continue
		}
		if _, err := unix.Write(fd, make([]byte, 1)); err != nil {
			refused++
			time.Sleep(5 * time.Millisecond)
		}
	}
}
