package kernel

import (
	"strings"
	"testing"

	"luatnetd/internal/lab"
)

func TestRival(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		ns := lab.New(t).MustNS(t, "box")
		rival := func(want string) {
			t.Helper()
			ns.MustDo(t, func() error {
				why, err := Rival()
				if err == nil && (want == "") != (why == "") || !strings.Contains(why, want) {
					t.Errorf("rival is %q, want a sentence with %q", why, want)
				}
				return err
			})
		}
		rival("")
		ns.MustRun(t, "nft", "add table ip fw4; add table inet other")
		rival("") // neither name and family
		ns.MustRun(t, "nft", "add table inet fw4")
		rival("/etc/init.d/firewall stop")
		ns.MustRun(t, "nft", "delete table inet fw4")
		rival("")
	})
}
