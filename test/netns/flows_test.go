package netns

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// forwards is static with a port forward by every uplink and one by wan2 alone.
const forwards = static + `
[[port_forward]]
proto = "tcp"
port = 8080
to = "192.168.5.50:80"
[[port_forward]]
proto = "tcp"
uplink = "wan2"
port = "9000-9001"
to = "192.168.5.50"
`

// "Replies of inbound and port-forwarded connections leave by the uplink they
// came in by", on the active and on the standby uplink; hairpin. RTR-17.
func TestPortForwardAnswersByTheWayItCame(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.staticClient()
		b.Client.MustDo(t, func() error { return serveBanner(t, "192.168.5.50:80", "web") })
		b.Client.MustDo(t, func() error { return serveBanner(t, "192.168.5.50:9001", "range") })
		b.write(forwards)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(10*time.Second, "wan2")
		says := func(ns *lab.NS, addr, want string) {
			t.Helper()
			if got := banner(ns, addr); got != want {
				t.Errorf("%s to %s: %q, want %q", ns.Name, addr, got, want)
			}
		}
		says(b.Server, "100.64.1.2:8080", "web")
		says(b.Server, "100.64.2.2:8080", "web") // the standby
		says(b.Server, "100.64.2.2:9001", "range")
		says(b.Server, "100.64.1.2:9001", "") // it is wan2's alone
		says(b.Server, "100.64.1.2:80", "")
		says(b.Client, "100.64.1.2:8080", "web") // hairpin
		says(b.Client, "100.64.2.2:8080", "web")

		b.ok(b.ISPs[0].Cut())
		b.active(5*time.Second, "wan2", "wan2")
		says(b.Server, "100.64.2.2:8080", "web")
		b.ok(b.ISPs[0].Restore())
		b.active(10*time.Second, "wan", "wan1")
		says(b.Server, "100.64.1.2:8080", "web")
		b.noForeign()
	})
}

// "Failback: existing flows without a lost packet": they stay on the backup
// uplink, only new ones move. DEV-12.
func TestFlowsStayAtFailback(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.staticClient()
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(10*time.Second, "wan2")
		b.ok(b.ISPs[0].Cut())
		b.active(5*time.Second, "wan2", "wan2")
		m := b.meters()
		backup := newTap(t, b.ISPs[1].NS, "down0", to(lab.WebAddr))
		b.ok(b.ISPs[0].Restore())
		b.active(10*time.Second, "wan", "wan1")
		b.sees("100.64.1.2")
		backup.forget()
		backup.arrives(100) // the meters' flows have not moved
		m.unharmed("failback")
		b.noForeign()
	})
}

// LAN ← upstream, every cell that Ethernet has: each LAN by one uplink, by the
// other, by both, by what failover chose. RTR-01; with an upstream list RTR-15.
func TestUpstreamListBindsALAN(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.staticClient()
		upstream := func(list string) {
			b.write(static + "upstream = " + list + "\n")
		}
		upstream(`["wan2"]`)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(10*time.Second, "wan2")
		b.sees("100.64.2.2")
		b.pings("8.8.8.8")

		b.ok(b.ISPs[1].Cut())
		b.refusedAtOnce("without carrier on its only uplink")
		b.ok(b.ISPs[1].Restore())
		b.sees("100.64.2.2")
		b.ready(10*time.Second, "wan2")
		b.ok(b.ISPs[1].Blackhole(true))
		b.refusedAtOnce("with its only uplink silently dead")
		b.ok(b.ISPs[1].Blackhole(false))
		b.sees("100.64.2.2")

		upstream(`["wan"]`)
		b.reload()
		b.sees("100.64.1.2")
		upstream(`["wan2", "wan"]`)
		b.reload()
		b.ready(10*time.Second, "wan2")
		b.sees("100.64.2.2") // both are usable: the list is in order
		b.ok(b.ISPs[1].Cut())
		b.sees("100.64.1.2")
		b.ok(b.ISPs[1].Restore())
		b.sees("100.64.2.2")
		upstream(`[]`)
		b.reload()
		b.sees("100.64.1.2")
		b.pings("8.8.8.8")
		b.noForeign()
	})
}

// refusedAtOnce waits until a new connection of the LAN is refused at once,
// and fails the test if one leaves by another uplink meanwhile.
func (b *box) refusedAtOnce(when string) {
	b.t.Helper()
	b.eventually(8*time.Second, "a connection is refused at once "+when, func() error {
		began := time.Now()
		c, err := b.Client.Dial("tcp4", fmt.Sprintf("%s:%d", lab.WebAddr, lab.RPCPort), time.Second)
		if err == nil {
			_ = c.Close()
			return fmt.Errorf("it was made")
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			return fmt.Errorf("it took %v: %w", took, err)
		}
		if got, err := b.curl(); err == nil {
			b.t.Fatalf("%s: the server saw the LAN by %s", when, got)
		}
		return nil
	})
}

// pings fails the test if the LAN client gets no answer to a ping.
func (b *box) pings(addr string) {
	b.t.Helper()
	if out := b.Client.MustRun(b.t, "ping", "-c3", "-i0.2", "-W2", addr); !strings.Contains(out, " 0% packet loss") {
		b.t.Errorf("ping of %s: %s", addr, out)
	}
}
