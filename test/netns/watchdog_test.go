package netns

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/internal/status"
)

// watched is one connection whose server is not there, and a network watchdog
// that stops short of a reboot.
const watched = `
[[connection]]
name = "cloud"
host = "203.0.113.10"
port = 46999

[watchdog]
timeout = "30s"
grace = "0s"
ladder = ["reconnect", "probe", "bounce", "restart"]
[watchdog.wait]
reconnect = "1s"
probe = "1s"
bounce = "5s"
restart = "1s"
`

// The whole daemon on its ladder. While probes verify an uplink the server is
// to blame and nothing but reconnecting happens; when the uplinks die the rungs
// come in order up to the restart, which ends the process with an error for the
// service manager; the next process goes on and notes what helped. WD-01, WD-02.
func TestNetworkWatchdogClimbs(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static + watched)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(10*time.Second, "wan2")
		b.eventually(50*time.Second, "three reconnects", func() error { return b.rungs("reconnect", "reconnect", "reconnect") })
		if out, _ := b.ctl("status"); !strings.Contains(out, "watchdog-alarm") || !strings.Contains(out, "the server is to blame") {
			t.Errorf("ctl status does not say who is to blame:\n%s", out)
		}

		for _, isp := range b.ISPs {
			b.ok(isp.Blackhole(true))
		}
		select {
		case <-b.Daemon.Done():
		case <-time.After(90 * time.Second):
			out, _ := b.ctl("events")
			t.Fatalf("the daemon did not end for its restart; events:\n%s", out)
		}
		if b.Daemon.Err() == nil {
			t.Error("the daemon ended without an error: a service manager might leave it")
		}
		log := b.Daemon.Output()
		at := 0
		for _, rung := range []string{"network watchdog: probe", "network watchdog: bounce", "network watchdog: restart"} {
			i := strings.Index(log[at:], rung)
			if i < 0 {
				t.Fatalf("no %q, or not in order", rung)
			}
			at += i
		}

		for _, isp := range b.ISPs {
			b.ok(isp.Blackhole(false))
		}
		server, err := b.Server.Talk("ncat", "-l", "-k", "-p", "46999")
		b.ok(err)
		b.start()
		b.active(30*time.Second, "wan", "wan1")
		b.eventually(20*time.Second, "the server is fed", func() error {
			if out, code := b.ctl("send", "cloud", "alive"); code != 0 {
				return fmt.Errorf("ctl send: %s", out)
			}
			return server.Hears(time.Second, "alive")
		})
		b.eventually(10*time.Second, "what helped is on record", func() error {
			out, _ := b.ctl("events")
			if !strings.Contains(out, "what helped: restart") {
				return fmt.Errorf("the events are\n%s", out)
			}
			return nil
		})
	})
}

// rungs wants exactly these rungs among the events until now, or these and more
// of the last one.
func (b *box) rungs(want ...string) error {
	out, code, err := b.Ctl("events", "--json")
	if err != nil || code != 0 {
		return fmt.Errorf("ctl events: exit %d, %w", code, err)
	}
	var got []string
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
		var e status.Event
		if err := dec.Decode(&e); err != nil {
			return err
		}
		if r := e.Attrs["rung"]; r != "" {
			got = append(got, r)
		}
	}
	for i, w := range want {
		if i >= len(got) || got[i] != w {
			return fmt.Errorf("the rungs are %v", got)
		}
	}
	for _, g := range got[len(want):] {
		if g != want[len(want)-1] {
			return fmt.Errorf("the rungs are %v", got)
		}
	}
	return nil
}
