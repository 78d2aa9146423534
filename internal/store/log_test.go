package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// sample is a set of records of different sizes, an empty one among them.
func sample() []Record {
	return []Record{
		{1, []byte("alpha")}, {2, nil}, {3, bytes.Repeat([]byte{recordMark}, 40)}, {255, []byte{0}}, {1, []byte("omega")},
	}
}

func equal(a, b []Record) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Type != b[i].Type || !bytes.Equal(a[i].Payload, b[i].Payload) {
			return false
		}
	}
	return true
}

// writeSample makes a log with the sample in it and returns its bytes and
// where each record ends.
func writeSample(t *testing.T, path string) (file []byte, ends []int) {
	t.Helper()
	l, _ := OpenLog(LogConfig{Path: path, Version: 1})
	ends = []int{headerLen}
	for _, r := range sample() {
		if err := l.Append(r); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(l.Size()))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, ends
}

func open(t *testing.T, path string) (*Log, Loaded) {
	t.Helper()
	l, found := OpenLog(LogConfig{Path: path, Version: 1})
	if l.Err() != nil {
		t.Fatal(l.Err())
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, found
}

// TestLogCutAtEveryByte is a power cut while appending (S56): whatever prefix
// is left, the whole records in it are read and the next one can be appended.
func TestLogCutAtEveryByte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	file, ends := writeSample(t, path)
	for cut := range len(file) + 1 {
		for _, tail := range []int{0, 64} { // a zeroed tail is what ext4 and F2FS leave
			damaged := append(bytes.Clone(file[:cut]), make([]byte, tail)...)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			whole := 0
			for whole < len(ends)-1 && ends[whole+1] <= cut {
				whole++
			}
			l, found := open(t, path)
			if !equal(found.Records, sample()[:whole]) || found.Bad != 0 {
				t.Fatalf("cut at %d, %d zeros: %d records and %d bad, want %d and 0", cut, tail, len(found.Records), found.Bad, whole)
			}
			if wantAside := cut+tail > 0 && cut < headerLen; (found.SetAside != "") != wantAside {
				t.Fatalf("cut at %d, %d zeros: set aside %q, want %v", cut, tail, found.SetAside, wantAside)
			}
			extra := Record{9, []byte("after")}
			if err := l.Append(extra); err != nil {
				t.Fatal(err)
			}
			_ = l.Close()
			again, found := open(t, path)
			if want := append(sample()[:whole], extra); !equal(found.Records, want) || found.Torn != 0 {
				t.Fatalf("cut at %d: after one more record %v, torn %d, want %v", cut, found.Records, found.Torn, want)
			}
			_ = again.Close()
		}
	}
}

// TestLogFlipEveryBit: one damaged bit costs one record at most, and never
// makes up a record that was not written.
func TestLogFlipEveryBit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	file, ends := writeSample(t, path)
	for bit := range len(file) * 8 {
		damaged := bytes.Clone(file)
		damaged[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(path + ".bad")
		l, found := open(t, path)
		_ = l.Close()
		if bit/8 < headerLen {
			kept, err := os.ReadFile(path + ".bad")
			if found.SetAside == "" || err != nil || !bytes.Equal(kept, damaged) || len(found.Records) != 0 {
				t.Fatalf("bit %d of the header: set aside %q (%v), %d records", bit, found.SetAside, err, len(found.Records))
			}
			continue
		}
		hit := 0
		for ends[hit+1] <= bit/8 {
			hit++
		}
		want := append(sample()[:hit:hit], sample()[hit+1:]...)
		if !equal(found.Records, want) {
			t.Fatalf("bit %d in record %d: got %v, want all others", bit, hit, found.Records)
		}
		last := hit == len(sample())-1
		if (found.Bad == 1) == last || (found.Torn > 0) != last {
			t.Fatalf("bit %d in record %d: bad %d, torn %d", bit, hit, found.Bad, found.Torn)
		}
	}
}

// TestLogForgedRecord: a payload that holds a whole record of its own does not
// come to life when the record around it is damaged.
func TestLogForgedRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _ := open(t, path)
	forged := header{version: 1}.appendRecord(nil, Record{7, []byte("forged")})
	if err := l.Append(Record{1, forged}, Record{2, []byte("next")}); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	file, _ := os.ReadFile(path)
	file[headerLen+1] ^= 0x80 // the outer length
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	_, found := open(t, path)
	if want := []Record{{2, []byte("next")}}; !equal(found.Records, want) {
		t.Errorf("records = %v, want %v", found.Records, want)
	}
}

func TestLogOtherVersionIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	writeSample(t, path)
	l, found := OpenLog(LogConfig{Path: path, Version: 2})
	defer l.Close()
	if found.SetAside != path+".bad" || len(found.Records) != 0 || l.Err() != nil {
		t.Errorf("Loaded = %+v, err %v", found, l.Err())
	}
}

func TestLogRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _ := OpenLog(LogConfig{Path: path, Version: 1, MinCompact: 256})
	live := sample()[:2]
	for i := 0; !l.Wants(live); i++ {
		if i > 100 {
			t.Fatal("Wants is never true")
		}
		if err := l.Append(sample()...); err != nil {
			t.Fatal(err)
		}
	}
	if l.Size() <= 256 {
		t.Errorf("wants a rewrite at %d bytes already", l.Size())
	}
	if err := l.Rewrite(live); err != nil {
		t.Fatal(err)
	}
	if l.Wants(live) {
		t.Error("wants a rewrite right after one")
	}
	extra := Record{4, []byte("x")}
	if err := l.Append(extra); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, found := open(t, path)
	if want := append(live[:2:2], extra); !equal(found.Records, want) {
		t.Errorf("after rewrite: %v, want %v", found.Records, want)
	}
	if left, _ := filepath.Glob(path + ".new"); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestLogDegrades: a medium that refuses writes stops nobody; the reason is
// shown, and a Rewrite after the medium recovered makes the log whole.
func TestLogDegrades(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	path := filepath.Join(dir, "log")
	l, _ := OpenLog(LogConfig{Path: path, Version: 1})
	if l.Err() == nil {
		t.Fatal("no error without a directory")
	}
	for range 3 {
		if err := l.Append(sample()...); err == nil {
			t.Fatal("Append said nothing")
		}
		if err := l.Sync(); err == nil {
			t.Fatal("Sync said nothing")
		}
	}
	if err := l.Rewrite(sample()); err == nil {
		t.Fatal("Rewrite said nothing")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Rewrite(sample()); err != nil || l.Err() != nil {
		t.Fatalf("Rewrite with a directory: %v, Err %v", err, l.Err())
	}
	if err := l.Append(Record{4, nil}); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, found := open(t, path)
	if diff := cmp.Diff(len(sample())+1, len(found.Records)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// TestLogFull fills the file up to its limit of RLIMIT_FSIZE, the nearest
// thing to a full medium that needs no mount: EFBIG in the middle of a record.
func TestLogFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _ := open(t, path)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := old
	limit.Cur = 1000
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	written := 0
	var failed error
	for failed == nil && written < 1000 {
		if failed = l.Append(Record{1, fmt.Appendf(nil, "record %03d", written)}); failed == nil {
			written++
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(failed, unix.EFBIG) || !errors.Is(l.Err(), unix.EFBIG) {
		t.Fatalf("Append on a full medium: %v, Err %v", failed, l.Err())
	}
	again, found := open(t, path)
	if len(found.Records) != written || found.Torn != 0 || found.Bad != 0 {
		t.Errorf("%d records, torn %d, bad %d, want %d whole ones", len(found.Records), found.Torn, found.Bad, written)
	}
	_ = again.Close()
	if err := l.Rewrite(nil); err != nil || l.Err() != nil {
		t.Errorf("Rewrite once there is room: %v", err)
	}
}

func TestLogLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _ := OpenLog(LogConfig{Path: path, Version: 1, MaxSize: 200})
	if err := l.Append(Record{1, make([]byte, MaxPayload+1)}); !errors.Is(err, ErrTooLarge) || l.Err() != nil {
		t.Errorf("oversized record: %v, Err %v; want it refused and the log unharmed", err, l.Err())
	}
	if err := l.Append(Record{1, make([]byte, 100)}, Record{1, make([]byte, 100)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("append over MaxSize: %v", err)
	}
	_ = l.Close()
	if err := os.WriteFile(path, make([]byte, 201), 0o600); err != nil {
		t.Fatal(err)
	}
	l, found := OpenLog(LogConfig{Path: path, Version: 1, MaxSize: 200})
	defer l.Close()
	if found.SetAside == "" || l.Err() != nil {
		t.Errorf("a file over MaxSize: %+v, %v; want it set aside", found, l.Err())
	}
}

// FuzzScan: no file content makes the reader fail, and what it returns can be
// written and read again.
func FuzzScan(f *testing.F) {
	h := header{version: 1, salt: [saltLen]byte{1, 2, 3}}
	var whole []byte
	for _, r := range sample() {
		whole = h.appendRecord(whole, r)
	}
	f.Add(whole)
	f.Add(whole[:20])
	f.Add(append([]byte{recordMark, 0, 0}, whole...))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, end, _ := h.scan(b)
		if end > len(b) {
			t.Fatalf("end %d of %d", end, len(b))
		}
		var again []byte
		for _, r := range list {
			again = h.appendRecord(again, r)
		}
		back, end, bad := h.scan(again)
		if !equal(back, list) || end != len(again) || bad != 0 {
			t.Fatalf("%v became %v", list, back)
		}
	})
}
