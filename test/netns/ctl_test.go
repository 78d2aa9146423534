package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/ctl"
	"luatnetd/internal/lab"
	"luatnetd/internal/status"
)

// want runs a ctl command that must end with the exit code and print the text.
func (b *box) want(code int, text string, args ...string) string {
	b.t.Helper()
	out, got := b.ctl(args...)
	if got != code || !strings.Contains(out, text) {
		b.t.Errorf("ctl %s = exit code %d, want %d and %q:\n%s", strings.Join(args, " "), got, code, text, out)
	}
	return out
}

// json runs a ctl command with --json that must succeed, and reads its answer.
func (b *box) json(into any, args ...string) {
	b.t.Helper()
	out := b.want(0, "", append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		b.t.Errorf("ctl %s --json is no JSON: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// plan is what "ctl plan" would do.
func (b *box) plan() []string {
	b.t.Helper()
	var r ctl.Reply
	b.json(&r, "plan")
	return r.Lines
}

func (b *box) steady() {
	b.t.Helper()
	b.eventually(10*time.Second, "the plan is empty", func() error {
		if p := b.plan(); len(p) > 0 {
			return fmt.Errorf("plan: %q", p)
		}
		return nil
	})
}

// kinds lists the events of one kind.
func (b *box) kinds(kind status.EventKind) (list []status.Event) {
	b.t.Helper()
	b.ok(b.API.Events(context.Background(), 0, false, func(e status.Event) {
		if e.Kind == kind {
			list = append(list, e)
		}
	}))
	return list
}

// Every command that only looks, in words and as JSON, and the exit codes.
// DEV-30.
func TestCtlShows(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.want(3, "luatnetd is not running", "status")
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(15*time.Second, "wan2")

		b.want(0, "ONLINE through wan (LWIP_ETH)", "status")
		b.want(0, "*wan ", "uplinks")
		b.want(0, "ADDRESS", "leases")
		explained := b.want(0, "ONLINE through wan", "explain")
		b.want(0, "luatnetd dev, control API 1", "version")
		b.want(0, "NETWORK_STATUS", "events")
		b.want(2, "hint: luatnetd help", "frobnicate")

		var d status.Document
		b.json(&d, "status")
		if d.Active != "wan" || len(d.Uplinks) != 2 || len(d.LANs) != 1 || d.API != 1 {
			t.Errorf("status --json = %s", pretty(d))
		}
		for _, u := range d.Uplinks {
			if !slices.ContainsFunc(d.Why, func(w status.Why) bool { return w.Uplink == u.Name && w.Rule != "" && w.Text != "" }) {
				t.Errorf("the explanation has no rule about %s: %s", u.Name, pretty(d.Why))
			}
			if u.Round == 0 || len(u.Targets) == 0 || !slices.ContainsFunc(u.Targets, func(t status.Target) bool { return !t.At.IsZero() }) {
				t.Errorf("%s has no round of probes: %s", u.Name, pretty(u))
			}
		}
		for _, w := range d.Why {
			if !strings.Contains(explained, w.Rule) {
				t.Errorf("explain does not name rule %q:\n%s", w.Rule, explained)
			}
		}
		var uplinks []status.Uplink
		b.json(&uplinks, "uplinks")
		var leases []status.Lease
		b.json(&leases, "leases")
		var why status.Document
		b.json(&why, "explain")
		var version struct {
			API     int
			Version string
		}
		b.json(&version, "version")
		if len(uplinks) != 2 || leases == nil || len(why.Why) == 0 || version.API != 1 || version.Version != "dev" {
			t.Errorf("uplinks %d, leases %v, why %d, version %+v", len(uplinks), leases, len(why.Why), version)
		}
		for line := range strings.Lines(b.want(0, "", "events", "--json")) {
			var e status.Event
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.Seq == 0 || e.Kind == "" {
				t.Errorf("event %q: %v", line, err)
			}
		}
	})
}

// use, auto and --for; a choice is kept over a restart of the daemon.
func TestCtlUse(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(15*time.Second, "wan2")
		b.want(1, "there is no uplink \"nosuch\"\nhint: known: wan, wan2", "use", "nosuch")

		b.want(0, "wan2 is preferred until", "use", "wan2")
		b.active(5*time.Second, "wan2", "wan2")
		b.want(0, "operator's choice: wan2", "status")
		b.want(0, "", "explain")

		b.stop(syscall.SIGTERM)
		b.start()
		b.active(20*time.Second, "wan2", "wan2")
		b.want(0, "the configured order decides again", "auto")
		b.active(10*time.Second, "wan", "wan1")

		asked := time.Now()
		var r ctl.Reply
		b.json(&r, "use", "wan2", "--for", "3s")
		if !r.OK || r.Text != "wan2 is preferred for 3s" {
			t.Errorf("use --for = %+v", r)
		}
		b.active(2500*time.Millisecond, "wan2", "wan2")
		b.active(10*time.Second, "wan", "wan1")
		if took := time.Since(asked); took < 3*time.Second {
			t.Errorf("the choice for 3 s ended after %v", took)
		}
		if d := b.status(); d.Use != "" || !d.UseUntil.IsZero() {
			t.Errorf("use %q until %v after its end", d.Use, d.UseUntil)
		}
		b.want(0, "the time of wan2 is over", "events")
	})
}

// uplink NAME down takes the address away and its traffic elsewhere; up brings
// both back. lan NAME down does the same with a LAN.
func TestCtlUpDown(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(15*time.Second, "wan2")
		address := func(device, prefix string, want bool) {
			t.Helper()
			b.eventually(5*time.Second, device, func() error {
				out := b.Gateway.MustRun(t, "ip", "-4", "addr", "show", "dev", device)
				if strings.Contains(out, prefix) != want {
					return fmt.Errorf("has address %s: %v, want %v", prefix, !want, want)
				}
				return nil
			})
		}
		b.want(1, `there is no uplink "lan"`, "uplink", "lan", "down")
		b.want(1, `there is no LAN "wan"`, "lan", "wan", "down")

		address("wan1", "100.64.1.2/24", true)
		b.want(0, "uplink wan is closed", "uplink", "wan", "down")
		b.active(5*time.Second, "wan2", "wan2")
		address("wan1", "100.64.1.2/24", false)
		if u := b.uplink("wan"); !u.Down || u.State != "STOPPED" {
			t.Errorf("a closed uplink is %s, down %v", u.State, u.Down)
		}
		b.want(1, "wan was not probed (STOPPED): closed by the operator", "probe", "wan")
		b.steady()
		b.want(0, "uplink wan is open", "uplink", "wan", "up")
		address("wan1", "100.64.1.2/24", true)
		b.active(10*time.Second, "wan", "wan1")

		address("lan1", "192.168.5.1/24", true)
		b.want(0, "LAN lan is closed", "lan", "lan", "down")
		address("lan1", "192.168.5.1/24", false)
		b.want(0, "closed", "status")
		b.steady()
		b.stop(syscall.SIGTERM)
		b.start()
		b.eventually(5*time.Second, "the LAN stays closed over a restart", func() error {
			if d := b.status(); len(d.LANs) != 1 || !d.LANs[0].Down {
				return errors.New(pretty(d.LANs))
			}
			return nil
		})
		b.want(0, "LAN lan is open", "lan", "lan", "up")
		address("lan1", "192.168.5.1/24", true)
		b.active(20*time.Second, "wan", "wan1")
		b.staticClient()
		b.sees("100.64.1.2")
	})
}

// probe is exnetif.check_network_status: the result of a round that started
// after the question.
func TestCtlProbe(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(15*time.Second, "wan2")
		b.want(1, `there is no uplink "nosuch"`, "probe", "nosuch")
		b.want(0, "wan passed (CONNECTED)", "probe", "wan")
		b.want(0, " answered in ", "probe", "wan2")
		before := b.uplink("wan").Round
		var p ctl.Probed
		b.json(&p, "probe", "wan")
		if !p.OK || p.Uplink.Name != "wan" || p.Uplink.Round <= before {
			t.Errorf("probe --json = %s, want a round after %d", pretty(p), before)
		}
		// Nothing else has noticed yet: the answer is the fresh round's.
		b.ok(b.ISPs[1].Blackhole(true))
		b.want(1, "wan2 did not pass", "probe", "wan2")
		b.ok(b.ISPs[1].Blackhole(false))
		b.eventually(15*time.Second, "wan2 passes again", func() error {
			if out, code := b.ctl("probe", "wan2"); code != 0 {
				return errors.New(out)
			}
			return nil
		})
		b.ok(b.ISPs[1].Cut())
		b.want(1, "no carrier", "probe", "wan2")
	})
}

// plan is empty while the kernel is as planned, names what is missing, and the
// daemon repairs it by itself.
func TestCtlPlan(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(15*time.Second, "wan2")
		b.steady()
		b.want(0, "the kernel is as planned", "plan")

		b.Gateway.MustRun(t, "ip", "route", "del", "default", "table", "7602")
		b.eventually(10*time.Second, "the daemon repairs table 7602", func() error {
			if out := b.Gateway.MustRun(t, "ip", "route", "show", "table", "7602"); !strings.HasPrefix(out, "default via 100.64.2.1 dev wan2") {
				return fmt.Errorf("table 7602 = %q", out)
			}
			return nil
		})
		b.steady()

		// It repairs faster than anybody can ask, until it sees that another
		// program keeps undoing it: then the plan says what is missing.
		b.eventually(20*time.Second, "plan names the missing default of table 7602", func() error {
			b.Gateway.MustRun(t, "ip", "route", "flush", "table", "7602")
			p := b.plan()
			if !slices.ContainsFunc(p, func(op string) bool { return strings.Contains(op, "7602") }) {
				return fmt.Errorf("plan: %q", p)
			}
			return nil
		})
		b.want(0, " operations would be done", "plan")
		b.eventually(5*time.Second, "status says that repairs are paused", func() error {
			if !b.healthy("repairs-paused") {
				return errors.New(pretty(b.status().Health))
			}
			return nil
		})
		b.want(0, "routes: left as it is, because another program keeps undoing it", "status")
		b.write(without()) // a new decision is carried out: nothing is missing any more
		b.reload()
		b.eventually(5*time.Second, "the code is gone", func() error {
			if b.healthy("repairs-paused") {
				return errors.New(pretty(b.status().Health))
			}
			return nil
		})
	})
}

// NETWORK_STATUS carries what exnetif's callback gets, once per change, and a
// follower hears of it. DEV-17.
func TestCtlEvents(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(15*time.Second, "wan2")
		follower, err := b.Gateway.Start(nil, b.Binary, "ctl", "events", "-f", "--json")
		b.ok(err)
		before := len(b.kinds("NETWORK_STATUS"))
		b.ok(b.ISPs[0].Cut())
		b.active(5*time.Second, "wan2", "wan2")
		b.ok(b.ISPs[1].Cut())
		b.eventually(20*time.Second, "nothing is active", func() error {
			if d := b.status(); d.Active != "" {
				return fmt.Errorf("active is %s: %s", d.Active, d.Reason)
			}
			return nil
		})
		b.eventually(5*time.Second, "two events", func() error {
			if n := len(b.kinds("NETWORK_STATUS")) - before; n != 2 {
				return fmt.Errorf("%d NETWORK_STATUS, want 2", n)
			}
			return nil
		})
		list := b.kinds("NETWORK_STATUS")[before:]
		for i, want := range []map[string]string{{"name": "8101SPIETH", "adapter": "LWIP_USER1", "uplink": "wan2"}, {"name": "nil", "adapter": "-1", "uplink": ""}} {
			for k, v := range want {
				if list[i].Attrs[k] != v {
					t.Errorf("event %d has %s = %q, want %q: %s", i, k, list[i].Attrs[k], v, pretty(list[i]))
				}
			}
			if list[i].Attrs["reason"] == "" {
				t.Errorf("event %d has no reason: %s", i, pretty(list[i]))
			}
		}
		b.want(0, "OFFLINE", "status")
		b.eventually(5*time.Second, "the follower hears it", func() error {
			if !strings.Contains(follower.Output(), `"name":"8101SPIETH"`) {
				return errors.New(follower.Output())
			}
			return nil
		})
		b.ok(follower.Signal(syscall.SIGINT))
		<-follower.Done()
		if err := follower.Err(); err != nil {
			t.Errorf("events -f ended by ^C: %v, want exit code 0", err)
		}
	})
}

// --watch goes on until the person has seen enough, which is no failure.
func TestCtlWatch(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		b.write(static)
		b.start()
		w, err := b.Gateway.Start(nil, b.Binary, "ctl", "status", "--watch", "--json")
		b.ok(err)
		b.eventually(10*time.Second, "two documents", func() error {
			if n := strings.Count(w.Output(), `"api": 1,`); n < 2 {
				return fmt.Errorf("%d documents", n)
			}
			return nil
		})
		b.ok(w.Signal(syscall.SIGINT))
		<-w.Done()
		if w.Err() != nil {
			t.Errorf("status --watch ended by ^C: %v, want exit code 0", w.Err())
		}
		for dec := json.NewDecoder(strings.NewReader(w.Output())); ; {
			var d status.Document
			if err := dec.Decode(&d); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("status --watch --json: %v", err)
			}
		}
	})
}
