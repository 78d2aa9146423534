package drive

import (
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

// TestOnline: every family that speaks AT comes from power-on to data with
// nothing written but the adapter.
func TestOnline(t *testing.T) {
	for _, p := range modemtest.Personalities() {
		t.Run(p.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, p.ID, modemtest.Options{}, modem.Settings{})
				w.start()
				defer w.close()
				took := w.until(2*time.Minute, modem.Connected)
				s := w.d.Status()
				t.Logf("%s after %s by %s on %s, profile %s", s.State, took, s.Data, s.Netdev, s.Profile)
			})
		})
	}
}
