package netns

import (
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// Static uplinks, a static client, the whole data path, carrier failover and
// failback. DEV-01, DEV-12, DEV-14, DEV-18, RTR-09.
func TestStaticGatewayFailsOverAndBack(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.staticClient()
		b.active(20*time.Second, "wan", "wan1")
		b.sees("100.64.1.2")
		b.ready(15*time.Second, "wan2")

		cut := time.Now()
		b.ok(b.ISPs[0].Cut())
		b.sees("100.64.2.2")
		if took := time.Since(cut); took > time.Second {
			t.Errorf("the client reached the internet %v after the carrier loss, want less than 1 s", took)
		}
		b.active(5*time.Second, "wan2", "wan2")

		b.ok(b.ISPs[0].Restore())
		b.active(20*time.Second, "wan", "wan1")
		b.sees("100.64.1.2")
		b.noForeign()
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
