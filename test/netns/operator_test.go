package netns

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// "A bad reload leaves the running configuration untouched", and says where it
// is bad, all at once, by exit code 1.
func TestBadReloadChangesNothing(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.staticClient()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(10*time.Second, "wan2")
		b.settle()
		before := b.dump(nil)
		m := b.meters()
		for _, tt := range []struct {
			name, text string
			want       []string // "LINE:" and words
		}{
			{"unknown key", strings.Replace(static, "hold_down", "holddown", 1), []string{":13:", "hold_down"}},
			{"no TOML", static + "[[lan]\n", []string{":"}},
			{"two mistakes", strings.NewReplacer("100.64.1.1\"", "10.0.0.1\"", `["lan1"]`, `["wan1"]`).Replace(static), []string{":8:", "gateway", "wan1"}},
			{"a moved state directory", static + "[control]\nsocket = \"/run/luatnetd/other.sock\"\n", []string{"restart"}},
		} {
			b.write(tt.text)
			out, code := b.ctl("reload")
			if code != 1 {
				t.Errorf("%s: ctl reload: exit code %d, want 1: %s", tt.name, code, out)
			}
			for _, w := range tt.want {
				if strings.HasPrefix(w, ":") {
					w = b.Config + w
				}
				if w != b.Config+":" && !strings.Contains(out, w) || tt.name == "no TOML" && !strings.Contains(out, w) {
					t.Errorf("%s: ctl reload says nothing of %q:\n%s", tt.name, w, out)
				}
			}
			b.ok(b.Daemon.Signal(syscall.SIGHUP)) // the same without ctl
		}
		b.steady()
		if diff := lineDiff(before, b.dump(nil)); diff != "" {
			t.Errorf("bad reloads changed the kernel (-before +after):\n%s", diff)
		}
		if d := b.status(); d.Active != "wan" || len(d.Uplinks) != 2 {
			t.Errorf("after bad reloads the status is %s", pretty(d))
		}
		m.unharmed("bad reloads")
	})
}

// What the operator said with ctl is kept over a restart, whichever way the
// daemon ended: use, uplink down, lan down. DEV-27, DEV-30, RTR-12.
func TestOperatorsWordSurvivesRestart(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.staticClient()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(10*time.Second, "wan2")
		again := func(sig syscall.Signal) {
			t.Helper()
			b.stop(sig)
			b.start()
		}

		b.said("use", "wan2")
		b.active(5*time.Second, "wan2", "wan2")
		again(syscall.SIGKILL)
		b.active(20*time.Second, "wan2", "wan2")
		b.ready(10*time.Second, "wan")
		b.active(time.Second, "wan2", "wan2") // still, now that wan is usable
		b.said("auto")
		b.active(5*time.Second, "wan", "wan1")

		b.said("uplink", "wan", "down")
		b.active(5*time.Second, "wan2", "wan2")
		b.sees("100.64.2.2")
		again(syscall.SIGTERM)
		b.active(20*time.Second, "wan2", "wan2")
		if u := b.uplink("wan"); u.State != "STOPPED" || !u.Down {
			t.Errorf("after a restart the closed uplink is %s", pretty(u))
		}
		b.said("uplink", "wan", "up")
		b.active(20*time.Second, "wan", "wan1")

		b.said("lan", "lan", "down")
		b.lanAnswers(false)
		again(syscall.SIGKILL)
		b.active(20*time.Second, "wan", "wan1")
		b.lanAnswers(false)
		b.said("lan", "lan", "up")
		b.lanAnswers(true)
		b.sees("100.64.1.2")
		b.steady()
		b.noForeign()
	})
}

// said runs a command that must succeed.
func (b *box) said(args ...string) {
	b.t.Helper()
	if out, code := b.ctl(args...); code != 0 {
		b.t.Fatalf("ctl %s: exit code %d: %s", strings.Join(args, " "), code, out)
	}
}

// lanAnswers waits until the router answers the LAN client's ping, or stops to.
func (b *box) lanAnswers(want bool) {
	b.t.Helper()
	b.eventually(10*time.Second, fmt.Sprintf("the router answers the LAN: %t", want), func() error {
		_, err := b.Client.Run(b.t.Context(), "ping", "-c1", "-W1", "192.168.5.1")
		if (err == nil) != want {
			return fmt.Errorf("it does not: ping: %v", err)
		}
		return nil
	})
}
