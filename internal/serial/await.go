package serial

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Await opens the port as soon as that is possible. A missing port is waited
// for by inotify; what no file event announces (a busy port, a driver that
// is not ready) is tried again after a growing pause. failed is told each new
// reason once. Only the end of ctx ends it without a port.
func Await(ctx context.Context, cfg Config, failed func(error)) (*Port, error) {
	last := ""
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		w, err := watch(cfg.Path) // before the try, else an event between is missed
		if err != nil {
			return nil, err
		}
		p, err := Open(cfg)
		if err == nil {
			w.close()
			return p, nil
		}
		if err.Error() != last {
			last = err.Error()
			failed(err)
		}
		limit := pause
		if !exists(cfg.Path) {
			limit = 0 // its coming is an event
		}
		seen, err := w.wait(ctx, limit)
		w.close()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, err
		case seen:
			pause = firstPause / 2
		}
	}
}

// Pauses between two tries of a port that is there and does not open.
const (
	firstPause = 500 * time.Millisecond
	maxPause   = 30 * time.Second
)

// watcher waits for one name to appear in one directory.
type watcher struct {
	file *os.File
	name string // "" for any
}

// events that may make a port appear or usable. A close is not among them: our
// own failed try is one.
const events = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF

// watch watches the deepest directory of path that exists: /dev/serial/by-id
// goes away with the last adapter.
func watch(path string) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	name, err := watchDir(fd, path)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	return &watcher{file: os.NewFile(uintptr(fd), "inotify"), name: name}, nil
}

// watchDir adds the deepest directory of path and says which name to wait for.
func watchDir(fd int, path string) (name string, err error) {
	dir, name := filepath.Dir(path), filepath.Base(path)
	for {
		if _, err = unix.InotifyAddWatch(fd, dir, events|unix.IN_ONLYDIR); err == nil {
			break
		}
		if dir == "/" || dir == "." {
			return "", err
		}
		dir, name = filepath.Dir(dir), filepath.Base(dir)
	}
	// Made while we climbed: its event is lost, so climb again.
	if missing := filepath.Join(dir, name); missing != filepath.Clean(path) && isDir(missing) {
		return watchDir(fd, path)
	}
	return name, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (w *watcher) close() { _ = w.file.Close() }

// wait returns true when something happened to the name; false after limit,
// 0 for none, or when ctx ends.
func (w *watcher) wait(ctx context.Context, limit time.Duration) (bool, error) {
	if limit > 0 {
		_ = w.file.SetReadDeadline(time.Now().Add(limit))
	}
	defer context.AfterFunc(ctx, func() { _ = w.file.SetReadDeadline(time.Unix(1, 0)) })()
	buf := make([]byte, 4096)
	for {
		n, err := w.file.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read inotify: %w", err)
		}
		if matches(buf[:n], w.name) {
			return true, nil
		}
	}
}

// matches looks for the name, or an event of the directory itself, in a read
// of inotify (struct inotify_event of inotify(7)).
func matches(b []byte, name string) bool {
	for len(b) >= unix.SizeofInotifyEvent {
		mask, size := binary.NativeEndian.Uint32(b[4:]), int(binary.NativeEndian.Uint32(b[12:]))
		b = b[unix.SizeofInotifyEvent:]
		if size > len(b) {
			return true // never from the kernel; looking once more is harmless
		}
		of := strings.TrimRight(string(b[:size]), "\x00")
		if of == name || of == "" || mask&unix.IN_Q_OVERFLOW != 0 {
			return true
		}
		b = b[size:]
	}
	return false
}
