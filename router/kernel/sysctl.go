package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"luatnetd/internal/order"
	"luatnetd/router"
)

// sysctls reads and writes below /proc/sys and remembers what was there before
// our first write of this boot, also over a restart of the process.
type sysctls struct {
	path     string
	original map[string]string // sysctl path → value before us
	unsaved  bool              // the file is older than original
	log      *slog.Logger
}

func openSysctls(dir string, log *slog.Logger) *sysctls {
	s := &sysctls{path: filepath.Join(dir, sysctlFile), log: log}
	if err := loadJSON(s.path, &s.original); err != nil {
		log.Warn("list of changed sysctls not readable", "error", err)
		s.original = nil
	}
	if s.original == nil {
		s.original = make(map[string]string)
	}
	return s
}

// procSys returns the file of a sysctl. Only net is separate for every network
// namespace, so a path that leads out of it would change the whole machine.
func procSys(path string) (string, error) {
	if !strings.HasPrefix(path, "net/") || filepath.Clean(path) != path {
		return "", fmt.Errorf("sysctl %q: not below net", path)
	}
	return "/proc/sys/" + path, nil
}

// readSysctl returns a value; ok is false when the file does not exist: the device
// is gone or the kernel does not know it.
func readSysctl(path string) (value string, ok bool, err error) {
	file, err := procSys(path)
	if err != nil {
		return "", false, err
	}
	data, err := os.ReadFile(file)
	if missing(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read sysctl %s: %w", path, err)
	}
	return strings.TrimSpace(string(data)), true, nil
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)
}

// write sets a value. A missing file is not an error; noted reports it.
func (s *sysctls) write(o router.Sysctl) (noted bool, err error) {
	path := o.Path()
	old, ok, err := readSysctl(path)
	if err != nil {
		return false, err
	}
	if !ok {
		return true, nil
	}
	if old == o.Value {
		return false, nil
	}
	if original, ok := s.original[path]; ok && original == o.Value {
		if err := put(path, o.Value); err != nil {
			return false, err
		}
		s.forget(path) // from here on it is somebody else's again
		return false, nil
	}
	s.remember(path, old)
	return false, put(path, o.Value)
}

func put(path, value string) error {
	file, err := procSys(path)
	if err != nil {
		return err
	}
	err = os.WriteFile(file, []byte(value), 0o644)
	if err != nil && !missing(err) {
		return fmt.Errorf("write sysctl %s = %s: %w", path, value, err)
	}
	return nil
}

// remember keeps the first value. A directory that cannot be written must not
// keep a router from forwarding.
func (s *sysctls) remember(path, value string) {
	if _, ok := s.original[path]; ok && !s.unsaved {
		return
	} else if !ok {
		s.original[path] = value
	}
	s.save()
}

// forget ends the memory of a value that is back where it was.
func (s *sysctls) forget(path string) {
	delete(s.original, path)
	s.save()
}

func (s *sysctls) save() {
	err := saveJSON(s.path, s.original)
	s.unsaved = err != nil
	if err != nil {
		s.log.Warn("sysctls are not remembered", "error", err)
	}
}

// restore puts every value back and forgets the ones that went back.
// Forwarding goes first, as it came last.
func (s *sysctls) restore() error {
	forwardFirst := func(a, b string) int {
		x, y := strings.HasSuffix(a, "/forwarding"), strings.HasSuffix(b, "/forwarding")
		switch {
		case x != y && x:
			return -1
		case x != y:
			return 1
		}
		return strings.Compare(a, b)
	}
	var errs []error
	left := make(map[string]string)
	paths := slices.Collect(maps.Keys(s.original))
	order.Sort(paths, forwardFirst)
	for _, path := range paths {
		if err := put(path, s.original[path]); err != nil {
			errs, left[path] = append(errs, err), s.original[path]
		}
	}
	s.original = left
	if len(left) == 0 {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, saveJSON(s.path, left))...)
}
