package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"luatnetd/client"
	"luatnetd/client/conn"
	"luatnetd/client/queue"
	"luatnetd/internal/config"
)

// connection is one long connection with its queue.
type connection struct {
	cfg   config.Connection
	known signal // it is in the hub, or could not be opened

	mu    sync.Mutex // guards what follows; held while the connection runs
	state sync.Mutex // guards conn and queue for readers
	conn  *conn.Connection
	queue *queue.Queue
}

func (e *Engine) wantedConnections() (list []wanted) {
	for _, c := range e.cfg.Connections {
		c.Pos = config.Position{} // a line that moved is no change
		list = append(list, wanted{task: "connection " + c.Name, name: c.Name, cfg: c, make: func(p *part) func(context.Context) error {
			k := &connection{cfg: c, known: newSignal()}
			p.conn = k
			p.gone = func() { e.clients.hub.SetTarget(c.Name, nil) }
			return func(ctx context.Context) error { return e.runConnection(ctx, k) }
		}})
	}
	return list
}

// runConnection opens the queue, once, and runs the connection. After a panic
// it is called again and goes on with the same queue.
func (e *Engine) runConnection(ctx context.Context, k *connection) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.known.give() // sources do not wait for one that cannot be opened
	if ctx.Err() != nil {
		return nil
	}
	if k.conn == nil {
		e.openConnection(k)
	}
	k.known.give()
	return k.conn.Run(ctx)
}

// openConnection opens the queue and puts the connection into the hub. What the
// queue drops before the connection is there has nobody to tell.
func (e *Engine) openConnection(k *connection) {
	var made atomic.Pointer[conn.Connection]
	q, found := queue.Open(e.queueConfig(k.cfg, func(m client.Message, reason string) {
		if made := made.Load(); made != nil {
			made.Dropped(m.Seq, reason)
		}
	}))
	if found.Messages+found.Damaged > 0 {
		e.log.Info("queue found", "connection", k.cfg.Name, "messages", found.Messages, "bytes", found.Bytes, "damaged", found.Damaged)
	}
	c := conn.Config{
		Name: k.cfg.Name, Sock: e.sockConfig(k.cfg), Policy: policyOfConnection(k.cfg), Uplink: k.cfg.Uplink, Queue: q, Done: q.Stats().DoneSeq,
		SetLink: q.SetLink, Deliver: e.clients.hub.Deliver, Values: e.placeholders, Now: e.now, Log: e.log, Trace: k.cfg.Trace,
		Event: func(ev conn.Event) { e.post(e.ctx, ev) },
	}
	if k.cfg.PrefixRecv {
		c.Prefix = client.RecvPrefix(k.cfg.Label)
	}
	if k.cfg.FeedsWatchdog {
		c.Feed = e.feed
	}
	running := conn.New(c)
	made.Store(running)
	k.state.Lock()
	k.conn, k.queue = running, q
	k.state.Unlock()
	running.SetNetwork(e.clients.view.Load().network)
	e.clients.hub.SetTarget(k.cfg.Name, running)
}

// close lets go of the queue once the connection has ended.
func (k *connection) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.queue != nil {
		_ = k.queue.Close()
	}
}

// parts returns the running connection and its queue, nil before they are open.
func (k *connection) parts() (*conn.Connection, *queue.Queue) {
	k.state.Lock()
	defer k.state.Unlock()
	return k.conn, k.queue
}

// connectionChanged takes a change of state: event and log come from it.
func (e *Engine) connectionChanged(ev conn.Event) {
	if ev.State != client.OnLine && ev.State != client.OffLine && ev.State != client.LinkOff {
		e.log.Debug("connection "+ev.Name+" is "+ev.State.String(), "connection", ev.Name, "state", ev.State, "uplink", ev.Uplink)
		return // a step on the way; the trace has it
	}
	level, text := slog.LevelInfo, "connection "+ev.Name+" is "+ev.State.String()
	attrs := []any{"connection", ev.Name, "state", ev.State, "uplink", ev.Uplink}
	if ev.State != client.OnLine && ev.Cause.Text != "" {
		text += ": " + ev.Cause.Text
		attrs = append(attrs, "code", int(ev.Cause.Code))
	}
	e.record(level, "connection", text, attrs...)
}
