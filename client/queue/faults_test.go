package queue

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
)

// TestLC04FlashFails: ENOSPC, EROFS and EIO of flash, at every kind of call,
// lose nothing: messages go to run, a health code says why, and when flash is
// well again they move there.
func TestLC04FlashFails(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSPC, unix.EROFS, unix.EIO} {
		for _, what := range []string{"create", "write", "sync", "syncdir"} {
			for _, sync := range []time.Duration{0, time.Second} {
				t.Run(fmt.Sprint(errno, what, sync), func(t *testing.T) {
					d := newDesk(t, Config{Mode: OnDisk, Sync: sync, SegmentSize: 150})
					d.mustPut(t, "a")
					d.pass(time.Second)
					d.disk.fail = func(w string, _ int) error {
						if w == what {
							return errno
						}
						return nil
					}
					want := []string{"a"}
					for i := range 6 {
						want = append(want, fmt.Sprint(i))
						if _, held := d.mustPut(t, want[i+1]); held != client.Run && what != "syncdir" && i > 3 {
							t.Errorf("held %v on a flash that fails", held)
						}
						d.pass(time.Second)
					}
					st := d.Stats()
					if st.Health != HealthNoDisk || !strings.Contains(st.HealthText, errno.Error()) {
						t.Errorf("health %q: %q", st.Health, st.HealthText)
					}
					d.want(t, want...)
					d.wantInRun(t, want[3:]...) // the first ones fit into a segment that is sound
					d.reopen()                  // kill -9 in this state
					d.want(t, want...)
					d.disk.fail = nil
					d.pass(RetryDisk)
					d.mustPut(t, "z")
					d.pass(time.Second)
					if st := d.Stats(); st.Health != "" {
						t.Errorf("still %q: %q", st.Health, st.HealthText)
					}
					d.run.files = map[string]*[]byte{} // a power cut: all is on flash again
					d.reopen()
					d.want(t, append(want, "z")...)
					d.wantDrops(t)
				})
			}
		}
	}
}

// wantInRun opens what is in run alone.
func (d *desk) wantInRun(t *testing.T, data ...string) {
	t.Helper()
	cfg := d.cfg
	cfg.run, cfg.disk = clone(d.run), newMemDir(nil)
	q, _ := Open(cfg)
	have := map[string]bool{}
	for _, m := range readAllMessages(q) {
		have[string(m.Data)] = true
	}
	for _, s := range data {
		if !have[s] {
			t.Errorf("%s is not in run", s)
		}
	}
}

// TestLC04MoveKeepsOriginal: while flash cannot sync, what is moved there stays
// in run, untouched; the kernel may drop the pages of the copy.
func TestLC04MoveKeepsOriginal(t *testing.T) {
	d := newDesk(t, Config{Mode: Spill})
	d.mustPut(t, "a")
	d.mustPut(t, "b")
	before := len(d.run.tape.calls)
	d.disk.fail = func(what string, _ int) error {
		if what == "sync" {
			return unix.EIO
		}
		return nil
	}
	d.pass(10 * time.Second)
	if count(d.disk, "create") == 0 {
		t.Fatal("nothing was moved")
	}
	if after := len(d.run.tape.calls); after != before {
		t.Errorf("run was changed: %+v", d.run.tape.calls[before:])
	}
	d.want(t, "a", "b")
}

// TestLC04RunFails: where tmpfs is full, mode spill goes to flash; with neither
// the message is refused, and what was accepted stays.
func TestLC04RunFails(t *testing.T) {
	d := newDesk(t, Config{Mode: Spill})
	d.mustPut(t, "a")
	full := func(w string, _ int) error {
		if w == "create" || w == "write" {
			return unix.ENOSPC
		}
		return nil
	}
	d.run.fail = full
	d.mustPut(t, "b")
	d.want(t, "a", "b")
	if st := d.Stats(); st.Health != HealthNoRun || st.FlashBytes == 0 {
		t.Errorf("%+v", st)
	}
	d.disk.fail = full
	if _, _, err := d.Put(client.Message{Data: []byte("c")}); err == nil {
		t.Error("accepted what can be kept nowhere")
	}
	d.run.fail, d.disk.fail = nil, nil
	d.mustPut(t, "d")
	d.want(t, "a", "b", "d")
	d.reopen()
	d.want(t, "a", "b", "d")
}

// TestLC04Damage: a message that cannot be read back gives its one result, the
// others come.
func TestLC04Damage(t *testing.T) {
	d := newDesk(t, Config{Mode: RunOnly})
	for _, s := range []string{"a", "b", "c"} {
		d.mustPut(t, s)
	}
	for name, b := range d.run.files {
		if name != positionName {
			(*b)[len(*b)/2] ^= 4
		}
	}
	d.want(t, "a", "c")
	d.wantDrops(t, "2 damaged on the medium")
	d.Done(3)
	d.want(t)
}

// TestLC04RealFull: a tmpfs of 64 KiB, filled to the last byte.
func TestLC04RealFull(t *testing.T) {
	small := t.TempDir()
	if err := unix.Mount("luatnetd-test", small, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	defer func() { _ = unix.Unmount(small, unix.MNT_DETACH) }()
	q, _ := Open(Config{Run: filepath.Join(t.TempDir(), "run"), Disk: filepath.Join(small, "q"), Mode: OnDisk})
	for i := range 200 {
		if _, _, err := q.Put(client.Message{Data: fmt.Appendf(nil, "%0999d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if st := q.Stats(); st.Health != HealthNoDisk || st.Messages != 200 {
		t.Errorf("%+v", st)
	}
	got := readAllMessages(q)
	for i, m := range got {
		if want := fmt.Sprintf("%0999d", i); string(m.Data) != want {
			t.Fatalf("message %d is %.20q", i, m.Data)
		}
	}
	if len(got) != 200 {
		t.Errorf("%d messages came back, want 200", len(got))
	}
	q.Done(200)
	_ = q.Close()
	if list, _ := os.ReadDir(filepath.Join(small, "q")); len(list) > 2 {
		t.Errorf("%d files left on a full flash", len(list))
	}
}
