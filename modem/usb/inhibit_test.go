package usb

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mmcli is a stand-in: it says what mmcli 1.20 says.
func mmcli(t *testing.T, script string) (*Inhibitor, func() string) {
	t.Helper()
	dir := t.TempDir()
	log, tool := filepath.Join(dir, "log"), filepath.Join(dir, "mmcli")
	text := "#!/bin/sh\nLOG='" + log + "'\necho \"$*\" >>\"$LOG\"\n" + script
	if err := os.WriteFile(tool, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	i := &Inhibitor{Program: func(string) (string, error) { return tool, nil }}
	t.Cleanup(i.Close)
	return i, func() string {
		b, _ := os.ReadFile(log)
		return strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", ",")
	}
}

const inhibited = "trap 'echo released >>\"$LOG\"; exit 0' TERM\necho \"successfully inhibited device with uid 'x'\"\necho \"type Ctrl+C to abort this program and remove the inhibition\"\nwhile :; do sleep 0.05; done\n"

func TestInhibitorHoldsAndReleases(t *testing.T) {
	i, log := mmcli(t, inhibited)
	for range 2 { // what is held is not asked for twice
		if err := i.Hold(t.Context(), bus+"/1-2"); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := log(), "--inhibit-device=/sys/devices/"+bus+"/1-2"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	i.Release(bus + "/1-2")
	if !strings.HasSuffix(log(), ",released") {
		t.Errorf("log %q, want the release", log())
	}
	i.Release(bus + "/1-2")
}

func TestInhibitorWithoutModemManager(t *testing.T) {
	i, log := mmcli(t, "echo \"error: couldn't find the ModemManager process in the bus\" >&2\nexit 1\n")
	for range 2 { // it may be tried again
		if err := i.Hold(t.Context(), bus+"/1-2"); err == nil || !strings.Contains(err.Error(), "couldn't find the ModemManager process") {
			t.Errorf("error %v", err)
		}
	}
	if n := strings.Count(log(), "inhibit"); n != 2 {
		t.Errorf("asked %d times", n)
	}
	none := &Inhibitor{Program: func(string) (string, error) { return "", exec.ErrNotFound }}
	if err := none.Hold(t.Context(), bus+"/1-2"); err != nil {
		t.Errorf("no mmcli: %v, want nothing to do", err)
	}
}

func TestInhibitorThatHangs(t *testing.T) {
	i, _ := mmcli(t, "exec sleep 1000\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.Hold(ctx, bus+"/1-2"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if len(i.held) != 0 {
		t.Error("it is still held")
	}
}

func TestIgnoreRules(t *testing.T) {
	want := `DEVPATH=="/devices/pci0000:00/usb1/1-2|/devices/pci0000:00/usb1/1-2/*", ENV{ID_MM_DEVICE_IGNORE}="1"
`
	if got := IgnoreRules([]string{"pci0000:00/usb1/1-2", "", "a\"b"}); got != want {
		t.Errorf("rules %q, want %q", got, want)
	}
}
