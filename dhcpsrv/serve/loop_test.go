package serve

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"luatnetd/dhcpsrv"
	"luatnetd/internal/store"
	"luatnetd/netif"
)

// hung is a loop whose log never answers by itself: the test is the committer.
func hung(t *testing.T) (*loop, *time.Time) {
	t.Helper()
	now := netif.Boot(time.Hour)
	cfg := lanConfig(t.TempDir()).config()
	cfg.Now = func() time.Time { return now }
	l := newLoop(New(cfg))
	l.commit = &committer{jobs: make(chan job, 1), done: make(chan result, 1)}
	return l, &now
}

func (l *loop) feed(records, waiting, free int) {
	l.decide(func(*dhcpsrv.Table, time.Time) dhcpsrv.Output {
		out := dhcpsrv.Output{Records: make([]dhcpsrv.Record, records)}
		for range waiting {
			out.Replies = append(out.Replies, dhcpsrv.Reply{Wait: true})
		}
		for range free {
			out.Replies = append(out.Replies, dhcpsrv.Reply{})
		}
		return out
	})
	l.flush()
}

// TestAckWaitsForTheLog: S55. An ACK waits, also one of a quiet renewal behind
// an unwritten record; an OFFER never does; a hanging log is given up on.
func TestAckWaitsForTheLog(t *testing.T) {
	l, _ := hung(t)
	l.feed(0, 1, 0)
	if len(l.nextReplies)+len(l.outReplies) != 0 {
		t.Fatal("an ACK with nothing unwritten waits")
	}
	l.feed(1, 1, 1)
	if j := <-l.commit.jobs; len(j.records) != 1 || len(l.outReplies) != 1 || !l.busy {
		t.Fatalf("job %+v, %d replies wait, want 1 and 1", j, len(l.outReplies))
	}
	l.feed(2, 1, 1) // meanwhile: the group that goes with the next sync
	if len(l.nextRecords) != 2 || len(l.nextReplies) != 1 {
		t.Fatalf("%d records and %d replies collected, want 2 and 1", len(l.nextRecords), len(l.nextReplies))
	}
	l.committed(result{})
	l.flush()
	if j := <-l.commit.jobs; len(j.records) != 2 || len(l.outReplies) != 1 {
		t.Fatalf("second job %+v with %d replies", j, len(l.outReplies))
	}
	l.overdue()
	if len(l.outReplies) != 0 || !l.slow || l.s.Status().Store == nil {
		t.Fatal("a hanging log still holds the ACK, or nobody is told")
	}
	l.feed(1, 1, 0)
	if len(l.nextReplies) != 0 {
		t.Fatal("ACKs wait for a log that hangs")
	}
	for range backlogMax {
		l.feed(1, 0, 0)
	}
	if len(l.nextRecords) > backlogMax || !l.whole {
		t.Fatalf("%d records are kept for a log that hangs", len(l.nextRecords))
	}
	l.committed(result{})
	l.flush()
	if j := <-l.commit.jobs; !j.rewrite || l.s.Status().Store != nil {
		t.Fatalf("once it answers: %+v, want the whole table", j)
	}
}

// TestFailingLogIsTriedAgain: after an error nobody waits, and after a while
// the whole table is written.
func TestFailingLogIsTriedAgain(t *testing.T) {
	l, now := hung(t)
	l.feed(1, 1, 0)
	<-l.commit.jobs
	l.committed(result{err: errors.New("read-only")})
	l.feed(1, 1, 0)
	if l.busy || len(l.nextReplies) != 0 || l.s.Status().Store == nil {
		t.Fatal("a failing log holds ACKs, is asked at once again, or is not shown")
	}
	*now = now.Add(storeRetry)
	l.flush()
	if j := <-l.commit.jobs; !j.rewrite {
		t.Fatalf("job %+v, want the whole table", j)
	}
	l.committed(result{})
	if l.s.Status().Store != nil {
		t.Fatal("the error stays after a success")
	}
	l.feed(1, 1, 0)
	if j := <-l.commit.jobs; j.rewrite || len(j.records) != 1 {
		t.Fatalf("job %+v, want one record", j)
	}
}

// TestCompaction: 2,000 records about one lease do not fill the medium.
func TestCompaction(t *testing.T) {
	now := netif.Boot(time.Hour)
	path := filepath.Join(t.TempDir(), "leases")
	cfg := lanConfig(t.TempDir()).config()
	cfg.Now, cfg.StateFile = func() time.Time { return now }, path
	l := newLoop(New(cfg))
	l.load()
	go l.commit.run()
	defer l.stop()
	var most int64
	for range 2000 {
		l.decide(func(*dhcpsrv.Table, time.Time) dhcpsrv.Output {
			return dhcpsrv.Output{Records: []dhcpsrv.Record{{Type: 1, Payload: make([]byte, 80)}}}
		})
		for l.flush(); l.busy; l.flush() {
			r := <-l.commit.done
			most = max(most, r.size)
			l.committed(r)
		}
	}
	if most > 3*compactAt {
		t.Errorf("the log grew to %d bytes", most)
	}
}

// TestEventsDropTheOldest: nobody reads, nobody waits.
func TestEventsDropTheOldest(t *testing.T) {
	s := New(lanConfig(t.TempDir()).config())
	for i := range eventCap + 10 {
		s.emit([]dhcpsrv.Event{{Kind: "bound", MAC: mac(i)}})
	}
	if e := <-s.Events(); e.MAC != mac(10) || s.Status().Lost != 10 {
		t.Errorf("first event %+v, %d lost; want the eleventh and 10", e, s.Status().Lost)
	}
}

// TestLogIsReadBack: what one run writes the next one finds, through store.
func TestLogIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases")
	log, _ := store.OpenLog(store.LogConfig{Path: path, Version: logVersion})
	c := newCommitter(log)
	go c.run()
	c.jobs <- job{records: []dhcpsrv.Record{{Type: 1, Payload: []byte("a")}}}
	if r := <-c.done; r.err != nil {
		t.Fatal(r.err)
	}
	c.jobs <- job{records: []dhcpsrv.Record{{Type: 1, Payload: []byte("b")}}}
	<-c.done
	close(c.jobs)
	<-c.done
	_, found := store.OpenLog(store.LogConfig{Path: path, Version: logVersion})
	if len(found.Records) != 2 {
		t.Errorf("found %+v", found)
	}
}
