package netns

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// "luatnetd clean" is what removing the package runs: it refuses beside a
// daemon, takes away what one left that was stopped or killed, and nothing else.
func TestCleanTakesAwayWhatWasLeft(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.makeForeign()
		b.settle()
		all := b.dump(nil)
		clean := func() (string, error) {
			return b.Gateway.Run(t.Context(), b.Binary, "clean", "-c", b.Config)
		}
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			b.write(strings.Replace(static, `["lan1"]`, `["lan1", "lan2"]`, 1))
			b.start()
			b.active(20*time.Second, "wan", "wan1")
			b.steady()
			before := b.dump(nil)
			if out, err := clean(); err == nil || !strings.Contains(out+err.Error(), "stop it first") {
				t.Errorf("clean beside a running daemon: %v: %s", err, out)
			}
			if diff := lineDiff(before, b.dump(nil)); diff != "" {
				t.Errorf("clean was refused, and changed the kernel (-before +after):\n%s", diff)
			}
			b.stop(sig)
			if sig == syscall.SIGKILL {
				b.write("this is no configuration") // the package may be removed because of it
			}
			if out, err := clean(); err != nil {
				t.Errorf("clean after %v: %v: %s", sig, err, out)
			}
			if diff := lineDiff(all, b.dump(nil)); diff != "" {
				t.Errorf("clean after %v (-before the first start +after):\n%s", sig, diff)
			}
			if out, err := clean(); err != nil || !strings.HasSuffix(out, "0 things taken away\n") {
				t.Errorf("a second clean: %v: %q", err, out)
			}
		}
	})
}
