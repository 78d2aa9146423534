package host

import (
	"os"
	"path/filepath"
	"testing"
)

// first takes what a file says without the padding that device trees have.
func TestFirstSays(t *testing.T) {
	dir := t.TempDir()
	empty, tree := filepath.Join(dir, "empty"), filepath.Join(dir, "tree")
	mustNil(t, os.WriteFile(empty, []byte("\n"), 0o600))
	mustNil(t, os.WriteFile(tree, []byte("1000000012345678\x00"), 0o600))
	if got := first(filepath.Join(dir, "none"), empty, tree); got != "1000000012345678" {
		t.Errorf("%q", got)
	}
	if got := first(empty); got != "" {
		t.Errorf("%q from an empty file", got)
	}
}

func TestIdentityAndNameservers(t *testing.T) {
	if Identity() == "" {
		t.Error("a machine without any identity")
	}
	for _, a := range Nameservers() {
		if a.Port() != 53 || !a.Addr().IsValid() {
			t.Errorf("name server %v", a)
		}
	}
}
