package queue

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"luatnetd/client"
)

// desk is a queue in memory whose clock and ticks are the test's.
type desk struct {
	*Queue
	cfg       Config
	run, disk *memDir
	now       time.Time
	drops     []string // "seq reason"
}

func newDesk(t *testing.T, cfg Config) *desk {
	t.Helper()
	d := &desk{run: newMemDir(&tape{}), disk: newMemDir(&tape{}), now: noon, cfg: cfg}
	d.cfg.run, d.cfg.disk, d.cfg.manual = d.run, d.disk, true
	d.cfg.Now = func() time.Time { return d.now }
	d.cfg.OnDrop = func(m client.Message, reason string) {
		d.Stats() // no lock may be held here
		d.drops = append(d.drops, fmt.Sprint(m.Seq, " ", reason))
	}
	d.reopen()
	return d
}

func (d *desk) reopen() Recovered {
	q, found := Open(d.cfg)
	d.Queue = q
	return found
}

func (d *desk) pass(dt time.Duration) { d.now = d.now.Add(dt); d.tick() }

func (d *desk) mustPut(t *testing.T, data string) (client.Message, client.Held) {
	t.Helper()
	m, held, err := d.Put(client.Message{Source: "uart", To: "client-3", Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	return m, held
}

// want compares what waits.
func (d *desk) want(t *testing.T, data ...string) {
	t.Helper()
	var got []string
	for _, m := range readAllMessages(d.Queue) {
		got = append(got, string(m.Data))
	}
	if strings.Join(got, ",") != strings.Join(data, ",") {
		t.Errorf("waiting %v, want %v", got, data)
	}
	if st := d.Stats(); st.Messages != len(data) {
		t.Errorf("Stats counts %d messages, want %d", st.Messages, len(data))
	}
}

func (d *desk) wantDrops(t *testing.T, drops ...string) {
	t.Helper()
	if strings.Join(d.drops, ",") != strings.Join(drops, ",") {
		t.Errorf("dropped %q, want %q", d.drops, drops)
	}
}

func count(d *memDir, what string) (n int) {
	for _, c := range d.tape.calls {
		if c.what == what && (c.dir == d) {
			n++
		}
	}
	return n
}

// TestLC04Order: first in, first out, over segments and a kill -9; what was
// read stays until it is done.
func TestLC04Order(t *testing.T) {
	for _, mode := range []Mode{RunOnly, Spill, OnDisk} {
		t.Run(string(mode), func(t *testing.T) {
			d := newDesk(t, Config{Mode: mode, SegmentSize: 100})
			for _, s := range []string{"a", "b", "c", "d", "e"} {
				d.mustPut(t, s)
			}
			d.want(t, "a", "b", "c", "d", "e")
			if got := d.Read(1, 2, 100); len(got) != 2 || got[0].Seq != 2 || got[1].Seq != 3 {
				t.Errorf("Read(1, 2): %v", got)
			}
			if got := d.Read(0, 9, 0); len(got) != 1 {
				t.Errorf("Read with no bytes gave %d messages, want the first alone", len(got))
			}
			d.Done(2)
			found := d.reopen()
			if found.Messages != 3 || found.Damaged+found.Torn+found.Twice != 0 {
				t.Errorf("recovered %+v", found)
			}
			select {
			case <-d.Changed():
			default:
				t.Error("Changed is silent after a restart with messages")
			}
			d.want(t, "c", "d", "e")
			m := d.Read(0, 1, 100)[0]
			if m.Source != "uart" || m.To != "client-3" || !m.At.Equal(noon) {
				t.Errorf("came back as %+v", m)
			}
			d.Done(99)
			d.want(t)
			if m, _ := d.mustPut(t, "f"); m.Seq != 6 {
				t.Errorf("number %d after 5 messages", m.Seq)
			}
		})
	}
}

// TestLC04Held: what Put promises, by mode and sync.
func TestLC04Held(t *testing.T) {
	for _, tt := range []struct {
		mode Mode
		sync time.Duration
		want client.Held
	}{{RunOnly, 0, client.Run}, {Spill, 0, client.Run}, {OnDisk, time.Second, client.Run}, {OnDisk, 0, client.Disk}} {
		d := newDesk(t, Config{Mode: tt.mode, Sync: tt.sync})
		if _, held := d.mustPut(t, "x"); held != tt.want {
			t.Errorf("%s, sync %v: held %v, want %v", tt.mode, tt.sync, held, tt.want)
		}
		if synced := count(d.disk, "sync") > 0; synced != (tt.want == client.Disk) {
			t.Errorf("%s, sync %v: synced %v", tt.mode, tt.sync, synced)
		}
	}
}

// TestLC04Full: the rule for a full queue, by messages and by bytes. Each
// dropped message is told once, and not again after a restart.
func TestLC04Full(t *testing.T) {
	one := recordSize(client.Message{Source: "uart", To: "client-3", Data: []byte("a")})
	for name, limit := range map[string]Config{"messages": {MaxMessages: 2}, "bytes": {MaxBytes: 2*one + 1}} {
		t.Run(name, func(t *testing.T) {
			limit.Full = Oldest
			d := newDesk(t, limit)
			for _, s := range []string{"a", "b", "c", "d"} {
				d.mustPut(t, s)
			}
			d.want(t, "c", "d")
			d.wantDrops(t, "1 the queue was full", "2 the queue was full")
			d.reopen()
			d.want(t, "c", "d")
			if st := d.Stats(); len(d.drops) != 2 || st.DoneSeq != 2 {
				t.Errorf("after a restart: %q, %+v", d.drops, st)
			}
			for _, rule := range []Full{Newest, Refuse} {
				d.cfg.Full = rule
				d.reopen()
				_, _, err := d.Put(client.Message{Source: "uart", Data: []byte("e")})
				if !errors.Is(err, ErrFull) {
					t.Errorf("%s: %v, want ErrFull", rule, err)
				}
				st := d.Stats()
				if dropped := st.DroppedFull == 1; dropped != (rule == Newest) || st.Refused == 1 == dropped {
					t.Errorf("%s: dropped %d, refused %d", rule, st.DroppedFull, st.Refused)
				}
				d.want(t, "c", "d")
			}
		})
	}
}

func TestLC04TooLarge(t *testing.T) {
	d := newDesk(t, Config{MaxMessage: 10})
	for _, m := range []client.Message{{Data: make([]byte, 11)}, {Source: strings.Repeat("s", 256)}, {To: strings.Repeat("t", 256)}} {
		if _, _, err := d.Put(m); !errors.Is(err, ErrTooLarge) {
			t.Errorf("Put of %d/%d/%d: %v, want ErrTooLarge", len(m.Data), len(m.Source), len(m.To), err)
		}
	}
	if _, _, err := d.Put(client.Message{Data: make([]byte, 10), Source: strings.Repeat("s", 255), To: strings.Repeat("t", 255)}); err != nil {
		t.Errorf("Put at the limits: %v", err)
	}
	d.reopen()
	if got := d.Read(0, 1, 1); len(got) != 1 || len(got[0].Source) != 255 {
		t.Errorf("after a restart: %v", got)
	}
}

// TestLC04Age: what is too old is dropped, told once; a clock that is set makes
// nothing old, in the same process or after a restart.
func TestLC04Age(t *testing.T) {
	d := newDesk(t, Config{MaxAge: time.Minute})
	d.mustPut(t, "a")
	d.pass(30 * time.Second)
	d.mustPut(t, "b")
	d.pass(31 * time.Second)
	d.want(t, "b")
	d.wantDrops(t, "1 older than the limit")
	if st := d.Stats(); st.DroppedOld != 1 || st.Oldest != 31*time.Second {
		t.Errorf("Stats %+v", st)
	}
	d.pass(time.Hour)
	d.want(t)

	d.now = time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC)
	d.reopen()
	d.mustPut(t, "from 1970")
	d.now = noon
	d.reopen()
	d.tick()
	d.want(t, "from 1970")
}

// TestLC04ClockStep: a clock that is set while messages wait, as after the
// first SNTP answer, neither drops them nor moves them to flash.
func TestLC04ClockStep(t *testing.T) {
	var step time.Duration
	cfg := Config{MaxAge: time.Hour, Mode: Spill}
	cfg.step = func(_, _ time.Time) time.Duration { s := step; step = 0; return s }
	d := newDesk(t, cfg)
	d.SetLink(true)
	d.mustPut(t, "a")
	step = 50 * 365 * 24 * time.Hour
	d.pass(step)
	d.mustPut(t, "b")
	d.want(t, "a", "b")
	d.pass(30 * time.Second)
	if st := d.Stats(); st.Oldest != 30*time.Second || st.Spilling {
		t.Errorf("after a step of 50 years and 30 s: %+v", st)
	}
	d.pass(time.Hour)
	d.wantDrops(t, "1 older than the limit", "2 older than the limit")
}

// TestLC04NoFlashWhileHealthy: mode spill with a link that is up writes nothing
// to flash, whatever passes through.
func TestLC04NoFlashWhileHealthy(t *testing.T) {
	d := newDesk(t, Config{Mode: Spill})
	d.SetLink(true)
	for i := range 3000 {
		m, _ := d.mustPut(t, fmt.Sprint(i))
		if i%3 == 2 {
			d.Read(0, 9, 1000)
			d.Done(m.Seq)
		}
		d.pass(time.Second)
	}
	if n := len(d.disk.tape.calls); n != 0 {
		t.Errorf("%d calls to flash, first %+v", n, d.disk.tape.calls[0])
	}
	if n := len(d.run.files); n > 3 {
		t.Errorf("%d files are left in run", n)
	}
}

// TestLC04Spill: a link that stays down, and a backlog that is old, move what
// waits to flash; when both are over flash is left alone and empty.
func TestLC04Spill(t *testing.T) {
	for name, tt := range map[string]struct {
		linkUp bool
		wait   time.Duration // until flash is used
	}{"link down": {false, 10 * time.Second}, "old backlog": {true, time.Minute}} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Config{Mode: Spill, SegmentSize: 120})
			d.SetLink(tt.linkUp)
			for _, s := range []string{"a", "b", "c"} {
				d.mustPut(t, s)
			}
			d.pass(tt.wait - time.Second)
			if n := len(d.disk.files); n != 0 {
				t.Fatalf("%d files on flash too early", n)
			}
			d.pass(time.Second)
			if run := len(d.run.files); run != 1 || !d.Stats().Spilling {
				t.Fatalf("%d files left in run, %+v", run, d.Stats())
			}
			d.mustPut(t, "d")
			d.pass(6 * time.Second)
			d.run.files = map[string]*[]byte{} // a power cut
			d.reopen()
			d.want(t, "a", "b", "c", "d")
			d.pass(time.Minute)
			d.SetLink(true)
			d.Done(4)
			d.pass(time.Second)
			if n := len(d.disk.files); n != 1 { // the position
				t.Errorf("%d files left on flash", n)
			}
			before := len(d.disk.tape.calls)
			d.mustPut(t, "e")
			d.Done(5)
			d.pass(time.Second)
			if after := len(d.disk.tape.calls); after != before {
				t.Errorf("flash is still written after the backlog")
			}
		})
	}
}

// TestLC04Stop: in mode spill a stop moves what waits to flash.
func TestLC04Stop(t *testing.T) {
	d := newDesk(t, Config{Mode: Spill})
	d.SetLink(true)
	d.mustPut(t, "a")
	d.mustPut(t, "b")
	d.Done(1)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Put(client.Message{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Put after Close: %v", err)
	}
	d.run.files = map[string]*[]byte{}
	d.reopen()
	d.want(t, "b")
}

// TestLC04IDs: an ID is never given out twice, power cuts included; after a
// kill -9 they go on without a gap.
func TestLC04IDs(t *testing.T) {
	d := newDesk(t, Config{Mode: Spill, IDs: true})
	d.SetLink(true)
	var last uint64
	for i := range 5 {
		m, _ := d.mustPut(t, "x")
		if m.ID != m.Seq || m.ID <= last {
			t.Fatalf("ID %d, Seq %d after %d", m.ID, m.Seq, last)
		}
		d.Done(m.Seq)
		switch last = m.ID; i {
		case 1:
			d.reopen() // kill -9
			if m, _ := d.mustPut(t, "y"); m.ID != last+1 {
				t.Errorf("ID %d after a kill -9, want %d", m.ID, last+1)
			}
		case 3:
			d.run.files = map[string]*[]byte{} // a power cut
			d.reopen()
		}
	}
	if n := count(d.disk, "sync"); n > 4 {
		t.Errorf("%d syncs for IDs, want two at the start and two after the power cut", n)
	}
}

// TestSymlinkIsNotFollowed: a link in the queue's directory is no segment.
func TestSymlinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	rec := appendRecord(nil, 1, client.Message{Seq: 1, Data: []byte("x")})
	if err := os.WriteFile(victim, rec, 0o600); err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(run, segmentName(1, 1))); err != nil {
		t.Fatal(err)
	}
	q, found := Open(Config{Run: run})
	if found.Messages != 0 {
		t.Errorf("read through a link: %+v", found)
	}
	_ = q.Close()
	if b, _ := os.ReadFile(victim); !bytes.Equal(b, rec) {
		t.Error("the link's target was changed")
	}
}

// TestPositionTorn: a position whose writing was cut at any byte is the one
// before or the new one.
func TestPositionTorn(t *testing.T) {
	for n := range slotLen + 1 {
		d := newMemDir(&tape{})
		p := position{dir: d}
		for done := uint64(1); done <= 3; done++ {
			if err := p.write(done, 9, false); err != nil {
				t.Fatal(err)
			}
		}
		c := d.tape.calls[len(d.tape.calls)-1]
		torn := newMemDir(nil)
		torn.files[positionName] = new([]byte)
		for _, w := range d.tape.calls[1 : len(d.tape.calls)-1] {
			put(torn.files[positionName], w.off, w.data)
		}
		put(torn.files[positionName], c.off, c.data[:n])
		q := position{dir: torn}
		if found, err := q.load(); !found || err != nil || q.done != 3 && (q.done != 2 || n == slotLen) || q.reserved != 9 {
			t.Errorf("cut at %d: %v, %v, done %d, reserved %d", n, found, err, q.done, q.reserved)
		}
	}
}
