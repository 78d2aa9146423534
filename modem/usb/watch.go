package usb

import (
	"context"
	"errors"
	"os"
	"reflect"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/modem"
)

// pause is the shortest time between two scans: a module that is plugged in
// makes dozens of events within half a second, and a scan of it takes some
// milliseconds on a slow CPU. The first event is answered at once.
const pause = 100 * time.Millisecond

// Watcher follows the USB devices. Make one with [New].
type Watcher struct {
	root    string
	out     chan []modem.Device
	last    []modem.Device
	started bool

	listen func() (*os.File, error) // uevents; a test's own
}

// New returns a watcher of the sysfs that is mounted at root ("/sys").
func New(root string) *Watcher {
	return &Watcher{root: root, out: make(chan []modem.Device, 1), listen: listen}
}

// Devices gives whole snapshots, whenever they differ from the one before; the
// first one, which may be empty, soon after the start of Run. The channel holds
// the newest one only. Who receives a snapshot must not change it.
func (w *Watcher) Devices() <-chan []modem.Device { return w.out }

// Run watches until ctx ends, and returns nil then. An error means that the
// kernel's events or sysfs cannot be read; Run may be called again.
func (w *Watcher) Run(ctx context.Context) error {
	socket, err := w.listen() // before the first scan, else a change between is missed
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = socket.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	defer func() { _ = socket.Close() }()
	w.started = false
	buf := make([]byte, maxEvent)
	for {
		if err := w.scan(); err != nil {
			return err
		}
		scanned := time.Now()
		if err := await(socket, buf); err != nil {
			return ended(ctx, err)
		}
		if err := sleep(ctx, pause-time.Since(scanned)); err != nil {
			return nil
		}
		if err := drain(socket, buf); err != nil {
			return ended(ctx, err)
		}
	}
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// scan publishes what is there, if it is new.
func (w *Watcher) scan() error {
	now, err := Scan(w.root)
	if err != nil || w.started && reflect.DeepEqual(now, w.last) {
		return err
	}
	w.started, w.last = true, now
	select {
	case <-w.out: // nobody has seen that one; it is old
	default:
	}
	w.out <- now // room for one, and only we send
	return nil
}

// await returns after an event that matters, or after events were lost.
func await(socket *os.File, buf []byte) error {
	for {
		n, err := socket.Read(buf)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return nil // the kernel had more to say than the buffer holds
		case err != nil:
			return err
		}
		if e, ok := parseEvent(buf[:n]); ok && e.matters() {
			return nil
		}
	}
}

// drain throws away what is queued: the scan that follows sees it all.
func drain(socket *os.File, buf []byte) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		for inner == nil || inner == unix.ENOBUFS || inner == unix.EINTR {
			_, _, inner = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
		}
	})
	if err == nil && inner != unix.EAGAIN {
		err = inner
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
