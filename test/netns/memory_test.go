package netns

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// A line that carries ping but no TCP is recognised also when it went bad
// before the start: what has ever answered on an uplink is remembered
// (invariant 11).
func TestPingWithoutTCPBeforeTheStart(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(20*time.Second, "wan2")
		b.eventually(5*time.Second, "TCP is remembered of both uplinks", func() error {
			text, err := os.ReadFile(filepath.Join(b.State, "targets.json"))
			if err == nil && strings.Count(string(text), `"tcp"`) < 2 {
				err = fmt.Errorf("the file holds %s", text)
			}
			return err
		})
		b.stop(syscall.SIGTERM)
		b.ISPs[0].MustRun(t, "nft", "add table ip fault; add chain ip fault c { type filter hook forward priority 0; }; add rule ip fault c meta l4proto tcp drop")
		b.start()
		b.active(20*time.Second, "wan2", "wan2")
		if u := b.uplink("wan"); !strings.Contains(u.Reason, "tcp does not answer") {
			t.Errorf("wan is %s: %q, want a reason that names tcp", u.State, u.Reason)
		}
	})
}
