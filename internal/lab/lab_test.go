package lab_test

import (
	"strings"
	"testing"

	"luatnetd/internal/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

func TestLinkCarriesPackets(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		a, b := n.MustNS(t, "a"), n.MustNS(t, "b")
		n.MustLink(t, a, "eth0", b, "eth0")
		if err := a.AddAddr("eth0", "192.0.2.1/24"); err != nil {
			t.Fatal(err)
		}
		if err := b.AddAddr("eth0", "192.0.2.2/24"); err != nil {
			t.Fatal(err)
		}
		out := a.MustRun(t, "ping", "-c1", "-W2", "192.0.2.2")
		if !strings.Contains(out, " 0% packet loss") {
			t.Errorf("ping printed %q, want no loss", out)
		}
		if err := b.SetUp("eth0", false); err != nil {
			t.Fatal(err)
		}
		out = a.MustRun(t, "cat", "/sys/class/net/eth0/carrier")
		if strings.TrimSpace(out) != "0" {
			t.Errorf("carrier = %q after the peer went down, want 0", out)
		}
	})
}
