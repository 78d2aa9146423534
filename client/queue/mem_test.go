package queue

import (
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// call is one thing that a queue did to a medium.
type call struct {
	dir  *memDir
	what string // create, write, sync, remove, syncdir
	name string
	off  int64
	data []byte
}

// tape records the calls to all its directories in one order.
type tape struct{ calls []call }

// memDir is a directory in memory. With a tape it records; with fail it refuses.
type memDir struct {
	tape  *tape
	files map[string]*[]byte
	fail  func(what string, size int) error
}

func newMemDir(t *tape) *memDir { return &memDir{tape: t, files: map[string]*[]byte{}} }

func (d *memDir) record(what, name string, off int64, data []byte) error {
	if d.fail != nil {
		if err := d.fail(what, len(data)); err != nil {
			return err
		}
	}
	if d.tape != nil && what != "read" {
		d.tape.calls = append(d.tape.calls, call{d, what, name, off, slices.Clone(data)})
	}
	return nil
}

func (d *memDir) open(name string, flag int) (file, error) {
	b := d.files[name]
	switch {
	case b == nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case b != nil && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case b == nil:
		if err := d.record("create", name, 0, nil); err != nil {
			return nil, err
		}
		b = new([]byte)
		d.files[name] = b
	}
	return &memFile{d: d, name: name, b: b, writable: flag&os.O_RDWR != 0}, nil
}

func (d *memDir) remove(name string) error {
	if d.files[name] == nil {
		return fs.ErrNotExist
	}
	if err := d.record("remove", name, 0, nil); err != nil {
		return err
	}
	delete(d.files, name)
	return nil
}

func (d *memDir) list() ([]string, error) {
	return slices.Sorted(maps.Keys(d.files)), nil
}

func (d *memDir) sync() error { return d.record("syncdir", "", 0, nil) }

type memFile struct {
	d                *memDir
	name             string
	b                *[]byte
	writable, closed bool
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if f.closed {
		return 0, fs.ErrClosed
	}
	if err := f.d.record("read", f.name, off, p); err != nil {
		return 0, err
	}
	if off >= int64(len(*f.b)) {
		return 0, io.EOF
	}
	n := copy(p, (*f.b)[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if f.closed || !f.writable {
		return 0, unix.EBADF
	}
	if err := f.d.record("write", f.name, off, p); err != nil {
		half := len(p) / 2 // as ENOSPC leaves it
		put(f.b, off, p[:half])
		if f.d.tape != nil {
			f.d.tape.calls = append(f.d.tape.calls, call{f.d, "write", f.name, off, slices.Clone(p[:half])})
		}
		return half, err
	}
	put(f.b, off, p)
	return len(p), nil
}

func (f *memFile) Sync() error {
	if f.closed {
		return fs.ErrClosed
	}
	return f.d.record("sync", f.name, 0, nil)
}

func (f *memFile) Close() error {
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	return nil
}

func put(b *[]byte, off int64, p []byte) {
	if need := int(off) + len(p); need > len(*b) {
		*b = append(*b, make([]byte, need-len(*b))...)
	}
	copy((*b)[off:], p)
}

// medium is what a power cut leaves of one directory. It shares no code with
// memDir: it is the judge of what may be on a flash.
type medium struct{ files map[string]*node }

type node struct {
	synced          []byte
	pending         []call // writes since the last sync
	named, unlinked bool   // the name is durable; it was removed and that is not durable
}

func (m *medium) apply(c call) {
	n := m.files[c.name]
	switch c.what {
	case "create":
		m.files[c.name] = &node{}
	case "write":
		n.pending = append(n.pending, c)
	case "sync":
		for _, w := range n.pending {
			put(&n.synced, w.off, w.data)
		}
		n.pending = nil
	case "remove":
		n.unlinked = true
	case "syncdir":
		for name, n := range m.files {
			if n.unlinked {
				delete(m.files, name)
			}
			n.named = true
		}
	}
}

// cut draws one state that a power cut may leave: unsynced writes applied,
// dropped, torn or zeroed each on its own, names that were not synced there or not.
func (m *medium) cut(r *rand.Rand) *memDir {
	d := newMemDir(nil)
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		n := m.files[name]
		if !n.named && r.IntN(2) == 0 || n.unlinked && r.IntN(2) == 0 {
			continue
		}
		b := slices.Clone(n.synced)
		for _, w := range n.pending {
			switch r.IntN(4) {
			case 0:
				put(&b, w.off, w.data)
			case 1: // dropped
			case 2:
				put(&b, w.off, w.data[:r.IntN(len(w.data)+1)])
			case 3:
				put(&b, w.off, make([]byte, len(w.data)))
			}
		}
		d.files[name] = &b
	}
	return d
}

// whole is what a kill -9 leaves: everything that was written.
func whole(calls []call, of *memDir) *memDir {
	d := newMemDir(nil)
	for _, c := range calls {
		switch {
		case c.dir != of:
		case c.what == "create":
			d.files[c.name] = new([]byte)
		case c.what == "write":
			put(d.files[c.name], c.off, c.data)
		case c.what == "remove":
			delete(d.files, c.name)
		}
	}
	return d
}
