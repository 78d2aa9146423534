package lab_test

import (
	"fmt"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// The meters must see what is done to a line, or every figure made with them
// is worthless.
func TestMetersSeeAnOutage(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w, err := lab.NewWorld(t.TempDir(), 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		isp := w.ISPs[0]
		if err := w.Gateway.AddAddr("wan1", "100.64.1.2/24"); err != nil {
			t.Fatal(err)
		}
		if err := w.Gateway.AddRoute("default", isp.Gateway.String()); err != nil {
			t.Fatal(err)
		}
		udp, err := w.Gateway.StartUDP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		tcp := w.Gateway.StartTCP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.RPCPort))
		time.Sleep(300 * time.Millisecond)
		if err := isp.Blackhole(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		if err := isp.Blackhole(false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		u, r := udp.Stop(100*time.Millisecond), tcp.Stop()
		if u.Gap < 150*time.Millisecond || u.Gap > time.Second {
			t.Errorf("UDP gap = %v (%d of %d lost), want about 200 ms", u.Gap, u.Lost, u.Sent)
		}
		if r.Gap < 150*time.Millisecond || r.Answers == 0 {
			t.Errorf("TCP report = %+v, want answers and a gap above 150 ms", r)
		}
		if n, err := isp.Foreign(); err != nil || n != 0 {
			t.Errorf("foreign packets = %d, %v; want 0", n, err)
		}
	})
}
