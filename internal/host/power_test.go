package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// commandSwitch is a switch by a command that keeps its arguments.
func commandSwitch(t *testing.T, script string) (*PowerSwitch, func() string) {
	t.Helper()
	dir := t.TempDir()
	log, tool := filepath.Join(dir, "log"), filepath.Join(dir, "power")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho \"$*\" >>'"+log+"'\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &PowerSwitch{Command: tool, Off: 20 * time.Millisecond}, func() string {
		b, _ := os.ReadFile(log)
		return strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", ",")
	}
}

func TestPowerByFile(t *testing.T) {
	for _, low := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "value")
		if err := unix.Mkfifo(file, 0o600); err != nil { // keeps what a file would forget
			t.Fatal(err)
		}
		r, err := os.OpenFile(file, os.O_RDWR|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := &PowerSwitch{File: file, ActiveLow: low, Off: 20 * time.Millisecond}
		if err := p.Cycle(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		n, _ := r.Read(b)
		want := map[bool]string{false: "01", true: "10"}[low]
		if string(b[:n]) != want {
			t.Errorf("active low %v: %q, want %q", low, b[:n], want)
		}
		_ = r.Close()
	}
	p := &PowerSwitch{File: filepath.Join(t.TempDir(), "none"), Off: time.Millisecond}
	if err := p.Cycle(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
}

func TestPowerByCommand(t *testing.T) {
	p, log := commandSwitch(t, "")
	start := time.Now()
	if err := p.Cycle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Set(t.Context(), true); err != nil {
		t.Error(err)
	}
	if err := p.Set(t.Context(), false); err != nil {
		t.Error(err)
	}
	if got := log(); got != "off,on,on,off" || time.Since(start) < p.Off {
		t.Errorf("%q within %v", got, time.Since(start))
	}
}

// A module is never left without power: not when the command fails, not when we
// are stopped while it is off.
func TestPowerComesBack(t *testing.T) {
	p, log := commandSwitch(t, "[ \"$1\" = on ] || exit 1\n")
	if err := p.Cycle(t.Context()); err == nil || log() != "off,on" {
		t.Errorf("off fails: %v, %q", err, log())
	}
	p, log = commandSwitch(t, "")
	p.Off = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.Cycle(ctx) }()
	for log() == "" {
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	// The command may still have been at work when we cancelled it; it is on either way.
	if <-done; !strings.HasSuffix(log(), "on") {
		t.Errorf("stopped while off: %q", log())
	}
	if err := p.Cycle(ctx); !errors.Is(err, context.Canceled) || strings.Count(log(), "off") != 1 {
		t.Errorf("stopped before: %v, %q", err, log())
	}
	if err := (&PowerSwitch{}).Cycle(t.Context()); err == nil {
		t.Error("a switch without a way did something")
	}
}

// Who says nothing gets five seconds.
func TestPowerStaysOffLongEnough(t *testing.T) {
	p, _ := commandSwitch(t, "")
	p.Off = 0
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := p.Cycle(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("switched on again after less than 0.3 s: %v", err)
	}
}

// No machine of ours has a GPIO chip: this shows the request's form and that an
// error is told, not that a line moves.
func TestPowerByLine(t *testing.T) {
	if got := unsafe.Sizeof(unix.GPIOV2LineRequest{}); got != 592 {
		t.Errorf("struct gpio_v2_line_request has %d bytes, the kernel's 592", got)
	}
	r := lineRequest(7, true)
	if r.Offsets[0] != 7 || r.Num_lines != 1 || r.Config.Flags != gpioOutput || r.Config.Attrs[0].Attr.Flags != 1 || r.Config.Attrs[0].Mask != 1 {
		t.Errorf("request %+v", r)
	}
	p := &PowerSwitch{Chip: "/dev/null", Line: 7, Off: time.Millisecond}
	if err := p.Cycle(t.Context()); !errors.Is(err, unix.ENOTTY) || !strings.Contains(err.Error(), "line 7 of /dev/null") {
		t.Errorf("no GPIO chip: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
