package usb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// offTime is how long a port stays without power: the bulk capacitors of a
// module hold it up for seconds.
const offTime = 5 * time.Second

// ErrNoLever says that this machine has no such lever: its kernel lacks the
// driver or the attribute.
var ErrNoLever = errors.New("this machine has no such lever")

// Levers move USB devices from outside. Each writes to sysfs and waits until
// the kernel is through, or until its context ends: the write itself cannot be
// called off then, and until it is through the next lever is refused.
type Levers struct {
	root  string
	write func(path string, data []byte) error
	off   time.Duration
	busy  chan struct{} // has room for one: the lever that is being pulled
}

// NewLevers returns the levers of the sysfs mounted at root ("/sys"). What they
// write goes through write, which needs root: internal/host has it.
func NewLevers(root string, write func(path string, data []byte) error) *Levers {
	return &Levers{root: root, write: write, off: offTime, busy: make(chan struct{}, 1)}
}

// NewID makes the option driver bind to the vendor-class interfaces of a
// device that it does not know. The kernel keeps the id until it reboots, over
// replugs, too; a second write of the same is harmless.
func (l *Levers) NewID(ctx context.Context, vid, pid uint16) error {
	return l.pull(ctx, fmt.Sprintf("new_id %04x:%04x", vid, pid), func() error {
		path := filepath.Join(l.root, "bus/usb-serial/drivers/option1/new_id")
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w: the option driver is not loaded (modprobe option)", ErrNoLever)
		}
		// Vendor-class interfaces only: its netdev is another driver's.
		return l.write(path, fmt.Appendf(nil, "%04x %04x ff", vid, pid))
	})
}

// KeepAwake switches the autosuspend of a device off: it resets some modules
// on the USB.
func (l *Levers) KeepAwake(ctx context.Context, device string) error {
	return l.pull(ctx, "power/control of "+device, func() error {
		path := filepath.Join(l.dir(device), "power/control")
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoLever, err)
		}
		if strings.TrimSpace(string(b)) == "on" {
			return nil
		}
		return l.write(path, []byte("on"))
	})
}

// Announce makes the kernel announce a device again, so that udevd applies its
// rules, which may be new, to what has long been there.
func (l *Levers) Announce(ctx context.Context, device string) error {
	return l.pull(ctx, "uevent of "+device, func() error {
		return l.write(filepath.Join(l.dir(device), "uevent"), []byte("change"))
	})
}

// Rebind takes a device from its drivers and gives it back, as if it had been
// replugged; where that fails it is de-authorized and authorized again. device
// is its path below /sys/devices. Ports and sockets on it should be closed.
func (l *Levers) Rebind(ctx context.Context, device string) error {
	return l.pull(ctx, "rebind of "+device, func() error {
		dir := l.dir(device)
		if _, err := os.Stat(dir); err != nil {
			return fmt.Errorf("%w: %w", ErrNoLever, err)
		}
		err := l.rebind(filepath.Base(device))
		if err == nil {
			return nil
		}
		path := filepath.Join(dir, "authorized")
		err2 := l.write(path, []byte("0"))
		if err2 == nil {
			err2 = l.write(path, []byte("1"))
		}
		if err2 != nil {
			return errors.Join(err, err2)
		}
		return nil
	})
}

func (l *Levers) rebind(name string) error {
	dir := filepath.Join(l.root, "bus/usb/drivers/usb")
	if err := l.write(filepath.Join(dir, "unbind"), []byte(name)); err != nil {
		// It may be unbound already: the bind tells.
		if bind := l.write(filepath.Join(dir, "bind"), []byte(name)); bind != nil {
			return errors.Join(err, bind)
		}
		return nil
	}
	return l.write(filepath.Join(dir, "bind"), []byte(name))
}

// CyclePort switches the power of the hub's port off for five seconds and on
// again. device is the path of the device that is, or was, on it. A hub without
// power switching only ends and starts the connection, and some leave the
// device dead: it is for those who asked for it. Once off the port is switched
// on again, whatever becomes of ctx.
func (l *Levers) CyclePort(ctx context.Context, device string) error {
	return l.pull(ctx, "power of the port of "+device, func() error {
		ports := l.ports(device)
		if len(ports) == 0 {
			return fmt.Errorf("%w: the hub of %s lets no port be switched (Linux 6.0 or newer can)", ErrNoLever, device)
		}
		var errs []error
		for _, p := range ports {
			errs = append(errs, l.write(p, []byte("1")))
		}
		if errs[0] == nil {
			_ = sleep(ctx, l.off)
		}
		for _, p := range ports {
			errs = append(errs, l.write(p, []byte("0")))
		}
		return errors.Join(errs...)
	})
}

// ports are the "disable" attributes of the port that a device is on, and of
// its twin on the other half of a USB 3 hub: VBUS is one.
func (l *Levers) ports(device string) []string {
	hub, name := filepath.Dir(l.dir(device)), filepath.Base(device)
	number := name[strings.LastIndexAny(name, "-.")+1:]
	var list []string
	for _, port := range globbed(hub, "*:*/"+filepath.Base(hub)+"-port"+number) {
		for _, p := range []string{filepath.Join(port, "disable"), filepath.Join(port, "peer/disable")} {
			if to, err := filepath.EvalSymlinks(p); err == nil {
				list = append(list, to)
			}
		}
	}
	return list
}

func (l *Levers) dir(device string) string { return filepath.Join(l.root, "devices", device) }

// pull runs f beside us: the kernel may hang in a device's driver.
func (l *Levers) pull(ctx context.Context, what string, f func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("USB %s: %w", what, err)
	}
	select {
	case l.busy <- struct{}{}:
	default:
		return fmt.Errorf("USB %s: the kernel is not through yet with another lever", what)
	}
	done := make(chan error, 1)
	go func() {
		err := f()
		<-l.busy // first, so that who was told may pull the next one
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("USB %s: %w", what, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("USB %s: the kernel is not through: %w", what, ctx.Err())
	}
}
