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

// box is a lab.Box that fails its test instead of returning errors.
type box struct {
	*lab.Box
	t      *testing.T
	strays []*tap // packets with a wrong source, one tap for each provider
}

// newBox builds the world; the daemon is not started yet.
func newBox(t *testing.T, isps int) *box {
	t.Helper()
	dir, err := os.MkdirTemp("", "lab") // short: socket paths end at 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b, err := lab.NewBox(dir, os.Getenv(binary), isps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	t.Cleanup(func() {
		if t.Failed() && b.Daemon != nil {
			t.Logf("the end of the daemon's log:\n%s", tail(b.Daemon.Output(), 12000))
		}
	})
	bx := &box{Box: b, t: t}
	for _, isp := range b.ISPs {
		bx.strays = append(bx.strays, strayTap(t, isp))
	}
	return bx
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// ok fails the test on an error.
func (b *box) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) write(text string) { b.t.Helper(); b.ok(b.Write(text)) }

func (b *box) start(args ...string) {
	b.t.Helper()
	b.ok(b.Start(append([]string{"--log-level", "debug"}, args...)...))
}

func (b *box) stop(sig syscall.Signal) { b.t.Helper(); b.ok(b.Stop(sig)) }

func (b *box) active(d time.Duration, name, device string) {
	b.t.Helper()
	b.ok(b.Active(d, name, device))
}

func (b *box) ready(d time.Duration, names ...string) { b.t.Helper(); b.ok(b.Ready(d, names...)) }

func (b *box) status() *status.Document {
	b.t.Helper()
	d, err := b.API.Status(context.Background())
	b.ok(err)
	return d
}

func (b *box) uplink(name string) status.Uplink {
	b.t.Helper()
	u, err := b.Uplink(name)
	b.ok(err)
	return u
}

func (b *box) ctl(args ...string) (string, int) {
	b.t.Helper()
	out, code, err := b.Ctl(args...)
	b.ok(err)
	return out, code
}

// eventually waits, at most for d, until f returns nil.
func (b *box) eventually(d time.Duration, what string, f func() error) {
	b.t.Helper()
	if err := lab.Poll(d, f); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// curl fetches a page from the virtual internet as the LAN client and returns
// the address that the server saw.
func (b *box) curl() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := b.Client.Run(ctx, "curl", "-sS", "--max-time", "3", "http://"+lab.WebAddr+"/")
	return strings.TrimSpace(out), err
}

// sees waits shortly until the web server sees the client with that address.
func (b *box) sees(addr string) {
	b.t.Helper()
	b.eventually(3*time.Second, "the server sees "+addr, func() error {
		got, err := b.curl()
		if err == nil && got != addr {
			err = fmt.Errorf("it sees %s", got)
		}
		return err
	})
}

// staticClient gives the LAN client an address by hand.
func (b *box) staticClient() {
	b.t.Helper()
	b.ok(b.Client.AddAddr("eth0", "192.168.5.50/24"))
	b.ok(b.Client.AddRoute("default", "192.168.5.1"))
}

// noForeign fails the test if a provider saw a packet with a wrong source.
func (b *box) noForeign() {
	b.t.Helper()
	n, err := b.ForeignPackets()
	b.ok(err)
	if n != 0 {
		b.t.Errorf("the providers saw %d packets with a private or foreign source, want 0", n)
		for _, s := range b.strays {
			s.nothing("such packets")
		}
	}
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
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// writeExec writes a script.
func writeExec(path, text string) error { return os.WriteFile(path, []byte(text), 0o755) }
