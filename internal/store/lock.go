package store

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another instance holds the lock.
var ErrLocked = errors.New("in use by another instance")

// A Lock is held until it is released or the process ends, however it ends.
type Lock struct{ f *os.File }

// Acquire takes the lock on path, a file of its own that is made if needed. It
// never waits: the error is ErrLocked when another process, or another part of
// this one, holds it.
func Acquire(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f: f}, nil
}

// Release gives the lock back. The file stays: removing it would let two
// instances lock two files of the same name.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	return l.f.Close()
}
