package data

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"luatnetd/modem"
)

// peer is a stand-in for pppd: it says what pppd 2.4.9 says, and then waits for
// its end. It is no PPP; the real one is in the VM's scenes.
const peer = `
echo "pppd $@" >>"$LOG"
trap 'echo "Terminating on signal 15"; echo "Connection terminated."; exit 5' TERM
trap 'echo "No response to 3 echo-requests"; echo "Modem hangup"; exit 16' USR1
echo "Using interface ppp0"; echo "Connect: ppp0 <--> /dev/ttyUSB3"
echo "local  IP address 10.6.119.182"; echo "remote IP address 10.64.64.64"
echo "primary   DNS address 10.1.10.11"; echo "secondary DNS address 10.1.10.12"
while :; do sleep 0.05; done
`

var pppPlan = modem.DataPlan{
	Kind: modem.DataPPP, Netdev: "ppp0", Port: "/dev/ttyUSB3",
	Settings: modem.DataAccess{APN: "internet", User: "me", Password: "hunter2"},
}

var pppBearer = bearer("10.6.119.182", "10.64.64.64", 0, "10.1.10.11", "10.1.10.12")

func wantUp(t *testing.T, p Plane) {
	t.Helper()
	want := modem.DataChanged{Up: true, Netdev: "ppp0", Bearer: pppBearer}
	if d := cmp.Diff(want, next(t, p), addresses, prefixes); d != "" {
		t.Fatalf("change (-want +got):\n%s", d)
	}
}

func TestPPPComesUpAndIsStopped(t *testing.T) {
	b := newBench(t)
	b.program("pppd", peer)
	p := b.start(pppPlan)
	wantUp(t, p)
	stop(t, p)
	if c := next(t, p); c.Up || c.Cause != modem.DataAsked {
		t.Errorf("change %+v, want the end, as asked", c)
	}
	closed(t, p)
	if _, err := os.Stat(filepath.Join(b.env.Dir, "gp.ppp.session")); err == nil {
		t.Error("the session is still noted")
	}
}

// The password is in a file that nobody else can read, and nowhere else.
func TestPPPKeepsThePassword(t *testing.T) {
	b := newBench(t)
	b.program("pppd", peer)
	p := b.start(pppPlan)
	wantUp(t, p)
	defer stop(t, p)
	if calls := b.calls(); len(calls) != 1 || strings.Contains(calls[0], "hunter2") || strings.Contains(calls[0], " me") {
		t.Errorf("arguments %q", calls)
	}
	fi, err := os.Stat(filepath.Join(b.env.Dir, "gp.ppp.options"))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	log, _ := os.ReadFile(filepath.Join(b.env.Dir, "gp.ppp.log"))
	if len(log) == 0 || strings.Contains(string(log), "hunter2") {
		t.Errorf("log %q", log)
	}
}

func TestPPPThatGetsNoAddressIsKilled(t *testing.T) {
	b := newBench(t)
	b.program("pppd", "trap '' TERM\necho 'Using interface ppp0'\nwhile :; do sleep 0.05; done\n")
	p := newPPP(pppPlan, b.env, filepath.Join(b.bin, "pppd"))
	p.limit = 50 * time.Millisecond
	if err := p.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if c := next(t, p); c.Up || c.Cause != modem.DataDeadline {
		t.Errorf("change %+v, want the deadline", c)
	}
	closed(t, p)
}

func TestPPPTellsWhyItEnded(t *testing.T) {
	for _, tt := range []struct {
		script string
		cause  modem.DataCause
		words  string
	}{
		{"echo 'PAP authentication failed'; exit 19", modem.DataAuth, "PAP authentication failed"},
		{"echo 'LCP: timeout sending Config-Requests'; exit 10", modem.DataNegotiat, "LCP: timeout sending Config-Requests"},
		{"exit 4", modem.DataSystem, ""},
		{"kill -9 $$", modem.DataSystem, ""},
		{"exit 16", modem.DataPeer, ""},
	} {
		b := newBench(t)
		b.program("pppd", tt.script+"\n")
		p := b.start(pppPlan)
		if c := next(t, p); c.Up || c.Cause != tt.cause || c.Message != tt.words {
			t.Errorf("%s: %+v, want %q, %q", tt.script, c, tt.cause, tt.words)
		}
		closed(t, p)
	}
}

// A program that is no program starts nothing.
func TestPPPThatCannotRun(t *testing.T) {
	b := newBench(t)
	if _, err := New(pppPlan, b.env); Cause(err) != modem.DataMissing || !strings.Contains(err.Error(), "pppd") {
		t.Errorf("not installed: %v", err)
	}
	if err := os.WriteFile(filepath.Join(b.bin, "pppd"), []byte("\x00"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.plane(pppPlan).Start(t.Context(), nil); Cause(err) != modem.DataSystem {
		t.Errorf("no program: %v", err)
	}
}

// pid is that of the noted session.
func (b *bench) pid() int {
	b.t.Helper()
	s, err := readSession(filepath.Join(b.env.Dir, "gp.ppp.session"))
	if err != nil {
		b.t.Fatal(err)
	}
	return s.PID
}

func TestPPPIsLetGoAndAdopted(t *testing.T) {
	b := newBench(t)
	b.program("pppd", peer)
	ctx, cancel := context.WithCancel(t.Context())
	p := b.plane(pppPlan)
	if err := p.Start(ctx, nil); err != nil {
		t.Fatal(err)
	}
	wantUp(t, p)
	pid := b.pid()
	cancel()
	closed(t, p) // no last word: it goes on

	other := pppPlan
	other.Settings.APN, other.Settings.Password = "else", "changed"
	if b.plane(other).Adopt(t.Context()) {
		t.Error("a session of another plan was adopted")
	}
	p = b.plane(pppPlan)
	if !p.Adopt(t.Context()) {
		t.Fatal("not adopted")
	}
	wantUp(t, p)
	if got := b.pid(); got != pid || len(b.calls()) != 1 {
		t.Errorf("pid %d, was %d; pppd was run %d times", got, pid, len(b.calls()))
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if c := next(t, p); c.Cause != modem.DataNoEcho || !strings.HasPrefix(c.Message, "No response to 3") {
		t.Errorf("change %+v, want no echo", c)
	}
	closed(t, p)
	if b.plane(pppPlan).Adopt(t.Context()) {
		t.Error("what has ended was adopted")
	}
}

// A new session ends the one that nobody wanted to adopt: there is one tty.
func TestStartEndsAnOlderSession(t *testing.T) {
	b := newBench(t)
	b.program("pppd", peer)
	ctx, cancel := context.WithCancel(t.Context())
	p := b.plane(pppPlan)
	if err := p.Start(ctx, nil); err != nil {
		t.Fatal(err)
	}
	wantUp(t, p)
	old := b.pid()
	cancel()
	closed(t, p)
	p = b.start(pppPlan)
	wantUp(t, p)
	if err := syscall.Kill(old, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the older pppd %d: %v, want no such process", old, err)
	}
	stop(t, p)

	p = b.start(pppPlan)
	wantUp(t, p)
	old = b.pid()
	if err := Clean(t.Context(), b.env.Dir, func(string) bool { return true }); err != nil || b.pid() != old {
		t.Errorf("a session that is kept: %v", err)
	}
	if err := Clean(t.Context(), b.env.Dir, func(string) bool { return false }); err != nil {
		t.Error(err)
	}
	if c := next(t, p); c.Up {
		t.Errorf("change %+v, want the end", c)
	}
	if left, _ := os.ReadDir(b.env.Dir); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
}

// A number that was given to another process is not a session.
func TestForeignProcessIsNotAdopted(t *testing.T) {
	b := newBench(t)
	b.program("pppd", peer)
	p := b.start(pppPlan)
	wantUp(t, p)
	s, err := readSession(filepath.Join(b.env.Dir, "gp.ppp.session"))
	if err != nil {
		t.Fatal(err)
	}
	wrong := *s
	wrong.Since++
	if err := wrong.open("pppd"); err == nil {
		t.Error("another start time was accepted")
	}
	if err := s.open("minicom"); err == nil {
		t.Error("another program was accepted")
	}
	stop(t, p)
	if err := s.open("pppd"); err == nil {
		t.Error("a process that has ended was accepted")
	}
}

// daemon is what TestPPPOutlivesKill kills: it starts a session and waits.
func daemon(dir string) {
	env := Env{Dir: filepath.Join(dir, "run"), Name: "gp", Program: func(name string) (string, error) {
		return filepath.Join(dir, "bin", name), nil
	}}
	p, err := New(pppPlan, env)
	if err == nil {
		err = p.Start(context.Background(), nil)
	}
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	<-p.Changes()
	_, _ = os.Stdout.WriteString("up\n")
	select {}
}

func TestPPPOutlivesKill(t *testing.T) {
	b := newBench(t)
	b.program("pppd", peer)
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "DATA_TEST_DAEMON="+filepath.Dir(b.bin))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		t.Fatalf("the daemon said %q, %v", line, err)
	}
	pid := b.pid()
	_ = c.Process.Kill()
	_ = c.Wait()
	p := b.plane(pppPlan)
	if !p.Adopt(t.Context()) {
		t.Fatal("not adopted")
	}
	wantUp(t, p)
	stop(t, p)
	if c := next(t, p); c.Cause != modem.DataAsked {
		t.Errorf("change %+v", c)
	}
	if _, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/exe"); err == nil {
		t.Errorf("pppd %d is still there", pid)
	}
}
