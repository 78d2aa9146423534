package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrMissing says that there is no such file: a first start, not a fault.
var ErrMissing = errors.New("no such file")

// ErrTooLarge says that a file or a value is over its size limit.
var ErrTooLarge = errors.New("over the size limit")

// MaxFile is the most that WriteFile takes: what we keep is small, and a
// mistake must not fill the flash of a router.
const MaxFile = 8 << 20 // bytes

// ReadFile returns the content of a regular file of at most limit bytes.
// The error is ErrMissing where there is none, ErrTooLarge where it is larger.
func ReadFile(path string, limit int64) ([]byte, error) {
	// O_NONBLOCK: a pipe put in the file's place must not stop the daemon.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", path, ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: %w of %d bytes", path, ErrTooLarge, limit)
	}
	return data, nil
}

// WriteFile makes path hold data: all of it or, after a failure or a power
// cut, what it held before. A file that already holds data is not written
// again, which saves flash; changed then is false. The directory must exist.
// Only one goroutine may write a path at a time.
func WriteFile(path string, data []byte, perm fs.FileMode) (changed bool, err error) {
	if len(data) > MaxFile {
		return false, fmt.Errorf("write %s: %d bytes are %w", path, len(data), ErrTooLarge)
	}
	if same(path, data, perm) {
		return false, nil
	}
	if err := replace(path, data, perm); err != nil {
		return false, err
	}
	return true, nil
}

// same reports whether path is a file with that content and mode.
func same(path string, data []byte, perm fs.FileMode) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != perm || info.Size() != int64(len(data)) {
		return false
	}
	old, err := ReadFile(path, int64(len(data)))
	return err == nil && bytes.Equal(old, data)
}

// temporary is where the next content of path is prepared. The name is fixed,
// so that crashes leave one such file at most.
func temporary(path string) string { return path + ".new" }

// replace writes a temporary file beside path, makes it durable and renames it.
func replace(path string, data []byte, perm fs.FileMode) error {
	f, err := prepare(path, data, perm)
	if err != nil {
		return err
	}
	err = f.Close()
	if err == nil {
		err = os.Rename(temporary(path), path)
	}
	if err != nil {
		_ = os.Remove(temporary(path))
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(path)
}

// prepare writes and syncs the temporary file of path and leaves it open.
func prepare(path string, data []byte, perm fs.FileMode) (*os.File, error) {
	name := temporary(path)
	// A left-over may have another mode or be a link: start from nothing.
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("write: %w", err)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(perm) // the umask is not part of what was asked
	}
	if err == nil {
		// Without it a power cut after the rename leaves an empty file on
		// ext4 and UBIFS: the name is journalled before the data.
		err = f.Sync()
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(name)
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return f, nil
}

// syncDir makes the directory entry of path durable.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer d.Close()
	// Some file systems (FUSE, 9p) cannot sync a directory; the file is there.
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
