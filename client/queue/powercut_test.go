package queue

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
)

var (
	states = flag.Int("queue.states", 40_000, "crash states that TestPowerCut replays")
	flips  = flag.Int("queue.flips", 2_000, "bits that TestBitFlip flips")
	seed   = flag.Uint64("queue.seed", 1, "of both")
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// story is one recorded life of a queue and what an observer outside knows of it.
type story struct {
	tape      tape
	run, disk *memDir
	cfg       Config
	now       time.Time
	data      map[uint64]string // what was put, by number
	accepted  map[uint64]int    // calls made when Put returned
	safe      map[uint64]int    // calls made when it was promised to survive a power cut
	leaving   map[uint64]int    // calls made before it was done or dropped
	left      map[uint64]int    // and after
	stormy    bool              // flash has failed: IDs may not be reserved
}

func newStory(r *rand.Rand) *story {
	s := &story{now: noon, data: map[uint64]string{}, accepted: map[uint64]int{}, safe: map[uint64]int{}, leaving: map[uint64]int{}, left: map[uint64]int{}}
	s.run, s.disk = newMemDir(&s.tape), newMemDir(&s.tape)
	s.cfg = Config{
		Mode: []Mode{Spill, OnDisk, OnDisk}[r.IntN(3)], Sync: []time.Duration{0, time.Second}[r.IntN(2)],
		SegmentSize: int64(200 + r.IntN(600)), IDs: r.IntN(2) == 0, MaxMessages: 10 + r.IntN(40),
		run: s.run, disk: s.disk, manual: true, salt: r.Uint32,
		Now: func() time.Time { return s.now },
	}
	return s
}

// record plays a random life: steps of puts, results, ticks, link changes,
// restarts by kill -9 and by Close.
func record(r *rand.Rand, steps int) *story {
	s := newStory(r)
	q := s.open()
	for range steps {
		switch n := r.IntN(20); {
		case n < 9:
			s.put(q, r)
		case n < 13:
			s.done(q, r)
		case n < 17:
			s.tick(q, r)
		case n < 18:
			q.SetLink(r.IntN(2) == 0)
			s.weather(r)
		case n < 19:
			q = s.open() // kill -9: nothing is closed
		default:
			_ = q.Close()
			s.promise(q, true)
			q = s.open()
		}
	}
	return s
}

// weather makes flash fail, or be well again: full, read-only or with errors
// at some kinds of call.
func (s *story) weather(r *rand.Rand) {
	if s.disk.fail != nil || r.IntN(3) > 0 {
		s.disk.fail = nil
		return
	}
	s.stormy = true
	kinds := []string{"create", "write", "sync", "syncdir", "remove"}
	broken := kinds[r.IntN(len(kinds))]
	s.disk.fail = func(what string, _ int) error {
		if what == broken || broken == "remove" && what != "read" && what != "sync" {
			return unix.EROFS
		}
		return nil
	}
}

func (s *story) open() *Queue {
	cfg := s.cfg
	cfg.OnDrop = func(m client.Message, _ string) {
		s.leaving[m.Seq], s.left[m.Seq] = 0, len(s.tape.calls) // its position may be on the medium already
	}
	q, _ := Open(cfg)
	return q
}

func (s *story) put(q *Queue, r *rand.Rand) {
	data := fmt.Sprintf("%d:%x", len(s.data), make([]byte, r.IntN(60)))
	s.data[q.Stats().LastSeq+1] = data
	m, held, err := q.Put(client.Message{Source: "uart", Data: []byte(data)})
	if err != nil {
		panic(err)
	}
	s.data[m.Seq] = data
	s.accepted[m.Seq] = len(s.tape.calls)
	if held == client.Disk {
		s.safe[m.Seq] = len(s.tape.calls)
	}
}

func (s *story) done(q *Queue, r *rand.Rand) {
	list := q.Read(0, 1+r.IntN(6), 1000)
	if len(list) == 0 {
		if n := len(s.pending()); n > 0 {
			panic(fmt.Sprintf("read nothing of %d", n))
		}
		return
	}
	for i, seq := range s.pending()[:len(list)] {
		if list[i].Seq != seq {
			panic(fmt.Sprintf("read %d in place of %d", list[i].Seq, seq))
		}
	}
	before := len(s.tape.calls)
	q.Done(list[len(list)-1].Seq)
	for _, m := range list {
		s.leaving[m.Seq], s.left[m.Seq] = before, len(s.tape.calls)
	}
}

// pending lists what was accepted and has not left, in order.
func (s *story) pending() (list []uint64) {
	for seq := range s.accepted {
		if _, left := s.left[seq]; !left {
			list = append(list, seq)
		}
	}
	slices.Sort(list)
	return list
}

func (s *story) tick(q *Queue, r *rand.Rand) {
	s.now = s.now.Add(time.Duration(r.IntN(30)) * time.Second)
	q.tick()
	s.promise(q, q.Stats().Spilling || s.cfg.Mode == OnDisk)
}

// promise notes that all that waits now is on flash and synced.
func (s *story) promise(q *Queue, all bool) {
	for seq := range s.accepted {
		if _, had := s.safe[seq]; all && !had && q.Stats().Health == "" {
			s.safe[seq] = len(s.tape.calls)
		}
	}
}

// check opens what is left after k calls and compares it with what must be there.
func (s *story) check(k int, run, disk *memDir, must func(seq uint64) bool, mustNot func(seq uint64) bool) error {
	cfg := s.cfg
	cfg.run, cfg.disk = run, disk
	q, _ := Open(cfg)
	got := readAllMessages(q)
	last, have := uint64(0), map[uint64]bool{}
	for _, m := range got {
		if m.Seq <= last {
			return fmt.Errorf("%d comes after %d", m.Seq, last)
		}
		last, have[m.Seq] = m.Seq, true
		if s.data[m.Seq] != string(m.Data) || m.Source != "uart" || m.To != "" {
			return fmt.Errorf("invented: %d %q, was %q", m.Seq, m.Data, s.data[m.Seq])
		}
		if mustNot(m.Seq) {
			return fmt.Errorf("%d was done and is back", m.Seq)
		}
	}
	for seq := range s.accepted {
		if must(seq) && !have[seq] {
			return fmt.Errorf("lost: %d (mode %s, sync %v), found %v", seq, s.cfg.Mode, s.cfg.Sync, slices.Sorted(maps.Keys(have)))
		}
	}
	m, _, err := q.Put(client.Message{Data: []byte("after")})
	if err != nil || m.Seq <= last {
		return fmt.Errorf("put after it: %d, %v, want above %d", m.Seq, err, last)
	}
	for seq, at := range s.accepted {
		if s.cfg.IDs && !s.stormy && at <= k && m.ID <= seq {
			return fmt.Errorf("ID %d is given out again after %d", m.ID, seq)
		}
	}
	return nil
}

func readAllMessages(q *Queue) (all []client.Message) {
	for after := uint64(0); ; {
		list := q.Read(after, 7, 500)
		if len(list) == 0 {
			return all
		}
		all = append(all, list...)
		after = list[len(list)-1].Seq
	}
}

// TestPowerCut (LC-04) replays what a power cut, and a kill -9, may leave after
// each single call: it opens, every synced message is there or was done, order
// is kept and nothing is invented. After a kill -9 everything accepted is there
// and nothing that was done.
func TestPowerCut(t *testing.T) {
	r := rand.New(rand.NewPCG(*seed, 0))
	for done := 0; done < *states; {
		s := record(r, 60)
		m := medium{files: map[string]*node{}}
		for k, c := range s.tape.calls {
			if c.dir == s.disk {
				m.apply(c)
			}
			k++ // calls made
			cut := func() error {
				return s.check(k, newMemDir(nil), m.cut(r), func(seq uint64) bool {
					at, safe := s.safe[seq]
					gone, left := s.leaving[seq]
					return safe && at <= k && !(left && gone <= k)
				}, func(uint64) bool { return false })
			}
			kill := func() error {
				return s.check(k, whole(s.tape.calls[:k], s.run), whole(s.tape.calls[:k], s.disk), func(seq uint64) bool {
					gone, left := s.leaving[seq]
					return s.accepted[seq] <= k && !(left && gone <= k)
				}, func(seq uint64) bool {
					gone, left := s.left[seq]
					return left && gone <= k
				})
			}
			for i, f := range []func() error{cut, cut, cut, kill} {
				if err := f(); err != nil {
					s.dump(t)
					t.Fatalf("seed %d, state %d, after call %d of %d (%s %s), %s: %v", *seed, done, k, len(s.tape.calls), c.what, c.name, []string{"cut", "cut", "cut", "kill"}[i], err)
				}
				done++
			}
		}
	}
}

// TestBitFlip (LC-04): one flipped bit anywhere costs one message at most.
func TestBitFlip(t *testing.T) {
	r := rand.New(rand.NewPCG(*seed, 1))
	for done := 0; done < *flips; {
		s := record(r, 80)
		calls := s.tape.calls
		base := waiting(s, whole(calls, s.run), whole(calls, s.disk))
		for range 50 {
			run, disk := whole(calls, s.run), whole(calls, s.disk)
			where := flip(r, run, disk)
			lost := 0
			have := map[uint64]bool{}
			if err := s.check(0, clone(run), clone(disk), func(uint64) bool { return false }, func(uint64) bool { return false }); err != nil {
				t.Fatalf("flip in %s: %v", where, err)
			}
			for _, seq := range waiting(s, run, disk) {
				have[seq] = true
			}
			for _, seq := range base {
				if !have[seq] {
					lost++
				}
			}
			if lost > 1 {
				t.Fatalf("flip in %s cost %d messages of %v", where, lost, base)
			}
			done++
		}
	}
}

func flip(r *rand.Rand, dirs ...*memDir) string {
	type spot struct {
		name string
		b    []byte
	}
	var all []spot
	for _, d := range dirs {
		for _, name := range slices.Sorted(maps.Keys(d.files)) {
			if b := *d.files[name]; len(b) > 0 {
				all = append(all, spot{name, b})
			}
		}
	}
	f := all[r.IntN(len(all))]
	at := r.IntN(len(f.b))
	f.b[at] ^= 1 << r.IntN(8)
	return fmt.Sprintf("%s at %d", f.name, at)
}

func clone(d *memDir) *memDir {
	c := newMemDir(nil)
	for name, b := range d.files {
		n := slices.Clone(*b)
		c.files[name] = &n
	}
	return c
}

func waiting(s *story, run, disk *memDir) (list []uint64) {
	cfg := s.cfg
	cfg.run, cfg.disk = run, disk
	q, _ := Open(cfg)
	for _, m := range readAllMessages(q) {
		list = append(list, m.Seq)
	}
	return list
}

// dump shows with -v what the queue did, and when which message was safe.
func (s *story) dump(t *testing.T) {
	if !testing.Verbose() {
		return
	}
	for k, c := range s.tape.calls {
		t.Log(k+1, map[*memDir]string{s.run: "run", s.disk: "disk"}[c.dir], c.what, c.name, c.off, len(c.data))
	}
	t.Log("accepted", s.accepted)
	t.Log("safe", s.safe)
	t.Log("left", s.left)
}
