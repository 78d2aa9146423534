package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/dhcpsrv"
	"luatnetd/internal/lab"
	"luatnetd/netif"
)

// The server under test runs in a process of its own inside a namespace, so
// that it can be killed as a power cut would do it. It is this test binary,
// told by its environment; commands come by its standard input.

const childEnv = "LUATNETD_SERVE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	lab.Main(m)
}

func bootTime() time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err)
	}
	return netif.Boot(time.Duration(ts.Nano()))
}

// line is what the child prints, one JSON object per line.
type line struct {
	Event     *dhcpsrv.Event      `json:",omitempty"`
	Leases    []dhcpsrv.LeaseInfo `json:",omitempty"`
	Listening *bool               `json:",omitempty"`
	Store     string              `json:",omitempty"`
	Counters  map[string]uint64   `json:",omitempty"`
	Ended     string              `json:",omitempty"`
	Seq       string              `json:",omitempty"`
}

// setup is the part of a Config that can be told to a child.
type setup struct {
	dhcpsrv.Config
	Device, StateFile, BootID string
}

func (c setup) config() Config {
	return Config{Config: c.Config, Device: c.Device, StateFile: c.StateFile, BootID: c.BootID, Now: bootTime}
}

func child() int {
	var set setup
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &set); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	cfg := set.config()
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s := New(cfg)
	out := json.NewEncoder(os.Stdout)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	commands := make(chan string)
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			commands <- in.Text()
		}
	}()
	listening := false
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case err := <-ended:
			_ = out.Encode(line{Ended: fmt.Sprint(err)})
			return 0
		case e := <-s.Events():
			_ = out.Encode(line{Event: &e})
		case c := <-commands:
			word, arg, _ := strings.Cut(c, " ")
			switch word {
			case "leases":
				_ = out.Encode(line{Seq: arg, Leases: s.Leases()})
			case "status":
				st := s.Status()
				_ = out.Encode(line{Seq: arg, Store: fmt.Sprint(st.Store), Counters: st.Stats.Counters})
			case "update":
				var next setup
				_ = json.Unmarshal([]byte(arg), &next)
				s.Update(next.config())
			}
		case <-tick.C:
			if on := s.Status().Listening; on != listening {
				listening = on
				_ = out.Encode(line{Listening: &on})
			}
		}
	}
}

// server is a child process.
type server struct {
	t    *testing.T
	proc *lab.Proc
	in   *os.File
	seq  int
}

func lanConfig(dir string) setup {
	return setup{
		Config: dhcpsrv.Config{
			LAN: "lan", Address: netip.MustParsePrefix("192.168.5.1/24"), Domain: "lan", Lease: time.Hour,
			PoolStart: netip.MustParseAddr("192.168.5.100"), PoolEnd: netip.MustParseAddr("192.168.5.200"),
		},
		Device: "br-lan", BootID: "this boot", StateFile: filepath.Join(dir, "leases"),
	}
}

func start(t *testing.T, ns *lab.NS, cfg setup) *server {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stdin = r
	s := &server{t: t, in: w}
	if s.proc, err = ns.StartCmd(nil, cmd); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	t.Cleanup(func() {
		_ = w.Close()
		s.proc.Kill()
		if t.Failed() {
			t.Logf("server in %s printed:\n%s", ns.Name, s.proc.Output())
		}
	})
	return s
}

// lines are what the child printed so far, log lines left out.
func (s *server) lines() (list []line) {
	for text := range strings.Lines(s.proc.Output()) {
		var l line
		if strings.HasPrefix(text, "{") && strings.HasSuffix(text, "\n") && json.Unmarshal([]byte(text), &l) == nil {
			list = append(list, l)
		}
	}
	return list
}

// wait waits for a line for which f is true.
func (s *server) wait(what string, f func(line) bool) line {
	s.t.Helper()
	var got line
	until(s.t, what, 10*time.Second, func() bool {
		for _, l := range s.lines() {
			if f(l) {
				got = l
				return true
			}
		}
		return false
	})
	return got
}

// until waits for something that the kernel or another process does.
func until(t *testing.T, what string, limit time.Duration, f func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !f(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *server) listening() *server {
	s.t.Helper()
	s.wait("the server listens", func(l line) bool { return l.Listening != nil && *l.Listening })
	return s
}

func (s *server) event(kind, addr string) dhcpsrv.Event {
	s.t.Helper()
	l := s.wait("event "+kind+" "+addr, func(l line) bool {
		return l.Event != nil && l.Event.Kind == kind && (addr == "" || l.Event.Addr.String() == addr)
	})
	return *l.Event
}

func (s *server) count(kind string) (n int) {
	for _, l := range s.lines() {
		if l.Event != nil && l.Event.Kind == kind {
			n++
		}
	}
	return n
}

func (s *server) ask(command string) line {
	s.t.Helper()
	s.seq++
	id := fmt.Sprint(s.seq)
	if _, err := io.WriteString(s.in, command+" "+id+"\n"); err != nil {
		s.t.Fatal(err)
	}
	return s.wait("answer to "+command, func(l line) bool { return l.Seq == id })
}

func (s *server) leases() map[string]dhcpsrv.LeaseInfo {
	s.t.Helper()
	list := map[string]dhcpsrv.LeaseInfo{}
	for _, l := range s.ask("leases").Leases {
		list[l.Addr.String()] = l
	}
	return list
}

func (s *server) update(cfg setup) {
	s.t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(s.in, "update "+string(text)+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends the child as the daemon would.
func (s *server) stop() {
	s.t.Helper()
	if err := s.proc.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.proc.Done():
	case <-time.After(10 * time.Second):
		s.t.Fatal("the server does not stop")
	}
}

func contains(text, part string) bool { return strings.Contains(text, part) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
