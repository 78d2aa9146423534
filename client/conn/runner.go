package conn

import (
	"context"
	"sync"
	"time"

	"luatnetd/client"
	"luatnetd/client/sock"
	"luatnetd/internal/task"
)

// Acknowledgements are asked for at this pace, half a round trip within limits.
const (
	ackMin = time.Millisecond
	ackMax = 50 * time.Millisecond
)

// runner is one run of a connection: its loop owns the machine.
type runner struct {
	*Connection
	session *client.Session
	inbox   chan any // capacity 4; a full one makes a reader or writer wait
	links   map[int]*link
	wg      sync.WaitGroup
	ctx     context.Context
	sink    sink

	shown client.State // what the last event said
	up    string
	timer *time.Timer
	acks  *time.Timer // nil while nothing waits for acknowledgements
	armed *link       // the one whose TCP_USER_TIMEOUT is set, nil for none
}

// link is one socket. The loop owns it; its reader and writer only read conn.
type link struct {
	id     int
	conn   *sock.Conn // nil while it connects
	cancel context.CancelFunc
	route  sock.Route
	shut   bool // closed by us in order: what still comes is delivered

	mu      sync.Mutex // guards what follows
	writes  []client.Write
	writing bool
	opening []sock.Opening // sockets that may still be connecting
}

// What the helpers of the loop tell it.
type (
	dialed struct {
		l    *link
		conn *sock.Conn
		err  error
	}
	progress struct {
		l  *link
		st client.State
	}
	received struct {
		l    *link
		data []byte
		next chan<- struct{} // capacity 1: the reader may go on
	}
	wrote struct {
		l      *link
		tokens []uint64
		end    uint64
	}
	broken struct {
		l   *link
		err error
	}
	panicked struct{ err error }
)

// spawn runs f beside the loop. Its panic ends this run, nothing else.
func (r *runner) spawn(f func()) {
	r.wg.Go(func() {
		if err := task.Guard(r.ctx, func(context.Context) error { f(); return nil }); err != nil {
			r.post(panicked{err})
		}
	})
}

func (r *runner) loop(ctx context.Context) error {
	r.ctx = ctx
	r.timer = time.NewTimer(time.Hour)
	defer r.timer.Stop()
	defer r.disarm()
	r.network()
	for {
		r.fill()
		r.pace()
		r.publish()
		r.sleep()
		select {
		case <-ctx.Done():
			return nil
		case ev := <-r.inbox:
			if p, ok := ev.(panicked); ok {
				return p.err
			}
			r.handle(ev)
		case <-r.kick:
			r.network()
		case <-r.cfg.Queue.Changed():
		case <-r.askNow():
			r.acknowledged()
		case <-r.timer.C:
			r.session.SetValues(r.cfg.Values())
			r.do(r.session.Tick(r.cfg.Now()))
		}
		for range cap(r.inbox) { // one turn answers all that has come
			select {
			case ev := <-r.inbox:
				if p, ok := ev.(panicked); ok {
					return p.err
				}
				r.handle(ev)
				continue
			default:
			}
			break
		}
	}
}

func (r *runner) sleep() {
	d := time.Hour
	if next := r.session.Next(); !next.IsZero() {
		d = max(0, next.Sub(r.cfg.Now()))
	}
	r.timer.Reset(d)
}

// network takes what uplinks there are, and a word to reconnect.
func (r *runner) network() {
	now := r.cfg.Now()
	r.showFlows()
	v, why := r.view()
	if why != "" {
		r.trace.note(now, "reconnect: %s", why)
		r.do(r.session.Reconnect(now, why))
	}
	r.do(r.session.Network(now, v))
	for _, l := range r.links {
		if route, ok := r.route(l.route.Uplink); ok && !l.shut && route.Bind.Source != l.route.Bind.Source {
			l.route = route
			r.do(r.session.Reconnect(now, "uplink "+route.Uplink+" has another address"))
			return
		}
	}
}

func (r *runner) handle(ev any) {
	now := r.cfg.Now()
	switch ev := ev.(type) {
	case progress:
		r.trace.note(now, "link %d: %s", ev.l.id, ev.st)
		r.session.Progress(now, ev.l.id, ev.st)
		r.publish()
	case dialed:
		r.dialed(now, ev)
	case wrote:
		for _, t := range ev.tokens {
			r.do(r.session.Wrote(now, ev.l.id, t, ev.end))
		}
		r.acknowledged()
	case received:
		r.trace.data(now, '<', ev.data)
		r.do(r.session.Received(now, ev.l.id, ev.data))
		r.sink.next(ev.next)
	case broken:
		if r.links[ev.l.id] == ev.l {
			if ev.l.shut {
				r.do(r.session.Broken(now, ev.l.id, client.Cause{}))
				r.close(ev.l, true)
				return
			}
			cause := ev.l.conn.Cause(ev.err)
			r.trace.note(now, "link %d: %s", ev.l.id, cause.Text)
			r.do(r.session.Broken(now, ev.l.id, cause))
			r.close(ev.l, true)
		}
	}
}

func (r *runner) dialed(now time.Time, ev dialed) {
	if r.links[ev.l.id] != ev.l { // given up meanwhile
		if ev.conn != nil {
			_ = ev.conn.Abort()
		}
		return
	}
	if ev.err != nil {
		cause := sock.Cause(ev.err)
		r.trace.note(now, "link %d: %s", ev.l.id, cause.Text)
		delete(r.links, ev.l.id)
		ev.l.cancel()
		r.do(r.session.Dialed(now, ev.l.id, &cause))
		return
	}
	ev.l.conn = ev.conn
	ev.l.cancel() // the time to connect has ended well
	ev.l.cancel = func() {}
	r.connected(ev.l)
	r.trace.note(now, "link %d: %s, %s to %s", ev.l.id, client.OnLine, ev.conn.LocalAddr(), ev.conn.RemoteAddr())
	r.spawn(func() { r.read(ev.l) })
	r.session.SetValues(r.cfg.Values())
	r.do(r.session.Dialed(now, ev.l.id, nil))
}

// fill moves messages from the queue to the wire while there is room.
func (r *runner) fill() {
	for {
		after, messages, size := r.session.Room()
		if messages == 0 {
			return
		}
		list := r.cfg.Queue.Read(after, messages, size)
		if len(list) == 0 {
			return
		}
		r.do(r.session.Offer(r.cfg.Now(), list))
	}
}

// pace asks for acknowledgements only while something waits for them, and sets
// the kernel's own limit only then: it overrides keep-alive.
func (r *runner) pace() {
	id, waiting := r.session.Waiting()
	l := r.links[id]
	if !waiting || l == nil || l.conn == nil {
		l = nil
	}
	if r.armed == l {
		return
	}
	if r.armed != nil {
		_ = r.armed.conn.SetUserTimeout(0) // it may be gone: no matter
		r.disarm()
	}
	if r.armed = l; l != nil {
		_ = l.conn.SetUserTimeout(r.cfg.Policy.Confirm)
		r.ask(l)
	}
}

// ask has acknowledged called after a while. The timer is made when it is first
// needed: an idle connection has none.
func (r *runner) ask(l *link) {
	d := min(max(l.conn.RTT()/2, ackMin), ackMax)
	if r.acks == nil {
		r.acks = time.NewTimer(d)
		return
	}
	r.acks.Reset(d)
}

func (r *runner) disarm() {
	if r.acks != nil {
		r.acks.Stop()
		r.acks = nil
	}
}

// askNow is when to ask; a nil channel never is.
func (r *runner) askNow() <-chan time.Time {
	if r.acks == nil {
		return nil
	}
	return r.acks.C
}

// acknowledged asks once what the other end's TCP has acknowledged.
func (r *runner) acknowledged() {
	id, waiting := r.session.Waiting()
	l := r.links[id]
	if !waiting || l == nil || l.conn == nil {
		return
	}
	n, err := l.conn.Acked()
	if err != nil {
		return // the reader will hear of it
	}
	r.do(r.session.Acked(r.cfg.Now(), id, n))
	if _, still := r.session.Waiting(); still && r.armed == l {
		r.ask(l)
	}
}

// do carries orders out.
func (r *runner) do(orders []client.Order) {
	for _, o := range orders {
		switch o.Do {
		case client.OrderDial:
			r.dial(o)
		case client.OrderSend:
			if l := r.links[o.Link]; l != nil && l.conn != nil {
				r.send(l, o.Writes)
			}
		case client.OrderShut:
			if l := r.links[o.Link]; l != nil {
				r.close(l, o.Force)
				if r.links[o.Link] == nil && !o.Force {
					r.do(r.session.Broken(r.cfg.Now(), o.Link, client.Cause{})) // it had no end to wait for
				}
			}
		case client.OrderConfirm:
			if !r.results.give(o.Seq, o.Result) {
				break // the queue has dropped it meanwhile
			}
			if o.Result.OK {
				r.confirmed.Add(1)
			} else {
				r.dropped.Add(1)
			}
		case client.OrderDone:
			r.cfg.Queue.Done(o.Seq)
			r.results.forget(o.Seq)
		case client.OrderDeliver:
			r.sink.put(r, client.Received{From: r.cfg.Name, Prefix: r.cfg.Prefix, Data: o.Data, At: time.Now()})
		case client.OrderFeed:
			r.cfg.Feed()
		}
	}
}

// publish makes the state known when it has changed.
func (r *runner) publish() {
	st, since, uplink, cause := r.session.State()
	n := r.session.Counters()
	r.mu.Lock()
	n = n.Add(r.before)
	s := &r.status
	s.State, s.Since, s.Uplink, s.LastError, s.LastCode = st.String(), since, uplink, cause.Text, cause.Code
	s.Sent, s.Resent, s.SentBytes, s.ReceivedBytes = n.Sent, n.Resent, n.SentBytes, n.ReceivedBytes
	s.Connects, s.Failures, s.Breaks = n.Connects, n.Failures, n.Breaks
	if l := r.newest(); l != nil && st == client.OnLine {
		info := l.conn.Info()
		s.Address, s.Insecure, s.TLS, s.Warning = l.conn.RemoteAddr().String(), info.Insecure, info.Version, info.Warning
	}
	r.mu.Unlock()
	if st == r.shown && uplink == r.up {
		return
	}
	if (st == client.OnLine) != (r.shown == client.OnLine) {
		r.cfg.SetLink(st == client.OnLine)
	}
	r.shown, r.up = st, uplink
	r.cfg.Event(Event{Name: r.cfg.Name, State: st, Uplink: uplink, Cause: cause})
}

// newest is the link that is connected and was made last, nil for none.
func (r *runner) newest() (best *link) {
	for _, l := range r.links {
		if l.conn != nil && !l.shut && (best == nil || l.id > best.id) {
			best = l
		}
	}
	return best
}
