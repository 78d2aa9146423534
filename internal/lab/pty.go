package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pty makes a pair of a "serial port" at path and the device behind it. The
// device's end is in Go's poller: reads end with Close or a deadline.
func Pty() (device *os.File, path string, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("open pseudo terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, "", fmt.Errorf("unlock pseudo terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), "ptmx"), filepath.Join("/dev/pts", strconv.Itoa(n)), nil
}
