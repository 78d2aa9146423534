package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"luatnetd/internal/ctl"
	"luatnetd/internal/status"
)

// Box is the real daemon as the gateway of a virtual internet.
type Box struct {
	*World
	Binary string // path of luatnetd
	Config string // path of the configuration file
	State  string // state directory
	Daemon *Proc  // nil until Start
	API    *ctl.Client
}

// NewBox builds the world in dir, whose path must be short: a socket's path
// ends at 107 bytes. The daemon is not started yet.
func NewBox(dir, binary string, isps int) (*Box, error) {
	w, err := NewWorld(dir, isps)
	if err != nil {
		return nil, err
	}
	return w.box(dir, binary), nil
}

// NewBoxHere is NewBox in a world of NewWorldHere.
func NewBoxHere(dir, binary string, isps int) (*Box, error) {
	w, err := NewWorldHere(dir, isps)
	if err != nil {
		return nil, err
	}
	return w.box(dir, binary), nil
}

func (w *World) box(dir, binary string) *Box {
	return &Box{
		World: w, Binary: binary, Config: filepath.Join(dir, "luatnetd.toml"), State: filepath.Join(w.Gateway.Dir(), "state"),
		API: ctl.NewClient(filepath.Join(w.Gateway.Dir(), "run/luatnetd/control.sock")),
	}
}

// Write writes the configuration file; version and state directory are added.
func (b *Box) Write(text string) error {
	return os.WriteFile(b.Config, fmt.Appendf(nil, "version = 1\n%s\n[state]\ndir = %q\n", text, b.State), 0o644)
}

// Launch starts the daemon and does not wait for it.
func (b *Box) Launch(args ...string) error {
	cmd := exec.Command(b.Binary, append([]string{"run", "-c", b.Config}, args...)...)
	p, err := b.Gateway.StartCmd(nil, cmd)
	b.Daemon = p
	return err
}

// Start starts the daemon and waits until it answers.
func (b *Box) Start(args ...string) error {
	if err := b.Launch(args...); err != nil {
		return err
	}
	return Poll(15*time.Second, func() error {
		select {
		case <-b.Daemon.Done():
			return fmt.Errorf("the daemon ended: %w: %s", b.Daemon.Err(), b.Daemon.Output())
		default:
		}
		_, err := b.API.Status(context.Background())
		return err
	})
}

// Stop ends the daemon with a signal and waits for its end.
func (b *Box) Stop(sig syscall.Signal) error {
	if err := b.Daemon.Signal(sig); err != nil {
		return err
	}
	select {
	case <-b.Daemon.Done():
		return nil
	case <-time.After(15 * time.Second):
		return fmt.Errorf("the daemon did not end within 15 s of %v", sig)
	}
}

// Uplink is the status of one uplink.
func (b *Box) Uplink(name string) (status.Uplink, error) {
	d, err := b.API.Status(context.Background())
	if err != nil {
		return status.Uplink{}, err
	}
	for _, u := range d.Uplinks {
		if u.Name == name {
			return u, nil
		}
	}
	return status.Uplink{}, fmt.Errorf("no uplink %q in the status", name)
}

// Ready waits until every named uplink may carry traffic.
func (b *Box) Ready(limit time.Duration, names ...string) error {
	return Poll(limit, func() error {
		for _, n := range names {
			if u, err := b.Uplink(n); err != nil {
				return err
			} else if !u.Ready {
				return fmt.Errorf("uplink %s is %s: %s", n, u.State, u.Reason)
			}
		}
		return nil
	})
}

// Active waits until the uplink is the decided and, through its device, the
// actual way out.
func (b *Box) Active(limit time.Duration, name, device string) error {
	return Poll(limit, func() error {
		d, err := b.API.Status(context.Background())
		if err != nil {
			return err
		}
		if d.Active != name || d.Path != device {
			return fmt.Errorf("active is %q by device %q, want %s by %s (%s)", d.Active, d.Path, name, device, d.Reason)
		}
		return nil
	})
}

// Ctl runs "luatnetd ctl" as an operator would; it returns what it printed and
// its exit code.
func (b *Box) Ctl(args ...string) (out string, code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err = b.Gateway.Run(ctx, b.Binary, append([]string{"ctl"}, args...)...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, exit.ExitCode(), nil
	}
	return out, 0, err
}

// ForeignPackets is how many packets with a wrong source all providers saw.
func (b *Box) ForeignPackets() (sum uint64, err error) {
	for _, isp := range b.ISPs {
		n, err := isp.Foreign()
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// Poll calls f until it returns nil, at most for limit; then it returns f's
// last error.
func Poll(limit time.Duration, f func() error) error {
	end := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w (waited %v)", err, limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
