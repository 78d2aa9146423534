package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// LogConfig says where a log is and what it may become.
type LogConfig struct {
	Path    string // the directory must exist
	Version byte   // of the caller's records; a file of another version is set aside
	MaxSize int64  // bytes read at most, 0 for MaxFile; a larger file is set aside
	// MinCompact is the size in bytes below which Wants stays false, 0 for
	// 16 KiB: rewriting less than a flash page or two gains nothing.
	MinCompact int64
}

// Loaded is what Open found.
type Loaded struct {
	Records  []Record
	Torn     int64  // bytes cut from the tail
	Bad      int    // damaged stretches skipped in the middle
	SetAside string // where an unreadable file went, "" for none
}

// A Log is an append-only file of records.
type Log struct {
	cfg    LogConfig
	header header
	f      *os.File // nil while there is no usable file
	size   int64    // bytes that are ours in f
	synced int64    // size at the last Sync

	mu  sync.Mutex // guards err
	err error      // why nothing is kept now, nil when all is well
}

// OpenLog opens or makes the log and reads it. It never fails: where the
// medium does not allow it, the log keeps nothing and Err says why, and what
// could be read is in Loaded all the same.
func OpenLog(cfg LogConfig) (*Log, Loaded) {
	if cfg.MaxSize == 0 {
		cfg.MaxSize = MaxFile
	}
	if cfg.MinCompact == 0 {
		cfg.MinCompact = 16 << 10
	}
	l := &Log{cfg: cfg}
	var found Loaded
	data, err := ReadFile(cfg.Path, cfg.MaxSize)
	head, ok := decodeHeader(data)
	switch {
	case errors.Is(err, ErrMissing), err == nil && len(data) == 0:
		l.fail(l.Rewrite(nil))
		return l, found
	case err != nil, !ok, head.version != cfg.Version:
		found.SetAside = l.setAside()
		l.fail(l.Rewrite(nil))
		return l, found
	}
	body := data[headerLen:]
	records, end, bad := head.scan(body)
	found.Records, found.Bad, found.Torn = records, bad, int64(len(body)-end)
	l.header = head
	l.fail(l.reopen(int64(headerLen+end), found.Torn > 0))
	return l, found
}

// setAside moves the file out of the way and returns its new name. An older
// one of that name is replaced, so they cannot fill the medium.
func (l *Log) setAside() string {
	bad := l.cfg.Path + ".bad"
	if err := os.Rename(l.cfg.Path, bad); err != nil {
		return "" // Rewrite will say what is wrong with the medium
	}
	return bad
}

// reopen opens the file for appending behind its first size bytes.
func (l *Log) reopen(size int64, cut bool) error {
	f, err := os.OpenFile(l.cfg.Path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	if cut {
		err = f.Truncate(size)
		if err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("cut log %s: %w", l.cfg.Path, err)
	}
	l.f, l.size, l.synced = f, size, size
	return nil
}

// Err is why records are not kept at present, nil when they are.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// fail notes the outcome of an operation. After an error the file is closed:
// the kernel may have dropped pages whose write-back failed, so only a Rewrite
// can make the log whole again.
func (l *Log) fail(err error) error {
	if err != nil && l.f != nil {
		_ = l.f.Close()
		l.f = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	return err
}

// Append writes records behind the others. They are durable after Sync. An
// error means that nothing is kept any more until a Rewrite succeeds; further
// calls return the same error at once.
func (l *Log) Append(records ...Record) error {
	if l.f == nil {
		return l.Err()
	}
	var b []byte
	for _, r := range records {
		if len(r.Payload) > MaxPayload {
			return fmt.Errorf("append to %s: %d bytes are %w", l.cfg.Path, len(r.Payload), ErrTooLarge)
		}
		b = l.header.appendRecord(b, r)
	}
	if len(b) == 0 {
		return nil
	}
	if l.size+int64(len(b)) > l.cfg.MaxSize {
		return l.fail(fmt.Errorf("append to %s: %w of %d bytes", l.cfg.Path, ErrTooLarge, l.cfg.MaxSize))
	}
	if _, err := l.f.WriteAt(b, l.size); err != nil {
		_ = l.f.Truncate(l.size) // half a record, as ENOSPC leaves it
		return l.fail(fmt.Errorf("append to %s: %w", l.cfg.Path, err))
	}
	l.size += int64(len(b))
	return nil
}

// Sync makes everything appended so far durable. One Sync for many records is
// what makes a log cheap.
func (l *Log) Sync() error {
	if l.f == nil {
		return l.Err()
	}
	if l.synced == l.size {
		return nil
	}
	if err := unix.Fdatasync(int(l.f.Fd())); err != nil {
		return l.fail(fmt.Errorf("sync %s: %w", l.cfg.Path, err))
	}
	l.synced = l.size
	return nil
}

// Size is the size of the file in bytes, 0 while there is none.
func (l *Log) Size() int64 {
	if l.f == nil {
		return 0
	}
	return l.size
}

// Wants reports whether a Rewrite with those records pays: the file is more
// than four times as large as they are.
func (l *Log) Wants(live []Record) bool {
	size := int64(headerLen)
	for _, r := range live {
		size += int64(overhead + len(r.Payload))
	}
	return l.f != nil && l.size > l.cfg.MinCompact && l.size > 4*size
}

// Rewrite replaces the log by one that holds exactly live, durable when it
// returns nil. It also ends the state in which nothing is kept. On error the
// old file, if it was sound, is still there and in use.
func (l *Log) Rewrite(live []Record) error {
	next := header{version: l.cfg.Version}
	if _, err := rand.Read(next.salt[:]); err != nil {
		return fmt.Errorf("rewrite %s: %w", l.cfg.Path, err)
	}
	b := next.encode()
	for _, r := range live {
		if len(r.Payload) > MaxPayload {
			return fmt.Errorf("rewrite %s: %d bytes are %w", l.cfg.Path, len(r.Payload), ErrTooLarge)
		}
		b = next.appendRecord(b, r)
	}
	if int64(len(b)) > l.cfg.MaxSize {
		return fmt.Errorf("rewrite %s: %w of %d bytes", l.cfg.Path, ErrTooLarge, l.cfg.MaxSize)
	}
	return l.swap(next, b)
}

// swap puts a prepared file in the log's place.
func (l *Log) swap(next header, content []byte) error {
	f, err := prepare(l.cfg.Path, content, 0o600)
	if err == nil {
		if err = os.Rename(temporary(l.cfg.Path), l.cfg.Path); err != nil {
			_ = f.Close()
			_ = os.Remove(temporary(l.cfg.Path))
		}
	}
	if err != nil {
		err = fmt.Errorf("rewrite log: %w", err)
		if l.f == nil {
			return l.fail(err)
		}
		return err
	}
	if l.f != nil {
		_ = l.f.Close()
	}
	l.f, l.header = f, next
	l.size, l.synced = int64(len(content)), int64(len(content))
	return l.fail(syncDir(l.cfg.Path))
}

// Close syncs and closes the log. It may be called twice.
func (l *Log) Close() error {
	if l.f == nil {
		return nil
	}
	err := l.Sync()
	if l.f != nil {
		err = errors.Join(err, l.f.Close())
		l.f = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = fmt.Errorf("log %s: %w", l.cfg.Path, fs.ErrClosed)
	return err
}
