package netns

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// Milestone 1: static uplinks, a static client, the whole data path, carrier
// failover and failback. DEV-01, DEV-12, DEV-14, DEV-18, RTR-09.
func TestStaticGatewayFailsOverAndBack(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.staticClient()
		b.active(20*time.Second, "wan", "wan1")
		b.sees("100.64.1.2")
		b.eventually(15*time.Second, "wan2 is verified", func() error {
			if u := b.uplink("wan2"); !u.Ready {
				return fmt.Errorf("%s: %s", u.State, u.Reason)
			}
			return nil
		})

		cut := time.Now()
		if err := b.ISPs[0].Cut(); err != nil {
			t.Fatal(err)
		}
		b.sees("100.64.2.2")
		if took := time.Since(cut); took > time.Second {
			t.Errorf("the client reached the internet %v after the carrier loss, want less than 1 s", took)
		}
		b.active(5*time.Second, "wan2", "wan2")

		if err := b.ISPs[0].Restore(); err != nil {
			t.Fatal(err)
		}
		b.active(20*time.Second, "wan", "wan1")
		b.sees("100.64.1.2")
		if n := b.foreignPackets(); n != 0 {
			t.Errorf("providers saw %d packets with a foreign source, want 0", n)
		}
	})
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

// The kernel holds exactly the numbers of the data path, read by foreign tools.
func TestKernelHoldsTheDataPath(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		rules := b.Gateway.MustRun(t, "ip", "rule")
		for _, want := range []string{
			"7600:\tfrom all lookup main suppress_prefixlength 0", "7701:\tfrom all oif wan1 lookup 7601",
			"7801:\tfrom all fwmark 0x100/0x3f00 lookup 7601", "7901:\tfrom 100.64.1.2 lookup 7601",
			"7702:\tfrom all oif wan2 lookup 7602",
		} {
			if !strings.Contains(rules, want) {
				t.Errorf("ip rule lacks %q:\n%s", want, rules)
			}
		}
		if out := b.Gateway.MustRun(t, "ip", "route", "show", "table", "7602"); !strings.HasPrefix(out, "default via 100.64.2.1 dev wan2") {
			t.Errorf("table 7602 = %q, want the default of wan2 alone", out)
		}
		if out := b.Gateway.MustRun(t, "nft", "list", "tables"); !strings.Contains(out, "inet luatnetd\n") {
			t.Errorf("nft list tables = %q, want inet luatnetd", out)
		}
	})
}
