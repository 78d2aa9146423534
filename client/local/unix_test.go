package local

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"luatnetd/client"
	"luatnetd/client/hub"
)

// taker is a target that keeps what it takes.
type taker struct {
	mu   sync.Mutex
	held client.Held
	err  error
	got  []string
}

func (k *taker) Offer(m client.Message, done func(client.Result)) (client.Held, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return 0, k.err
	}
	k.got = append(k.got, m.Source+":"+string(m.Data))
	return k.held, nil
}

func (k *taker) list() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.got, "|")
}

// background runs a task until the test ends and waits for its socket.
func background(t *testing.T, path string, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket stays behind: %v", err)
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		if info, err := os.Lstat(path); err == nil && info.Mode().Perm() == 0o660 {
			return // the mode is set last
		}
		if time.Now().After(deadline) {
			t.Fatal("no socket")
		}
	}
}

func socket(t *testing.T, targets map[string]hub.Target) Config {
	t.Helper()
	h := &hub.Hub{}
	for name, g := range targets {
		h.SetTarget(name, g)
	}
	return Config{Path: filepath.Join(t.TempDir(), "s"), Name: "app", Limit: 16, Send: h.Send, Now: time.Now}
}

func dial(t *testing.T, path, first string) (*net.UnixConn, *bufio.Reader) {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, first); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// TestStreamAnswers: one answer per message, in order, with how safe it is; a
// payload that looks like a command is a payload.
func TestStreamAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		targets map[string]hub.Target
		in      string
		want    string
	}{
		"no hello": {map[string]hub.Target{"a": &taker{held: client.Run}}, "send\nrecv\n", "accepted run 1\naccepted run 2\n"},
		"disk":     {map[string]hub.Target{"a": &taker{held: client.Disk}}, "\x00send\none\r\nrecv\n", "accepted disk 1\naccepted disk 2\n"},
		"the weakest counts": {map[string]hub.Target{"a": &taker{held: client.Disk}, "b": &taker{held: client.Run}},
			"\x00send\nx", "accepted run 1\n"},
		"partly": {map[string]hub.Target{"a": &taker{held: client.Run}, "b": &taker{err: errors.New("queue\nfull")}},
			"\x00send\nx\n", "partly run 1 refused by b: queue full\n"},
		"full":        {map[string]hub.Target{"b": &taker{err: errors.New("full")}}, "\x00send\nx\n", "refused 1 b: full\n"},
		"nobody":      {nil, "\x00send\nx\n", "refused 1 message from app: no route leads to a connection or server\n"},
		"too long":    {map[string]hub.Target{"a": &taker{}}, "\x00send\n12345678901234567\nx\n", "refused 1 message over the size limit of 16 bytes\n"},
		"as long":     {map[string]hub.Target{"a": &taker{}}, "\x00send\n1234567890123456\r\n", "accepted memory 1\n"},
		"empty":       {map[string]hub.Target{"a": &taker{}}, "\x00send\n\n", "refused 1 empty message\n"},
		"length":      {map[string]hub.Target{"a": &taker{}}, "\x00send length\n\x00\x00\x00\x02a\n", "\x00\x00\x00\x11accepted memory 1"},
		"huge length": {map[string]hub.Target{"a": &taker{}}, "\x00send length\n\xff\xff\xff\xff", "\x00\x00\x00\x3drefused 1 4294967295 bytes: message over the size limit of 16"},
		"bad hello":   {nil, "\x00GET / HTTP/1.0\r\n", "refused: " + errHello.Error() + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := socket(t, tt.targets)
			background(t, cfg.Path, NewStream(cfg).Run)
			c, _ := dial(t, cfg.Path, tt.in)
			_ = c.CloseWrite()
			got, err := io.ReadAll(c)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && len(got) == 0 {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestStreamReceives: a program gets what is received; one that does not keep
// up is cut off and the others go on.
func TestStreamReceives(t *testing.T) {
	cfg := socket(t, map[string]hub.Target{"a": &taker{held: client.Run}})
	s := NewStream(cfg)
	background(t, cfg.Path, s.Run)
	_, lines := dial(t, cfg.Path, "\x00recv\n")
	both, frames := dial(t, cfg.Path, "\x00both length\n\x00\x00\x00\x01x")
	first := make([]byte, 4+1+len("accepted run 1"))
	if _, err := io.ReadFull(frames, first); err != nil || string(first[4:]) != "aaccepted run 1" {
		t.Fatalf("%q, %v", first, err)
	}
	_, lazy := dial(t, cfg.Path, "\x00recv\n")
	waitPeers(t, s, 3)
	r := client.Received{Prefix: "recv from tcp server: ", Data: []byte("on")}
	if err := s.Write(r); err != nil {
		t.Fatal(err)
	}
	if got, err := lines.ReadString('\n'); got != "recv from tcp server: on\n" {
		t.Errorf("line %q, %v", got, err)
	}
	got := make([]byte, 4+1+len("recv from tcp server: on"))
	if _, err := io.ReadFull(frames, got); err != nil || string(got) != "\x00\x00\x00\x19rrecv from tcp server: on" {
		t.Errorf("frame %q, %v", got, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	go func() { _, _ = io.Copy(io.Discard, frames) }()
	r.Data = make([]byte, 8<<10)
	for range 20000 { // far over what a socket and the backlog hold; the readers above may fall behind as well
		_ = s.Write(r)
		s.mu.Lock()
		n := len(s.peers)
		s.mu.Unlock()
		if n == 0 {
			break
		}
	}
	if _, err := io.Copy(io.Discard, lazy); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the program that does not read was not cut off")
	}
	_ = both.Close()
}

func waitPeers(t *testing.T, s *Stream, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		s.mu.Lock()
		have := len(s.peers)
		s.mu.Unlock()
		if have == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d programs, want %d", have, n)
		}
	}
}

// TestSocketIsProtected: mode 0660, left-overs replaced, files left alone, and
// peers judged by what the kernel says.
func TestSocketIsProtected(t *testing.T) {
	cfg := socket(t, map[string]hub.Target{"a": &taker{}})
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: cfg.Path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	seen := make(chan Peer, 1)
	cfg.Allow = func(p Peer) error { seen <- p; return errors.New("not you") }
	s := NewStream(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var c net.Conn
	for c == nil { // until the stale socket is replaced
		c, _ = net.Dial("unix", cfg.Path)
	}
	if p := <-seen; int(p.PID) != os.Getpid() || int(p.UID) != os.Getuid() || int(p.GID) != os.Getgid() {
		t.Errorf("peer %+v", p)
	}
	if info, err := os.Lstat(cfg.Path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the refused peer read %d, %v", n, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(cfg.Path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewStream(cfg).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "something else is there") {
		t.Errorf("Run over a file: %v", err)
	}
}

// TestPanicOfOneProgram: a panic while one program is served ends that program
// only.
func TestPanicOfOneProgram(t *testing.T) {
	cfg := socket(t, map[string]hub.Target{"a": &taker{held: client.Run}})
	send := cfg.Send
	cfg.Send = func(m client.Message, done func(string, client.Result)) ([]hub.Outcome, error) {
		if string(m.Data) == "boom" {
			panic("boom")
		}
		return send(m, done)
	}
	background(t, cfg.Path, NewStream(cfg).Run)
	good, answers := dial(t, cfg.Path, "\x00send\n")
	bad, _ := dial(t, cfg.Path, "\x00send\nboom\n")
	if _, err := bad.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the program whose task broke read: %v", err)
	}
	_, _ = io.WriteString(good, "fine\n")
	if got, err := answers.ReadString('\n'); got != "accepted run 1\n" {
		t.Errorf("the other one read %q, %v", got, err)
	}
}

// TestForeignPrograms: socat sends lines and datagrams and reads the answers.
func TestForeignPrograms(t *testing.T) {
	socat, err := exec.LookPath("socat")
	if err != nil {
		t.Skip("needs socat")
	}
	k := &taker{held: client.Disk}
	cfg := socket(t, map[string]hub.Target{"a": k})
	background(t, cfg.Path, NewStream(cfg).Run)
	run := func(in string, args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, socat, args...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("socat %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if got := run("hello\nworld\n", "-t5", "-", "UNIX-CONNECT:"+cfg.Path); got != "accepted disk 1\naccepted disk 2\n" {
		t.Errorf("stream: %q", got)
	}
	cfg.Path += "d"
	background(t, cfg.Path, NewDatagram(cfg).Run)
	run("dgram", "-u", "-", "UNIX-SENDTO:"+cfg.Path)
	if got := run("again", "-t0.5", "-", "UNIX-SENDTO:"+cfg.Path+",bind="+cfg.Path+"b"); got != "accepted disk 2" {
		t.Errorf("datagram: %q", got)
	}
	if got := run("this one is too long", "-t0.5", "-", "UNIX-SENDTO:"+cfg.Path+",bind="+cfg.Path+"c"); got != "refused 3 message over the size limit of 16 bytes" {
		t.Errorf("long datagram: %q", got)
	}
	if got := k.list(); got != "app:hello|app:world|app:dgram|app:again" {
		t.Errorf("messages %q", got)
	}
}

// FuzzProtocol: any bytes give messages within the limit or an error, never
// more than came in.
func FuzzProtocol(f *testing.F) {
	f.Add([]byte("\x00send\na\r\nb"), uint16(8))
	f.Add([]byte("\x00both length\n\x00\x00\x00\x03abc"), uint16(3))
	f.Add([]byte("\x00send length\n\xff\xff\xff\xff"), uint16(100))
	f.Add(bytes.Repeat([]byte("x"), 9000), uint16(4096))
	f.Fuzz(func(t *testing.T, in []byte, limit uint16) {
		r := bufio.NewReader(bytes.NewReader(in))
		h := hello{send: true}
		if len(in) > 0 && in[0] == 0 {
			_, _ = r.Discard(1)
			var err error
			if h, err = readHello(r); err != nil {
				return
			}
		}
		total := 0
		for {
			m, err := h.readMessage(r, int(limit))
			if err != nil {
				return
			}
			if total += len(m); len(m) > int(limit) || total > len(in) {
				t.Fatalf("message of %d bytes, limit %d, %d of %d bytes", len(m), limit, total, len(in))
			}
			if total == 0 && len(in) == 0 {
				t.Fatal("messages out of nothing")
			}
		}
	})
}
