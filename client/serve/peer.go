package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
)

// peer is one client of a TCP server.
type peer struct {
	name, addr string
	conn       *net.TCPConn
	confirm    time.Duration
	since      time.Time
	wake       chan struct{} // capacity 1: there is something to write, or the end

	mu     sync.Mutex // guards what follows
	queue  []job
	bytes  int
	ending bool  // the client will send nothing more: what waits is still written
	closed error // why, nil while it lives
}

// job is one message for one client. done is called exactly once, if put took it.
type job struct {
	data []byte
	done func(client.Result)
}

// What may wait for one client. More means that it does not keep up.
const (
	maxJobs  = 256
	maxBytes = 256 << 10
)

func newPeer(name string, conn *net.TCPConn, confirm time.Duration, now time.Time) *peer {
	// An error leaves the kernel's two hours: the write timeout still holds.
	_ = conn.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepIdle, Interval: keepInterval, Count: keepCount})
	return &peer{
		name: name, addr: conn.RemoteAddr().String(), conn: conn, confirm: confirm, since: now,
		wake: make(chan struct{}, 1),
	}
}

// put queues a message and never waits.
func (p *peer) put(j job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed != nil:
		return p.closed
	case p.ending:
		return errEnded
	case len(p.queue) >= maxJobs, p.bytes+len(j.data) > maxBytes && len(p.queue) > 0:
		return errors.New("does not keep up: its buffer is full")
	}
	p.queue = append(p.queue, j)
	p.bytes += len(j.data)
	p.notify()
	return nil
}

func (p *peer) notify() {
	select {
	case p.wake <- struct{}{}:
	default: // awake already
	}
}

// take returns what waits, and how the client is.
func (p *peer) take() (q []job, ending bool, closed error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q = p.queue
	p.queue, p.bytes = nil, 0
	return q, p.ending, p.closed
}

// errEnded is the usual end.
var errEnded = errors.New("the client ended the connection")

// end lets the writer finish what waits: a client may shut down its sending
// half and still read.
func (p *peer) end() {
	p.mu.Lock()
	p.ending = true
	p.notify()
	p.mu.Unlock()
}

// close ends the client; the first reason counts. The writer gives what waits
// its result.
func (p *peer) close(why error) {
	p.mu.Lock()
	if p.closed == nil {
		if why == nil {
			why = errEnded
		}
		p.closed = why
	}
	p.notify()
	p.mu.Unlock()
	_ = p.conn.Close()
}

func (p *peer) why() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// read hands on what the client sends until it ends, nil, or breaks.
func (p *peer) read(received func(peer string, data []byte)) error {
	buf := make([]byte, 4096)
	for {
		n, err := p.conn.Read(buf)
		if n > 0 {
			received(p.name, append([]byte(nil), buf[:n]...))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sent is a message that was written and is not acknowledged.
type sent struct {
	job
	end uint64 // bytes written with it
	at  time.Time
}

// Pauses between two looks at what is acknowledged.
const (
	firstLook = time.Millisecond
	maxLook   = 50 * time.Millisecond
)

// write sends what is queued and gives each message its result when the
// client's TCP has acknowledged it. Messages do not wait for each other.
func (p *peer) write(ctx context.Context) (err error) {
	var pending []sent
	defer func() { // also after a panic
		why := err
		if why == nil {
			why = errors.New("the server ends")
		}
		p.close(why)
		rest, _, _ := p.take()
		for _, j := range pending {
			rest = append(rest, j.job)
		}
		for _, j := range rest {
			j.done(notSent("%s: %v", p.name, p.why()))
		}
	}()
	look := time.NewTimer(time.Hour)
	defer look.Stop()
	var written uint64
	for pause := firstLook; ; pause = min(2*pause, maxLook) {
		select {
		case <-p.wake:
			pause = firstLook
		case <-look.C:
		}
		jobs, ending, closed := p.take()
		for _, j := range jobs { // pending first, so that no result is forgotten
			written += uint64(len(j.data))
			pending = append(pending, sent{job: j, end: written, at: time.Now()})
		}
		if closed != nil {
			return closed
		}
		for _, j := range jobs {
			_ = p.conn.SetWriteDeadline(time.Now().Add(p.confirm))
			if _, err := p.conn.Write(j.data); err != nil {
				pending, _ = p.settle(pending, written) // what it has, it has
				return fmt.Errorf("write: %w", err)
			}
		}
		if pending, err = p.settle(pending, written); err != nil {
			return err
		}
		switch {
		case len(pending) > 0:
			look.Reset(pause)
		case ending:
			return errEnded
		}
	}
}

// settle gives results to what is acknowledged and returns the rest.
func (p *peer) settle(pending []sent, written uint64) ([]sent, error) {
	if len(pending) == 0 {
		return pending, nil
	}
	open, err := p.unacknowledged()
	if err != nil {
		return pending, err
	}
	for len(pending) > 0 && pending[0].end+open <= written {
		done := pending[0].done
		pending = pending[1:] // first, so that a panic does not give two results
		done(client.Result{OK: true})
	}
	if len(pending) > 0 && time.Since(pending[0].at) > p.confirm {
		return pending, fmt.Errorf("did not acknowledge within %s", p.confirm)
	}
	return pending, nil
}

// unacknowledged is SIOCOUTQ: bytes that the client's TCP has not acknowledged.
func (p *peer) unacknowledged() (uint64, error) {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var inner error
	if err := raw.Control(func(fd uintptr) { n, inner = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
		return 0, err
	}
	return uint64(max(n, 0)), inner
}
