package conn

import (
	"context"
	"slices"

	"luatnetd/client/sock"
	"luatnetd/internal/pcap"
)

// watcher is told of each socket of a connection.
type watcher struct {
	tell  func(pcap.Flow)
	shown chan struct{} // closed when it was told of those that were there before
	seen  bool          // of the connection's goroutine: it was
}

// Flows calls f with each socket that the connection has, and until stop with
// each later one before its first packet leaves. It returns when those that
// there are were told of, or ctx has ended. f is called from several goroutines
// and must not wait; a socket may be told of twice.
func (c *Connection) Flows(ctx context.Context, f func(pcap.Flow)) (stop func()) {
	w := &watcher{tell: f, shown: make(chan struct{})}
	c.mu.Lock()
	c.watchers = append(c.watchers, w)
	c.mu.Unlock()
	c.wake()
	select {
	case <-w.shown:
	case <-ctx.Done():
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.watchers = slices.DeleteFunc(slices.Clone(c.watchers), func(have *watcher) bool { return have == w })
	}
}

func (c *Connection) watching() []*watcher {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.watchers)
}

// opened hears of a socket before it connects. It is remembered for captures
// that begin while it does.
func (r *runner) opened(l *link, o sock.Opening) {
	l.mu.Lock()
	l.opening = append(l.opening, o)
	l.mu.Unlock()
	list := r.watching()
	if len(list) == 0 {
		return // the kernel chooses the port, as always
	}
	if f, ok := o.Flow(true); ok {
		for _, w := range list {
			w.tell(f)
		}
	}
}

// connected has one socket left, whose addresses are known now.
func (r *runner) connected(l *link) {
	l.mu.Lock()
	l.opening = nil
	l.mu.Unlock()
	for _, w := range r.watching() {
		w.tell(l.conn.Flow(l.route.Bind.Device))
	}
}

// showFlows tells new watchers of the sockets that there are.
func (r *runner) showFlows() {
	for _, w := range r.watching() {
		if w.seen {
			continue
		}
		w.seen = true
		for _, l := range r.links {
			l.flows(w.tell)
		}
		close(w.shown)
	}
}

func (l *link) flows(tell func(pcap.Flow)) {
	if l.conn != nil {
		tell(l.conn.Flow(l.route.Bind.Device))
		return
	}
	l.mu.Lock()
	list := slices.Clone(l.opening)
	l.mu.Unlock()
	for _, o := range list {
		if f, ok := o.Flow(false); ok {
			tell(f)
		}
	}
}
