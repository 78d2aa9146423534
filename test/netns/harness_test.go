package netns

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/ctl"
	"luatnetd/internal/lab"
	"luatnetd/internal/status"
)

// binary is the environment variable that hands the daemon's path to the
// process inside the namespaces.
const binary = "LUATNETD_TEST_BINARY"

func TestMain(m *testing.M) {
	if !lab.Inside() && os.Getenv(binary) == "" {
		dir, err := os.MkdirTemp("", "luatnetd-bin")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		path := filepath.Join(dir, "luatnetd")
		cmd := exec.Command("go", "build", "-o", path, "luatnetd/cmd/luatnetd")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the daemon:", err)
			os.Exit(1)
		}
		_ = os.Chmod(dir, 0o755)
		os.Setenv(binary, path)
	}
	lab.Main(m)
}

// box is the gateway under test in its virtual internet.
type box struct {
	*lab.World
	t      *testing.T
	daemon *lab.Proc
	config string // path
	client *ctl.Client
	starts int
}

// newBox builds the world; the daemon is not started yet.
func newBox(t *testing.T, isps int) *box {
	t.Helper()
	dir, err := os.MkdirTemp("", "lab") // short: socket paths end at 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w, err := lab.NewWorld(dir, isps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	b := &box{World: w, t: t, config: filepath.Join(dir, "luatnetd.toml")}
	b.client = ctl.NewClient(filepath.Join(w.Gateway.Dir(), "run/luatnetd/control.sock"))
	t.Cleanup(func() {
		if t.Failed() && b.daemon != nil {
			t.Logf("daemon's log:\n%s", tail(b.daemon.Output(), 12000))
		}
	})
	return b
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// write writes the configuration file; %STATE% becomes a directory of the test.
func (b *box) write(text string) {
	b.t.Helper()
	state := filepath.Join(b.Gateway.Dir(), "state")
	text = fmt.Sprintf("version = 1\n%s\n[state]\ndir = %q\n", text, state)
	if err := os.WriteFile(b.config, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// start starts the daemon and waits until it answers.
func (b *box) start(args ...string) {
	b.t.Helper()
	cmd := exec.Command(os.Getenv(binary), append([]string{"run", "-c", b.config, "--log-level", "debug"}, args...)...)
	p, err := b.Gateway.StartCmd(nil, cmd)
	if err != nil {
		b.t.Fatal(err)
	}
	b.daemon = p
	b.starts++
	b.eventually(10*time.Second, "the daemon answers", func() error {
		_, err := b.client.Status(context.Background())
		return err
	})
}

// stop ends the daemon with a signal and waits for its end.
func (b *box) stop(sig syscall.Signal) {
	b.t.Helper()
	_ = b.daemon.Signal(sig)
	select {
	case <-b.daemon.Done():
	case <-time.After(15 * time.Second):
		b.t.Fatalf("the daemon did not end after %v", sig)
	}
}

// status is the daemon's status document.
func (b *box) status() *status.Document {
	b.t.Helper()
	d, err := b.client.Status(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// uplink is the status of one uplink.
func (b *box) uplink(name string) status.Uplink {
	b.t.Helper()
	for _, u := range b.status().Uplinks {
		if u.Name == name {
			return u
		}
	}
	b.t.Fatalf("no uplink %q in the status", name)
	return status.Uplink{}
}

// eventually waits, at most for d, until f returns nil.
func (b *box) eventually(d time.Duration, what string, f func() error) {
	b.t.Helper()
	if err := poll(d, f); err != nil {
		b.t.Fatalf("%s: %v (after %v)", what, err, d)
	}
}

func poll(d time.Duration, f func() error) error {
	end := time.Now().Add(d)
	for {
		err := f()
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// active waits until the uplink is the decided and the actual way out.
func (b *box) active(d time.Duration, name, device string) {
	b.t.Helper()
	b.eventually(d, name+" is active", func() error {
		s, err := b.client.Status(context.Background())
		if err != nil {
			return err
		}
		if s.Active != name || s.Path != device || s.Uplinks == nil {
			return fmt.Errorf("active = %q by %q (%s)", s.Active, s.Path, s.Reason)
		}
		return nil
	})
}

// ctl runs "luatnetd ctl" as an operator would and returns output and exit code.
func (b *box) ctl(args ...string) (string, int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := b.Gateway.Run(ctx, os.Getenv(binary), append([]string{"ctl"}, args...)...)
	code := 0
	var exit *exec.ExitError
	if err != nil {
		code = -1
		if asExit(err, &exit) {
			code = exit.ExitCode()
		}
	}
	return out, code
}

func asExit(err error, into **exec.ExitError) bool {
	for err != nil {
		if e, ok := err.(*exec.ExitError); ok {
			*into = e
			return true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}

// curl fetches a page from the virtual internet as the LAN client and returns
// the address that the server saw.
func (b *box) curl() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := b.Client.Run(ctx, "curl", "-sS", "--max-time", "3", "http://"+lab.WebAddr+"/")
	return strings.TrimSpace(out), err
}

// staticClient gives the LAN client an address by hand.
func (b *box) staticClient() {
	b.t.Helper()
	if err := b.Client.AddAddr("eth0", "192.168.5.50/24"); err != nil {
		b.t.Fatal(err)
	}
	if err := b.Client.AddRoute("default", "192.168.5.1"); err != nil {
		b.t.Fatal(err)
	}
}

// foreignPackets is how many packets with a wrong source the providers saw.
func (b *box) foreignPackets() uint64 {
	b.t.Helper()
	var sum uint64
	for _, isp := range b.ISPs {
		n, err := isp.Foreign()
		if err != nil {
			b.t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// static is a configuration with two static uplinks and one LAN.
const static = `
[[uplink]]
name = "wan"
adapter = "LWIP_ETH"
device = "wan1"
address = "100.64.1.2/24"
gateway = "100.64.1.1"
[uplink.check]
interval = "1s"
timeout = "500ms"
recover_after = 2
hold_down = "1s"

[[uplink]]
name = "wan2"
adapter = "LWIP_USER1"
device = "wan2"
address = "100.64.2.2/24"
gateway = "100.64.2.1"
[uplink.check]
interval = "1s"
timeout = "500ms"
recover_after = 2
hold_down = "1s"

[[lan]]
name = "lan"
ports = ["lan1"]
address = "192.168.5.1/24"
`

func pretty(v any) string {
	b, _ := json.MarshalIndent(v, "", "  ")
	return string(b)
}
