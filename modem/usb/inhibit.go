package usb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// inhibitTime is how long ModemManager may take to let a device go: it ends
// its own commands first.
const inhibitTime = 15 * time.Second

// Inhibitor asks a ModemManager that runs to let devices of ours go, as long as
// it is held (its D-Bus method InhibitDevice, since 1.10). Each device has an
// mmcli, which ends with us however we end; so nothing stays locked after a
// crash. Where mmcli is missing there is nothing to do. The zero value is ready
// for use, by any goroutine.
type Inhibitor struct {
	Program func(name string) (string, error) // finds mmcli; nil looks into PATH

	mu   sync.Mutex
	held map[string]*inhibition // by device
}

// inhibition is one mmcli.
type inhibition struct {
	cancel context.CancelFunc
	asked  chan struct{} // closed when it has let go, or the mmcli has ended
	ended  chan struct{} // closed when the mmcli has ended
	err    error         // valid after ended
}

// Hold returns when ModemManager has let the device go. An error tells why it
// has not: mostly that it does not run, or does not know the device. Both are no
// harm, and Hold may be called again. device is its path below /sys/devices.
func (i *Inhibitor) Hold(ctx context.Context, device string) error {
	find := i.Program
	if find == nil {
		find = exec.LookPath
	}
	path, err := find("mmcli")
	if err != nil {
		return nil
	}
	h := i.hold(path, device)
	ctx, cancel := context.WithTimeout(ctx, inhibitTime)
	defer cancel()
	select {
	case <-h.asked:
	case <-ctx.Done():
		i.Release(device)
		return fmt.Errorf("keep ModemManager off %s: %w", device, ctx.Err())
	}
	select {
	case <-h.ended:
		i.Release(device)
		return fmt.Errorf("keep ModemManager off %s: %w", device, h.err)
	default:
		return nil
	}
}

// hold returns the device's mmcli, which it starts if there is none.
func (i *Inhibitor) hold(path, device string) *inhibition {
	i.mu.Lock()
	defer i.mu.Unlock()
	if h := i.held[device]; h != nil {
		select {
		case <-h.ended: // ModemManager was restarted
		default:
			return h
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &inhibition{cancel: cancel, asked: make(chan struct{}), ended: make(chan struct{})}
	if i.held == nil {
		i.held = map[string]*inhibition{}
	}
	i.held[device] = h
	go h.run(ctx, path, device)
	return h
}

// run runs one mmcli to its end.
func (h *inhibition) run(ctx context.Context, path, device string) {
	// The signal at our death is tied to the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	said := sync.OnceFunc(func() { close(h.asked) })
	h.err = inhibit(ctx, said, path, device)
	close(h.ended)
	said()
}

func inhibit(ctx context.Context, asked func(), path, device string) error {
	c := exec.CommandContext(ctx, path, "--inhibit-device=/sys/devices/"+device)
	c.Env = append(c.Environ(), "LC_ALL=C")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	c.WaitDelay = time.Second
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	c.Stderr = c.Stdout // its errors, too
	if err := c.Start(); err != nil {
		return err
	}
	last := "it ended without a word"
	for s := bufio.NewScanner(out); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" {
			last = line
		}
		if strings.Contains(s.Text(), "successfully inhibited") {
			asked()
		}
	}
	_ = c.Wait()
	return errors.New(last)
}

// Release gives a device back to ModemManager.
func (i *Inhibitor) Release(device string) {
	i.mu.Lock()
	h := i.held[device]
	delete(i.held, device)
	i.mu.Unlock()
	if h != nil {
		h.cancel()
		<-h.ended
	}
}

// Close gives all devices back.
func (i *Inhibitor) Close() {
	i.mu.Lock()
	var list []string
	for device := range i.held {
		list = append(list, device)
	}
	i.mu.Unlock()
	for _, device := range list {
		i.Release(device)
	}
}

// IgnoreRules are rules for udev that make a ModemManager leave these devices
// alone, also one that starts later. devices are paths below /sys/devices.
func IgnoreRules(devices []string) string {
	var b strings.Builder
	for _, d := range devices {
		if d == "" || strings.ContainsAny(d, "\"*?[|\\\n") {
			continue // no such path is in sysfs
		}
		fmt.Fprintf(&b, "DEVPATH==\"/devices/%s|/devices/%[1]s/*\", ENV{ID_MM_DEVICE_IGNORE}=\"1\"\n", d)
	}
	return b.String()
}
