package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"luatnetd/router"
)

// maxMemory bounds what is read back from the runtime directory.
const maxMemory = 1 << 20

// The files of the runtime directory. It does not outlive a boot, and must
// not: neither do addresses and sysctls.
const (
	addrFile   = "addresses.json"
	sysctlFile = "sysctls.json"
)

// loadJSON reads a file of ours; a missing one leaves v as it is.
func loadJSON(path string, v any) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxMemory {
		return fmt.Errorf("%s: %d bytes, want at most %d", path, info.Size(), maxMemory)
	}
	if err := json.NewDecoder(f).Decode(v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// saveJSON writes a file of ours so that a reader sees the old or the new one.
func saveJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// addrList remembers which addresses we added, for kernels that do not.
type addrList struct {
	path    string
	addrs   []router.AddrSpec
	unsaved bool // the file is older than addrs
	log     *slog.Logger
}

func openAddrList(dir string, log *slog.Logger) *addrList {
	l := &addrList{path: filepath.Join(dir, addrFile), log: log}
	if err := loadJSON(l.path, &l.addrs); err != nil {
		log.Warn("list of our addresses not readable", "error", err)
		l.addrs = nil
	}
	return l
}

// set writes the list when it differs. A directory that cannot be written
// costs the memory of a crash on an old kernel, not the address.
func (l *addrList) set(addrs []router.AddrSpec) {
	if slices.Equal(addrs, l.addrs) && !l.unsaved {
		return
	}
	l.addrs = addrs
	err := saveJSON(l.path, addrs)
	l.unsaved = err != nil
	if err != nil {
		l.log.Warn("our addresses are not remembered", "error", err)
	}
}

func (l *addrList) add(s router.AddrSpec) { l.set(append(slices.Clone(l.addrs), s)) }

func (l *addrList) remove(s router.AddrSpec) {
	l.set(slices.DeleteFunc(slices.Clone(l.addrs), func(x router.AddrSpec) bool { return x == s }))
}
