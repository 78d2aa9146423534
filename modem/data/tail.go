package data

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// tail reads a file that another process appends to, without polling.
type tail struct {
	file   *os.File
	notify *os.File
}

func openTail(path string) (*tail, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err == nil {
		if _, err = unix.InotifyAddWatch(fd, path, unix.IN_MODIFY); err != nil {
			_ = unix.Close(fd)
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	return &tail{f, os.NewFile(uintptr(fd), "inotify")}, nil
}

// read returns what is new.
func (t *tail) read() []byte {
	b, _ := io.ReadAll(io.LimitReader(t.file, maxOutput))
	return b
}

// follow sends to grown whenever the file has grown, until the tail is closed.
// grown has room for one: a wish to read is not made twice.
func (t *tail) follow(grown chan<- struct{}) {
	buf := make([]byte, 4<<10)
	for {
		if _, err := t.notify.Read(buf); err != nil {
			return
		}
		select {
		case grown <- struct{}{}:
		default:
		}
	}
}

func (t *tail) close() {
	_ = t.notify.Close()
	_ = t.file.Close()
}
