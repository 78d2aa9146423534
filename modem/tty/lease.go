package tty

import (
	"context"
	"os"
	"sync"
	"time"

	"luatnetd/modem"
)

// loan is a lease that waits for its turn.
type loan struct {
	master *os.File
	limit  time.Duration
}

// leased is the lease that runs.
type leased struct {
	mu     sync.Mutex
	master *os.File // nil: none
}

// Lease lends the port out for at most d: what another program writes to the pty
// at path goes to the modem, and what comes from there to the program. Commands
// wait meanwhile, polls are refused, and afterwards the port is resynchronised.
// Lease waits until the commands before it are done, or ctx ends. The lease ends
// early with EndLease, with the port, and two seconds after the last program has
// closed the pty.
func (p *Port) Lease(ctx context.Context, d time.Duration) (path string, err error) {
	master, path, err := openPty()
	if err != nil {
		return "", err
	}
	c := modem.Command{Priority: modem.UserPriority}
	j := &job{cmd: c, reply: make(chan modem.Reply, 1), borrow: &loan{master, d}}
	if err := p.queue.put(j); err != nil {
		_ = master.Close()
		return "", err
	}
	select {
	case r := <-j.reply:
		if r.Err != nil {
			_ = master.Close()
			return "", r.Err
		}
		return path, nil
	case <-ctx.Done():
		if withdrawn, _ := p.queue.withdraw(j); withdrawn {
			_ = master.Close()
		} else {
			p.EndLease()
		}
		return "", ctx.Err()
	}
}

// EndLease ends a lease that runs.
func (p *Port) EndLease() {
	p.leased.mu.Lock()
	defer p.leased.mu.Unlock()
	if p.leased.master != nil {
		_ = p.leased.master.SetReadDeadline(time.Unix(1, 0))
	}
}

// lend carries a lease out.
func (p *Port) lend(j *job) {
	if p.wire.carries() {
		j.reply <- modem.Reply{Err: ErrData}
		return
	}
	master := j.borrow.master
	p.setLeased(master, j.borrow.limit)
	p.wire.trace.note("the port is lent out")
	p.wire.lend(&sink{master})
	j.reply <- modem.Reply{}
	p.forward(master)
	p.setLeased(nil, 0)
	p.wire.lend(nil)
	_ = master.Close()
	p.wire.trace.note("the port is ours again")
	if !p.Ended() {
		p.resync()
	}
}

func (p *Port) setLeased(master *os.File, limit time.Duration) {
	p.leased.mu.Lock()
	defer p.leased.mu.Unlock()
	if master != nil {
		_ = master.SetReadDeadline(time.Now().Add(limit))
	}
	p.leased.master = master
}

// How long a pty that nobody has open any more is kept: lpac opens it anew for
// each of its commands.
const (
	hangupGrace = 2 * time.Second
	hangupLook  = 100 * time.Millisecond
)

// forward gives the modem what the program writes, until the lease ends.
func (p *Port) forward(master *os.File) {
	buf := make([]byte, 4096)
	var hungSince time.Time
	for !p.Ended() {
		began := time.Now()
		n, err := master.Read(buf)
		switch {
		case isTimeout(err):
			return
		case err == nil:
			hungSince = time.Time{}
			if !p.wire.relay(buf[:n]) {
				return
			}
			continue
		case hungSince.IsZero() || time.Since(began) > hangupLook/2: // it was open in between
			hungSince = time.Now()
		case time.Since(hungSince) > hangupGrace:
			return
		}
		select { // EIO: nobody has it open, which no event ends
		case <-time.After(hangupLook):
		case <-p.done:
		}
	}
}

// relay writes what a borrower writes, as it is.
func (w *wire) relay(b []byte) bool {
	w.trace.add(sent, b)
	_ = w.conn.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := w.conn.Write(b); err != nil {
		w.fail(cause(err))
		return false
	}
	return true
}

// sink takes what the modem sends for a borrower. One that does not read
// loses bytes: the port must not stop for it.
type sink struct{ master *os.File }

func (s *sink) Write(b []byte) (int, error) {
	_ = s.master.SetWriteDeadline(time.Now().Add(hangupLook))
	return s.master.Write(b)
}
