package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Times of a power cut.
const (
	powerOff     = 5 * time.Second  // the bulk capacitors of a module hold it up for seconds
	powerCommand = 30 * time.Second // a command that takes longer is killed
)

// PowerSwitch switches the power of a module or of a device (pwrpin), by a line of a GPIO
// chip, by a file (such as OpenWrt's named GPIOs) or by a command. Exactly one of
// Chip, File and Command is set. Its methods may be used by any goroutine.
type PowerSwitch struct {
	Chip    string // "/dev/gpiochip0"
	Line    int    // its offset on the chip
	File    string // "/sys/class/gpio/power/value": takes "0" and "1"
	Command string // a program that is called with "off" or "on"

	ActiveLow bool          // of Chip and File: a low line means power
	Off       time.Duration // how long Cycle leaves it off; zero: 5 s

	mu   sync.Mutex
	line *os.File // held once it was requested: a line that is let go may become an input
}

// Set switches on or off, and leaves it so.
func (p *PowerSwitch) Set(ctx context.Context, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.set(ctx, on); err != nil {
		return fmt.Errorf("power %s: %w", onOff(on), err)
	}
	return nil
}

// Cycle switches off, waits, and switches on. Once off it is switched on again
// whatever becomes of ctx; two cycles never overlap.
func (p *PowerSwitch) Cycle(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.set(ctx, false); err != nil {
		// A command may have failed half way.
		return errors.Join(fmt.Errorf("power off: %w", err), p.set(context.WithoutCancel(ctx), true))
	}
	t := time.NewTimer(cmp.Or(p.Off, powerOff))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	if err := p.set(context.WithoutCancel(ctx), true); err != nil {
		return fmt.Errorf("power on: %w", err)
	}
	return ctx.Err()
}

// Close lets the GPIO line go. What the chip does with it then depends on the
// chip: most keep its value.
func (p *PowerSwitch) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line == nil {
		return nil
	}
	err := p.line.Close()
	p.line = nil
	return err
}

func (p *PowerSwitch) set(ctx context.Context, on bool) error {
	switch {
	case p.Chip != "":
		return p.setLine(on != p.ActiveLow)
	case p.File != "":
		value := "0"
		if on != p.ActiveLow {
			value = "1"
		}
		f, err := os.OpenFile(p.File, os.O_WRONLY, 0) // no such file is ever made
		if err != nil {
			return err
		}
		_, err = f.WriteString(value)
		return errors.Join(err, f.Close())
	case p.Command != "":
		return p.command(ctx, on)
	}
	return errors.New("no power switch is configured")
}

// command runs the command to its end, or kills its process group.
func (p *PowerSwitch) command(ctx context.Context, on bool) error {
	ctx, cancel := context.WithTimeout(ctx, powerCommand)
	defer cancel()
	c := exec.CommandContext(ctx, p.Command, onOff(on))
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("%s %s: %w", filepath.Base(p.Command), onOff(on), err)
	}
	return nil
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
