package kernel

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"luatnetd/internal/lab"
	"luatnetd/router"
)

func TestMain(m *testing.M) { lab.Main(m) }

// box is a namespace with a Kernel opened in it.
type box struct {
	ns *lab.NS
	k  *Kernel
}

// newBox makes a namespace in which the given devices exist, as veth pairs
// whose other ends are in the namespace "peer", and opens a Kernel there.
func newBox(t *testing.T, c Config, devices ...string) (*box, *lab.NS) {
	t.Helper()
	n := lab.New(t)
	b := &box{ns: n.MustNS(t, "box")}
	peer := n.MustNS(t, "peer")
	if err := b.ns.Sysctl("net/ipv6/conf/default/accept_dad", "0"); err != nil { // no tentative addresses
		t.Fatal(err)
	}
	for _, d := range devices {
		n.MustLink(t, b.ns, d, peer, d)
	}
	if c.RunDir == "" {
		c.RunDir = filepath.Join(t.TempDir(), "run")
	}
	b.open(t, c)
	return b, peer
}

func (b *box) open(t *testing.T, c Config) {
	t.Helper()
	b.ns.MustDo(t, func() (err error) {
		b.k, err = Open(c)
		return err
	})
	t.Cleanup(func() { _ = b.k.Close() })
}

func (b *box) read(t *testing.T, p router.Plan) router.Have {
	t.Helper()
	var h router.Have
	b.ns.MustDo(t, func() (err error) {
		h, err = b.k.Read(context.Background(), p)
		return err
	})
	return h
}

func (b *box) apply(ops ...router.Op) (failures []Failure) {
	_ = b.ns.Do(func() error {
		failures = b.k.Apply(context.Background(), ops)
		return nil
	})
	return failures
}

func (b *box) mustApply(t *testing.T, ops ...router.Op) {
	t.Helper()
	for _, f := range b.apply(ops...) {
		t.Fatalf("apply: %v", f)
	}
}

func (b *box) sh(t *testing.T, script string) string {
	t.Helper()
	return b.ns.MustRun(t, "sh", "-ec", script)
}

// load loads nft text and fails with what nft said.
func load(t *testing.T, ns *lab.NS, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ruleset.nft")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ns.MustRun(t, "nft", "-f", file)
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ip(s string) netip.Addr       { return netip.MustParseAddr(s) }

func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	opt := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	opt2 := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if d := cmp.Diff(want, got, opt, opt2); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, d)
	}
}

func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
