package tty

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// openPty makes a raw pseudo terminal. The master is in Go's poller.
func openPty() (master *os.File, path string, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("open pseudo terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = setRaw(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, "", fmt.Errorf("set up pseudo terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), "ptmx"), filepath.Join("/dev/pts", strconv.Itoa(n)), nil
}

// setRaw sets the other end raw (tty_ioctl(4): the settings of a pair are one):
// an echo would send the modem its own answers as commands.
func setRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}
