package queue

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// dir is one directory of a tier. It is an interface because a recording one
// replays power cuts in the tests.
type dir interface {
	open(name string, flag int) (file, error)
	remove(name string) error
	list() ([]string, error)
	sync() error // makes created names durable
}

// file is an open file of a tier. Sync makes its content durable.
type file interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
}

// osDir is a real directory. It is made when the first file is.
type osDir struct {
	path string

	mu   sync.Mutex // guards made
	made []string   // directories that hold a new name which is not yet durable
}

type osFile struct{ *os.File }

// Sync leaves out the time stamps, which would cost a second write on flash.
func (f osFile) Sync() error { return unix.Fdatasync(int(f.Fd())) }

func (d *osDir) open(name string, flag int) (file, error) {
	if flag&os.O_CREATE != 0 {
		if err := d.make(); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(filepath.Join(d.path, name), flag|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, errors.Join(err, fmt.Errorf("open %s: not a regular file", f.Name()))
	}
	return osFile{f}, nil
}

func (d *osDir) make() error {
	var made []string
	for p := d.path; ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		made = append(made, filepath.Dir(p))
	}
	if len(made) == 0 {
		return nil
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made = append(d.made, made...)
	return nil
}

func (d *osDir) remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }

func (d *osDir) list() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (d *osDir) sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range append([]string{d.path}, d.made...) {
		if err := syncDir(p); err != nil {
			return err
		}
	}
	d.made = nil
	return nil
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	// Some file systems (FUSE, 9p) cannot sync a directory; the name is there.
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// readAll returns the content of f up to limit bytes. What could be read is
// returned with an error too.
func readAll(f file, limit int64) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(f, 0, limit))
}
