package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUdevRules(t *testing.T) {
	root := t.TempDir()
	if err := setUdevRules(root, "A\n"); err != nil {
		t.Errorf("no udevd: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, "run")); err == nil {
		t.Error("a folder was made on a machine without udevd")
	}
	if err := os.MkdirAll(filepath.Join(root, "run/udev"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "A\n", "A\n", "B\n"} {
		if err := setUdevRules(root, text); err != nil {
			t.Fatal(err)
		}
		got, _ := os.ReadFile(filepath.Join(root, udevRules))
		if string(got) != text {
			t.Errorf("rules %q, want %q", got, text)
		}
	}
	if err := setUdevRules(root, ""); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "run/udev/rules.d")); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
}
