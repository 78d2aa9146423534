package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPID1(t *testing.T) {
	for name, tt := range map[string]struct {
		make string
		comm string
		want Init
	}{
		"booted with systemd":      {"run/systemd/system", "systemd", Systemd},
		"systemd under a new name": {"run/systemd/system", "init", Systemd},
		"OpenWrt":                  {"run", "procd", Procd},
		"busybox init":             {"run", "init", Other},
		"no /proc":                 {"run", "", Other},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			mustNil(t, os.MkdirAll(filepath.Join(root, tt.make), 0o755))
			if tt.comm != "" {
				mustNil(t, os.MkdirAll(filepath.Join(root, "proc/1"), 0o755))
				mustNil(t, os.WriteFile(filepath.Join(root, "proc/1/comm"), []byte(tt.comm+"\n"), 0o644))
			}
			if got := pid1(root); got != tt.want {
				t.Errorf("pid1 = %q, want %q", got, tt.want)
			}
		})
	}
}

func mustNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWD02Reboot: through PID 1; by the kernel only where that fails; an error
// only where both do.
func TestWD02Reboot(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		init        Init
		run, kernel error
		want        []string
		fails       bool
	}{
		"systemd":          {Systemd, nil, broken, []string{"systemctl --no-block reboot"}, false},
		"procd":            {Procd, nil, broken, []string{"reboot"}, false},
		"the kernel helps": {Other, broken, nil, []string{"reboot", "kernel"}, false},
		"nobody can":       {Systemd, broken, broken, []string{"systemctl --no-block reboot", "kernel"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var did []string
			err := Rebooter{
				Init: tt.init,
				Run: func(_ context.Context, name string, args ...string) error {
					did = append(did, strings.Join(append([]string{name}, args...), " "))
					return tt.run
				},
				Kernel: func() error { did = append(did, "kernel"); return tt.kernel },
			}.Reboot(t.Context())
			if (err != nil) != tt.fails || !slices.Equal(did, tt.want) {
				t.Errorf("did %v, error %v; want %v, an error: %v", did, err, tt.want, tt.fails)
			}
		})
	}
}

// TestWD03Watchdog: never opened beside a PID 1 that feeds it, and a file that
// is no watchdog is said to be none. The real device is tested in the VM.
func TestWD03Watchdog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "watchdog")
	mustNil(t, os.WriteFile(path, nil, 0o600))
	for _, init := range []Init{Systemd, Procd} {
		if _, err := OpenWatchdog(init, path, time.Minute); !errors.Is(err, ErrNotOurs) {
			t.Errorf("under %s: %v, want ErrNotOurs", init, err)
		}
	}
	if b, _ := os.ReadFile(path); len(b) != 0 {
		t.Errorf("the device was written: %q", b)
	}
	if _, err := OpenWatchdog(Other, path, time.Minute); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a plain file: %v", err)
	}
	if _, err := OpenWatchdog(Other, path+"9", time.Minute); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no device: %v", err)
	}
}
