package conn

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"luatnetd/client"
	"luatnetd/client/sock"
)

// Queue is what a connection needs of its queue.
type Queue interface {
	Put(client.Message) (client.Message, client.Held, error)
	Read(after uint64, messages, bytes int) []client.Message
	Done(seq uint64)
	Changed() <-chan struct{}
}

// Network is what a connection has to know about uplinks.
type Network struct {
	Active string // "" while none is usable
	Routes map[string]sock.Route
	Usable map[string]bool
}

// Event is a change of state.
type Event struct {
	Name   string
	State  client.State
	Uplink string
	Cause  client.Cause // why the last session ended, zero if it did not
}

// Config is one connection.
type Config struct {
	Name   string
	Sock   sock.Config
	Policy client.Policy
	Uplink string // always this one; "" follows the active one
	Prefix string // before what is received, "" for none
	Queue  Queue
	Done   uint64 // the queue's position at the start

	SetLink func(up bool)               // the queue hears whether there is a session; nil allowed
	Deliver func(client.Received) error // may block: that slows the socket
	Feed    func()                      // the network watchdog; nil where it is not fed
	Values  func() map[string]string    // of placeholders; nil for none
	Event   func(Event)                 // from the connection's goroutine; nil allowed
	Now     func() time.Time            // since boot
	Log     *slog.Logger
	Trace   int // bytes of trace that are kept, 0 for 32 KiB
}

// Connection is one long connection. Methods may be called from any goroutine.
type Connection struct {
	cfg   Config
	cache sock.Cache
	trace *trace
	kick  chan struct{} // capacity 1: something below mu has changed

	accepted, confirmed, dropped atomic.Uint64
	runs                         atomic.Int64
	results                      results

	mu        sync.Mutex // guards what follows
	net       Network
	reconnect string            // why, "" for no
	status    client.ConnStatus // as of the last turn
	before    client.Counters   // of the runs before this one
	watchers  []*watcher        // captures under way
}

// New returns a connection that Run runs.
func New(cfg Config) *Connection {
	if cfg.Event == nil {
		cfg.Event = func(Event) {}
	}
	if cfg.Feed == nil {
		cfg.Feed = func() {}
	}
	if cfg.SetLink == nil {
		cfg.SetLink = func(bool) {}
	}
	if cfg.Values == nil {
		cfg.Values = func() map[string]string { return nil }
	}
	if cfg.Trace == 0 {
		cfg.Trace = 32 << 10
	}
	c := &Connection{cfg: cfg, kick: make(chan struct{}, 1), trace: newTrace(cfg.Trace)}
	c.status = client.ConnStatus{
		Name: cfg.Name, Kind: cfg.Sock.Kind, Confirmed: string(cfg.Policy.Confirmed), State: client.LinkOff.String(),
		Remote: net.JoinHostPort(cfg.Sock.Host, strconv.Itoa(int(cfg.Sock.Port))), Since: cfg.Now(),
	}
	return c
}

// Offer takes a message: it is in the queue when this returns nil. done is
// called exactly once, when it is confirmed or dropped; nil is allowed.
func (c *Connection) Offer(m client.Message, done func(client.Result)) (client.Held, error) {
	c.results.putting()
	m, held, err := c.cfg.Queue.Put(m)
	if err != nil {
		c.results.put(0, nil)
		return 0, err
	}
	c.accepted.Add(1)
	c.results.put(m.Seq, done)
	return held, nil
}

// Dropped gives a message that a written rule of the queue dropped its result.
// The queue calls it outside of its lock; Offer may be under way.
func (c *Connection) Dropped(seq uint64, reason string) {
	c.dropped.Add(1)
	c.results.drop(seq, client.Result{Reason: reason})
}

// SetNetwork tells what uplinks there are.
func (c *Connection) SetNetwork(n Network) {
	c.mu.Lock()
	c.net = n
	c.mu.Unlock()
	c.wake()
}

// Reconnect makes the connection anew; why is shown as the cause.
func (c *Connection) Reconnect(why string) {
	c.mu.Lock()
	c.reconnect = why
	c.mu.Unlock()
	c.wake()
}

func (c *Connection) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// Status returns how it stands.
func (c *Connection) Status() client.ConnStatus {
	c.mu.Lock()
	s := c.status
	c.mu.Unlock()
	s.Accepted, s.Acknowledged, s.Dropped = c.accepted.Load(), c.confirmed.Load(), c.dropped.Load()
	s.Panics = max(0, int(c.runs.Load())-1)
	return s
}

// Trace is what happened last: states, events, and the bytes as a hex dump.
func (c *Connection) Trace() string { return c.trace.String() }

// view is the network as the machine sees it.
func (c *Connection) view() (client.NetView, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := client.NetView{Want: c.net.Active, Usable: c.net.Usable}
	if c.cfg.Uplink != "" {
		v.Want = ""
		if c.net.Usable[c.cfg.Uplink] {
			v.Want = c.cfg.Uplink
		}
	}
	why := c.reconnect
	c.reconnect = ""
	return v, why
}

func (c *Connection) route(uplink string) (sock.Route, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.net.Routes[uplink]
	return r, ok
}

// Run runs the connection until ctx ends. After a panic it may be called again:
// what was unconfirmed is sent again.
func (c *Connection) Run(ctx context.Context) error {
	c.runs.Add(1)
	r := c.newRunner()
	defer r.end()
	return r.loop(ctx)
}

// newRunner is no part of Run, whose stack an idle connection keeps: the copies
// made here would double it.
//
//go:noinline
func (c *Connection) newRunner() *runner {
	return &runner{
		Connection: c, inbox: make(chan any, 4), links: map[int]*link{},
		session: client.NewSession(&c.cfg.Policy, c.cfg.Done, c.cfg.Values(), rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))),
	}
}

var errGone = errors.New("the uplink is gone")
