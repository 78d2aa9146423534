package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"sync"
)

// The position file has two slots that are written in turn, in place: a torn
// write leaves the other one.
//
//	slot: mark[4] generation[8] done[8] reserved[8] sum[4]
//
// They are a sector apart, the unit that a medium writes whole.
const (
	positionName = "position"
	slotLen      = 4 + 8 + 8 + 8 + 4
	slotApart    = 512
)

var slotMark = []byte{0xA7, 'L', 'P', '1'}

// position is how far a queue has come, in one tier.
type position struct {
	mu       sync.Mutex // guards what follows, and the writing
	dir      dir
	f        file // nil until the first write
	fresh    bool // the name is not yet durable
	gen      uint64
	done     uint64 // everything up to it has had its result
	reserved uint64 // no number above it was given out as an ID
}

func (p *position) encode() []byte {
	b := append(make([]byte, 0, slotLen), slotMark...)
	b = binary.BigEndian.AppendUint64(b, p.gen)
	b = binary.BigEndian.AppendUint64(b, p.done)
	b = binary.BigEndian.AppendUint64(b, p.reserved)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// take adopts the newest sound slot of b; found is false when there is none.
func (p *position) take(b []byte) (found bool) {
	for at := 0; at+slotLen <= len(b); at += slotApart {
		s := b[at : at+slotLen]
		if string(s[:4]) != string(slotMark) || crc32.Checksum(s[:slotLen-4], castagnoli) != binary.BigEndian.Uint32(s[slotLen-4:]) {
			continue
		}
		if gen := binary.BigEndian.Uint64(s[4:]); !found || gen > p.gen {
			p.gen, p.done, p.reserved = gen, binary.BigEndian.Uint64(s[12:]), binary.BigEndian.Uint64(s[20:])
			found = true
		}
	}
	return found
}

// load reads the file; found is false where there is none or no sound slot.
func (p *position) load() (found bool, err error) {
	f, err := p.dir.open(positionName, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil { // a medium that is read-only
		if f, err = p.dir.open(positionName, os.O_RDONLY); err != nil {
			return false, err
		}
	}
	p.f = f
	p.fresh = true // the process that made it may have died before it synced the name
	b, err := readAll(f, slotApart+slotLen)
	return p.take(b), err
}

// write records done and reserved, never less than what is there. With sync it
// is durable when write returns nil.
func (p *position) write(done, reserved uint64, sync bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.f == nil {
		f, err := p.dir.open(positionName, os.O_RDWR|os.O_CREATE)
		if err != nil {
			return fmt.Errorf("position: %w", err)
		}
		p.f, p.fresh = f, true
	}
	p.gen++
	p.done, p.reserved = max(p.done, done), max(p.reserved, reserved)
	if _, err := p.f.WriteAt(p.encode(), int64(p.gen%2)*slotApart); err != nil {
		return fmt.Errorf("position: %w", err)
	}
	if !sync {
		return nil
	}
	if err := p.f.Sync(); err != nil {
		return fmt.Errorf("sync position: %w", err)
	}
	if p.fresh {
		if err := p.dir.sync(); err != nil {
			return fmt.Errorf("sync directory: %w", err)
		}
		p.fresh = false
	}
	return nil
}

func (p *position) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.f != nil {
		_ = p.f.Close()
		p.f = nil
	}
}
