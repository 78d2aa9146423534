package conn

import (
	"context"
	"sync"
	"time"

	"luatnetd/client"
	"luatnetd/client/sock"
)

// Sizes of what goes through one system call.
const (
	readSize     = 4 << 10
	datagramSize = 64 << 10 // the largest
	writeSize    = 16 << 10 // about one TLS record
)

// dial connects in a goroutine of its own.
func (r *runner) dial(o client.Order) {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.Policy.Connect)
	route, ok := r.route(o.Uplink)
	l := &link{id: o.Link, cancel: cancel, route: route}
	r.links[o.Link] = l
	r.trace.note(r.cfg.Now(), "link %d: dial %s through %s", o.Link, r.status.Remote, o.Uplink)
	r.spawn(func() {
		ev := dialed{l: l, err: errGone}
		if ok {
			cfg := r.cfg.Sock
			cfg.Opened = func(o sock.Opening) { r.opened(l, o) }
			ev.conn, ev.err = sock.Dial(ctx, cfg, route, &r.cache, func(st client.State) { r.post(progress{l, st}) })
		}
		if !r.post(ev) && ev.conn != nil {
			_ = ev.conn.Abort()
		}
	})
}

// post hands an event to the loop; false: the run has ended.
func (r *runner) post(ev any) bool {
	select {
	case r.inbox <- ev:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// Buffers of connections that have something to read; an idle one holds none.
var (
	streamBuffers   = sync.Pool{New: func() any { return new([readSize]byte) }}
	datagramBuffers = sync.Pool{New: func() any { return new([datagramSize]byte) }}
)

// read reads until the socket ends.
func (r *runner) read(l *link) {
	next := make(chan struct{}, 1)
	var own []byte
	for ok := true; ok; {
		switch {
		case own != nil || !l.conn.Await():
			if own == nil {
				own = make([]byte, readSize) // of TLS, where the socket does not tell what TLS holds
				if r.cfg.Policy.Datagrams {
					own = make([]byte, datagramSize)
				}
			}
			ok = r.readOnce(l, own, next)
		case r.cfg.Policy.Datagrams:
			buf := datagramBuffers.Get().(*[datagramSize]byte)
			if ok = r.readOnce(l, buf[:], next); ok {
				datagramBuffers.Put(buf)
			}
		default:
			buf := streamBuffers.Get().(*[readSize]byte)
			if ok = r.readOnce(l, buf[:], next); ok {
				streamBuffers.Put(buf)
			}
		}
	}
}

// readOnce reads and returns when what it read was taken, so a slow sink slows
// the socket; false: that was the last, and somebody may still look at buf.
func (r *runner) readOnce(l *link, buf []byte, next chan struct{}) bool {
	n, err := l.conn.Read(buf)
	if n > 0 {
		if !r.post(received{l, buf[:n], next}) {
			return false
		}
		select {
		case <-next:
		case <-r.ctx.Done():
			return false
		}
	}
	if err != nil {
		r.post(broken{l, err})
	}
	return err == nil
}

// send puts writes on the link; a writer runs while there are any.
func (r *runner) send(l *link, writes []client.Write) {
	for _, w := range writes {
		r.trace.sent(r.cfg.Now(), w)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, writes...)
	if !l.writing {
		l.writing = true
		r.spawn(func() { r.write(l) })
	}
}

// write writes what there is, several messages in one call where it is a stream.
func (r *runner) write(l *link) {
	var buf []byte
	for {
		tokens, data := l.batch(buf[:0], r.cfg.Policy.Datagrams)
		if len(tokens) == 0 {
			return
		}
		buf = data
		if _, err := l.conn.Write(data); err != nil {
			r.post(broken{l, err})
			return
		}
		if !r.post(wrote{l, tokens, l.conn.Written()}) {
			return
		}
	}
}

// batch takes the next writes; none ends the writer.
func (l *link) batch(buf []byte, single bool) (tokens []uint64, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, w := range l.writes {
		if n > 0 && (single || len(buf)+len(w.Bytes) > writeSize) {
			break
		}
		buf, tokens, n = append(buf, w.Bytes...), append(tokens, w.Token), n+1
	}
	clear(l.writes[:n])
	l.writes = l.writes[n:]
	if len(l.writes) == 0 {
		l.writes = nil
	}
	l.writing = n > 0
	return tokens, buf
}

// close ends a link, in order or by force; its goroutines end by themselves. In
// order means that our side is closed, and that the reader goes on until the
// other end has closed, too, or the time is over.
func (r *runner) close(l *link, force bool) {
	l.cancel()
	if l.conn != nil && !force && !l.shut {
		l.shut = true
		if l.conn.CloseWrite() == nil {
			time.AfterFunc(r.cfg.Policy.Close, func() { _ = l.conn.Abort() })
			return
		}
	}
	delete(r.links, l.id)
	if l.conn != nil {
		_ = l.conn.Abort()
	}
}

// end closes everything in order and waits for the goroutines.
func (r *runner) end() {
	panicked := recover()
	if r.ctx == nil {
		if panicked != nil {
			panic(panicked)
		}
		return
	}
	if panicked == nil {
		r.do(r.session.Stop(r.cfg.Now()))
	}
	r.mu.Lock()
	r.before = r.before.Add(r.session.Counters())
	r.mu.Unlock()
	for _, l := range r.links {
		if l.conn != nil && l.shut {
			continue // what was sent must not die with a reset: its time is bounded
		}
		r.close(l, true)
	}
	done := make(chan struct{})
	go func() { r.wg.Wait(); close(done) }()
	limit := time.NewTimer(r.cfg.Policy.Close + time.Second)
	defer limit.Stop()
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		case <-limit.C:
			waiting = false // a sink that never returns must not hold the daemon
		case ev := <-r.inbox: // whoever still has something to say
			switch ev := ev.(type) {
			case dialed:
				if ev.conn != nil {
					_ = ev.conn.Abort()
				}
			case received:
				ev.next <- struct{}{}
			case broken:
				_ = ev.l.conn.Abort()
			}
		}
	}
	if panicked != nil {
		panic(panicked)
	}
}
