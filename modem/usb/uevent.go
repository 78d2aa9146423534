package usb

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// groupKernel is the multicast group of the kernel's own uevents; 2 is udevd's.
const groupKernel = 1

// eventBuffer is what the socket may keep for us: an EC25 that is plugged in
// makes some 60 events of 300 bytes, which the kernel accounts for as 1 kB each.
const eventBuffer = 512 << 10

// maxEvent is the longest uevent: UEVENT_BUFFER_SIZE (linux/kobject.h) and its header.
const maxEvent = 4 << 10

// event is a uevent, as far as it is of interest.
type event struct{ action, path, subsystem string }

// parseEvent reads "ACTION@DEVPATH\0KEY=VALUE\0…" (lib/kobject_uevent.c).
func parseEvent(b []byte) (e event, ok bool) {
	head, rest, _ := bytes.Cut(b, []byte{0})
	action, path, ok := strings.Cut(string(head), "@")
	if !ok || action == "" || !strings.HasPrefix(path, "/") {
		return event{}, false
	}
	e = event{action: action, path: path}
	for _, kv := range bytes.Split(rest, []byte{0}) {
		if v, ok := bytes.CutPrefix(kv, []byte("SUBSYSTEM=")); ok {
			e.subsystem = string(v)
		}
	}
	return e, true
}

// matters reports whether the event may change a snapshot.
func (e event) matters() bool {
	switch e.subsystem {
	case "usb", "usb-serial", "usbmisc":
		return true
	case "tty", "net":
		return strings.Contains(e.path, "/usb") // below a root hub
	}
	return false
}

// listen opens the kernel's uevents: of this network namespace's netdevs and of
// all other devices. Reads of the file have deadlines.
func listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open the socket of uevents: %w", err)
	}
	// Beyond net.core.rmem_max for root only; the plain limit does, too.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, eventBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, eventBuffer)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groupKernel}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("listen to uevents: %w", err)
	}
	return os.NewFile(uintptr(fd), "uevents"), nil
}
