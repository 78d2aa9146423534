package kernel

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"

	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// mtuFile remembers MTUs over a restart of the process.
const mtuFile = "mtus.json"

// mtus remembers what MTU a device had before our first write: a lease that
// brought option 26 takes it away again when it ends.
type mtus struct {
	path     string
	original map[string]int // device → bytes
	log      *slog.Logger
}

func openMTUs(dir string, log *slog.Logger) *mtus {
	m := &mtus{path: filepath.Join(dir, mtuFile), log: log}
	if err := loadJSON(m.path, &m.original); err != nil {
		log.Warn("list of changed MTUs not readable", "error", err)
		m.original = nil
	}
	if m.original == nil {
		m.original = make(map[string]int)
	}
	return m
}

// keep drops what is known of devices that are gone: one that comes again
// under the name starts with an MTU of its own.
func (m *mtus) keep(exists func(device string) bool) {
	before := len(m.original)
	maps.DeleteFunc(m.original, func(device string, _ int) bool { return !exists(device) })
	if len(m.original) != before {
		m.save()
	}
}

// wrote notes that a device with the MTU old has a new one now. A device that
// is back at its own is nobody's any more.
func (m *mtus) wrote(device string, old, now int) {
	original, ok := m.original[device]
	switch {
	case !ok:
		m.original[device] = old
	case original == now:
		delete(m.original, device)
	default:
		return
	}
	m.save()
}

// save keeps the list. A directory that cannot be written costs the memory of
// a crash, not the MTU.
func (m *mtus) save() {
	if err := saveJSON(m.path, m.original); err != nil {
		m.log.Warn("MTUs are not remembered", "error", err)
	}
}

func (k *Kernel) setMTU(o router.SetMTU) error {
	l, err := k.link(o.Name)
	if err != nil {
		return err
	}
	var a attrs
	a.u32(unix.IFLA_MTU, uint32(o.MTU))
	if err := k.setLink(o.Name, fmt.Sprint("mtu ", o.MTU), 0, 0, a); err != nil {
		return err
	}
	k.mtus.wrote(o.Name, l.mtu, o.MTU)
	return nil
}
