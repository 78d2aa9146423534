package netns

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// meters run from the LAN client: a datagram each millisecond and one TCP
// connection that asks and answers.
type meters struct {
	b   *box
	udp *lab.UDPMeter
	tcp *lab.TCPMeter
}

func (b *box) meters() *meters {
	b.t.Helper()
	m := &meters{b: b, tcp: b.Client.StartTCP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.RPCPort))}
	var err error
	m.udp, err = b.Client.StartUDP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), time.Millisecond)
	b.ok(err)
	b.eventually(5*time.Second, "the meters run", func() error {
		if r := m.tcp.Report(); r.Answers < 10 {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	return m
}

// unharmed stops the meters; nothing may be lost and no connection ended.
func (m *meters) unharmed(what string) {
	m.b.t.Helper()
	u, r := m.udp.Stop(time.Second), m.tcp.Stop()
	if u.Lost > 0 {
		m.b.t.Errorf("%s: %d of %d datagrams lost (gap %v), want 0", what, u.Lost, u.Sent, u.Gap)
	}
	if r.Resets+r.Timeouts+r.Failed > 0 {
		m.b.t.Errorf("%s: TCP %+v, want no end", what, r)
	}
}

// "kill -9 at random instants: nothing lost, next start converges"; invariant
// 6. Starting, deciding, probing and applying are all hit somewhere.
func TestKillAtRandomInstantsLosesNothing(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.staticClient()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(10*time.Second, "wan2")
		b.steady()

		m := b.meters()
		rng := rand.New(rand.NewPCG(76, 20))
		for i := range 20 {
			b.stop(syscall.SIGKILL)
			if i%4 == 0 { // a different plan, so that applying is hit, too
				b.write(static + fmt.Sprintf("[firewall]\nicmp_rate = %d\n", 11+i))
			}
			b.ok(b.Launch())
			time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
		}
		b.stop(syscall.SIGKILL)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.steady()
		m.unharmed("20 × kill -9")
		b.sees("100.64.1.2")
		b.noForeign()
	})
}

// "A mark means the same uplink across reload, restart and re-ordering";
// "Re-ordering the uplinks by reload: 0 resets". DEV-20.
func TestReorderingKeepsFlowsWhereTheyAre(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.staticClient()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(10*time.Second, "wan2")
		marks := func() string { return b.uplink("wan").Mark + " " + b.uplink("wan2").Mark }
		before := marks()

		m := b.meters() // these flows are on wan
		b.write(reordered())
		b.reload()
		b.active(20*time.Second, "wan2", "wan2")
		b.sees("100.64.2.2") // new flows
		if now := marks(); now != before {
			t.Errorf("marks after a reload are %s, want %s as before", now, before)
		}
		b.write(static)
		b.stop(syscall.SIGTERM)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.write(reordered())
		b.stop(syscall.SIGKILL)
		b.start()
		b.active(20*time.Second, "wan2", "wan2")
		if now := marks(); now != before {
			t.Errorf("marks after a restart are %s, want %s as before", now, before)
		}
		b.steady()
		m.unharmed("re-ordering by reload, by restart and by restart after kill -9")
		b.noForeign()
	})
}

// reordered is static with wan2 first.
func reordered() string {
	i, j := strings.Index(static, "[[uplink]]"), strings.LastIndex(static, "[[uplink]]")
	k := strings.Index(static, "[[lan]]")
	return static[j:k] + static[i:j] + static[k:]
}

// without is static without wan.
func without() string { return static[strings.LastIndex(static, "[[uplink]]"):] }

// An uplink that is removed by reload goes away with all that is its own, and
// comes back with the same mark. DEV-20, DEV-27.
func TestUplinkRemovedAndAddedByReload(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.staticClient()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(10*time.Second, "wan2")
		mark := b.uplink("wan").Mark

		b.write(without())
		b.reload()
		b.active(10*time.Second, "wan2", "wan2")
		b.sees("100.64.2.2")
		b.steady()
		left := b.Gateway.MustRun(t, "ip", "rule") + b.Gateway.MustRun(t, "ip", "-N", "route", "show", "table", "all") +
			b.Gateway.MustRun(t, "ip", "addr", "show", "dev", "wan1")
		for _, gone := range []string{"7601", "100.64.1."} {
			if strings.Contains(left, gone) {
				t.Errorf("the kernel still holds %s of the removed uplink:\n%s", gone, left)
			}
		}
		if out := b.Gateway.MustRun(t, "cat", "/proc/sys/net/ipv4/conf/wan1/forwarding"); strings.TrimSpace(out) != "0" {
			t.Errorf("the removed uplink's device still forwards")
		}

		m := b.meters() // on wan2, which stays
		b.write(static)
		b.reload()
		b.active(20*time.Second, "wan", "wan1")
		b.sees("100.64.1.2")
		if now := b.uplink("wan").Mark; now != mark {
			t.Errorf("the mark of the uplink that came back is %s, want %s", now, mark)
		}
		m.unharmed("adding an uplink by reload")
		b.noForeign()
	})
}
