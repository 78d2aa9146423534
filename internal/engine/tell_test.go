package engine

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/config"
	"luatnetd/netif/failover"
	"luatnetd/router/kernel"
)

// manager is the service manager's end of NOTIFY_SOCKET.
func manager(t *testing.T) (said func() []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // short: socket paths end at 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() (all []string) {
		t.Helper()
		buf := make([]byte, 4096)
		for {
			// What was sent is there already: a datagram of a Unix socket does not travel.
			if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			n, err := c.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return all
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, string(buf[:n]))
		}
	}
}

// A reload before the first plan is in the kernel must not say READY=1: systemd
// would start what waits for the network.
func TestReloadSaysReadyOnlyAfterReady(t *testing.T) {
	said := manager(t)
	var e Engine
	e.reloading()()
	if got := said(); len(got) != 0 {
		t.Errorf("a reload before the daemon was ready said %q", got)
	}
	e.ready = true
	done := e.reloading()
	if got := said(); !slices.Equal(got, []string{"RELOADING=1"}) {
		t.Errorf("the begin of a reload said %q", got)
	}
	done()
	if got := said(); !slices.Equal(got, []string{"READY=1"}) {
		t.Errorf("the end of a reload said %q", got)
	}
}

func TestTellSaysChangesOnly(t *testing.T) {
	said := manager(t)
	wan, lte := config.Uplink{Name: "wan"}, config.Uplink{Name: "lte"}
	e := Engine{cfg: &config.Config{Uplinks: []config.Uplink{wan, lte}},
		uplinks: []*uplink{{cfg: wan, device: "eth0"}, {cfg: lte, device: "usb0"}}}
	for _, tt := range []struct {
		name   string
		change func()
		want   string // "" nothing is said
	}{
		{"start", func() { e.decision = failover.Decision{Reason: "no uplink has an address"} }, "STATUS=no uplink is usable: no uplink has an address"},
		{"again", func() {}, ""},
		{"online", func() { e.decision = failover.Decision{Active: "wan", Main: []string{"wan", "lte"}} }, "STATUS=online through wan (eth0); backup: lte"},
		{"failover", func() { e.decision = failover.Decision{Active: "lte", Main: []string{"lte"}} }, "STATUS=online through lte (usb0)"},
		{"another reason", func() { e.decision.Reason = "first that is usable" }, ""},
		{"the kernel refuses", func() { e.done.Failures = make([]kernel.Failure, 2) }, "STATUS=online through lte (usb0); 2 operations in the kernel failed"},
		{"nothing configured", func() { e.cfg = &config.Config{}; e.opt.ConfigFile = "/etc/x.toml" }, "STATUS=nothing is configured"},
		{"another firewall", func() { e.rival = "fw4 is active: stop it" }, "STATUS=idle: fw4 is active: stop it"},
	} {
		tt.change()
		e.tell()
		got := strings.Join(said(), "|")
		if got != tt.want && (tt.name != "nothing configured" || !strings.HasPrefix(got, tt.want) || !strings.Contains(got, "/etc/x.toml")) {
			t.Errorf("%s: said %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestStateDir(t *testing.T) {
	for _, tt := range []struct{ option, file, want string }{
		{"", config.DefaultStateDir, config.DefaultStateDir},
		{"/etc/luatnetd/state", config.DefaultStateDir, "/etc/luatnetd/state"},
		{"/etc/luatnetd/state", "/overlay/state", "/overlay/state"},
	} {
		cfg := &config.Config{State: config.State{Dir: tt.file}}
		if got := stateDir(Options{StateDir: tt.option}, cfg); got != tt.want {
			t.Errorf("--state-dir %q, the file says %q: %q, want %q", tt.option, tt.file, got, tt.want)
		}
	}
}
