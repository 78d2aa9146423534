package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/internal/status"
)

// A reload takes effect, or changes nothing at all and says why.
func TestCtlReload(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(15*time.Second, "wan2")
		reloads := func(want string, n int) {
			t.Helper()
			b.eventually(5*time.Second, "the event of the reload", func() error {
				list := b.kinds("config")
				if len(list) != n || !strings.Contains(list[n-1].Text, want) {
					return errors.New(pretty(list))
				}
				return nil
			})
		}
		b.want(0, "2 uplinks and 1 LANs are configured", "reload")
		reloads("reloaded", 1)

		b.write(strings.Replace(static, "gateway =", "gatway =", 1))
		b.want(1, "gatway", "reload")
		out := b.want(1, "hint: the running configuration is unchanged", "reload")
		if !strings.Contains(out, b.Config+":") {
			t.Errorf("the answer does not name file and line:\n%s", out)
		}
		b.ok(b.Daemon.Signal(syscall.SIGHUP))
		reloads("refused", 4)
		b.ok(os.Remove(b.Config))
		b.want(1, "no such file", "reload")
		b.active(time.Second, "wan", "wan1")

		// The other order of the same uplinks, by SIGHUP.
		first, second, _ := strings.Cut(static, "\n\n")
		second, lans, _ := strings.Cut(second, "\n\n")
		b.write(second + "\n\n" + first + "\n\n" + lans)
		b.ok(b.Daemon.Signal(syscall.SIGHUP))
		reloads("reloaded", 6)
		b.active(10*time.Second, "wan2", "wan2")
		b.steady()
		b.write("[control]\nsocket = \"/run/elsewhere\"\n" + static)
		b.want(1, "take effect at a restart only", "reload")
	})
}

// Without a configuration file the daemon changes nothing and says what to do;
// a file written later is taken by reload.
func TestNoConfiguration(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		// The default state directory is the machine's own: hide it.
		b.ok(unix.Mount("tmpfs", "/var/lib", "tmpfs", 0, ""))
		t.Cleanup(func() { b.ok(unix.Unmount("/var/lib", unix.MNT_DETACH)) })
		dump := func() string {
			t.Helper()
			var all []string
			for _, c := range [][]string{
				{"ip", "-4", "-o", "addr"}, {"ip", "-4", "route", "show", "table", "all"}, {"ip", "rule"}, {"ip", "-6", "rule"}, {"nft", "list", "ruleset"}, {"sysctl", "-a", "--pattern", `^net\.ipv4\.(ip_forward|conf)`},
			} {
				all = append(all, b.Gateway.MustRun(t, c[0], c[1:]...))
			}
			return strings.Join(all, "\n")
		}
		before := dump()
		b.start()
		d := b.status()
		if len(d.Health) == 0 || d.Health[len(d.Health)-1].Code != "config-empty" || d.Uplinks == nil || d.LANs == nil {
			t.Fatalf("status without a configuration = %s", pretty(d))
		}
		b.want(0, "no uplink is configured", "status")
		b.want(0, "write "+b.Config, "status")
		b.want(0, "[]", "uplinks", "--json")
		if log := b.Daemon.Output(); !strings.Contains(log, "nothing is configured, so nothing is changed") {
			t.Errorf("the log does not say what to do:\n%s", log)
		}
		b.steady()
		if after := dump(); after != before {
			t.Errorf("a daemon without a configuration has changed something:\n--- before\n%s\n--- after\n%s", before, after)
		}
		one, _, _ := strings.Cut(static, "\n\n")
		b.ok(os.WriteFile(b.Config, []byte("version = 1\n"+one), 0o644))
		b.want(0, "1 uplinks and 0 LANs are configured", "reload")
		b.active(20*time.Second, "wan", "wan1")
		if d := b.status(); slices.ContainsFunc(d.Health, func(c status.Code) bool { return c.Code == "config-empty" }) {
			t.Errorf("the code config-empty stays after a file was read: %s", pretty(d.Health))
		}
	})
}

// A user without the right gets exit code 4; a member of the group in
// [control] may.
func TestCtlRights(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		if b, err := os.ReadFile("/proc/self/uid_map"); err != nil || len(strings.Fields(string(b))) != 3 || strings.Fields(string(b))[2] == "1" {
			t.Skip("needs two users, and this user namespace has one: run as root")
		}
		b := newBox(t, 2)
		b.write(static + "\n[control]\ngroup = \"nogroup\"\n")
		b.ok(os.Chmod(filepath.Dir(b.Config), 0o755))
		b.start()
		as := func(groups ...string) (string, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			args := append([]string{"--reuid=54321"}, groups...)
			return b.Gateway.Run(ctx, "setpriv", append(args, b.Binary, "ctl", "status")...)
		}
		out, err := as("--regid=54321", "--clear-groups")
		if err == nil || !strings.Contains(err.Error(), "exit status 4") || !strings.Contains(out, "may not control luatnetd") || !strings.Contains(out, "hint: run it as root") {
			t.Errorf("a stranger's ctl = %v: %s; want exit code 4 and a sentence", err, out)
		}
		nogroup := "65534"
		for name, groups := range map[string][]string{
			"primary": {"--regid=" + nogroup, "--clear-groups"}, "supplementary": {"--regid=54321", "--groups=" + nogroup},
		} {
			if out, err := as(groups...); err != nil {
				t.Errorf("a member by its %s group: %v: %s", name, err, out)
			}
		}
	})
}

// The domain of a LAN reaches its DNS: a name below it that nobody has is
// answered here, also while no uplink works; a reload changes it.
func TestLANDomainReachesDNS(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		withDomain := func(d string) string { return static + "[lan.dhcp]\ndomain = \"" + d + "\"\n" }
		b.write(withDomain("office.example"))
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.staticClient()
		b.ok(b.ISPs[0].Cut())
		b.ok(b.ISPs[1].Cut())
		is := func(name, rcode string) {
			t.Helper()
			b.eventually(15*time.Second, name, func() error {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				out, err := b.Client.Run(ctx, "dig", "+tries=1", "+time=6", "@192.168.5.1", name)
				if err == nil && !strings.Contains(out, "status: "+rcode) {
					err = fmt.Errorf("want %s: %s", rcode, out)
				}
				return err
			})
		}
		is("nobody.office.example", "NXDOMAIN")
		is("nobody.lab.example", "SERVFAIL")
		b.write(withDomain("lab.example"))
		b.want(0, "", "reload")
		is("nobody.lab.example", "NXDOMAIN")
		is("nobody.office.example", "SERVFAIL")
	})
}
