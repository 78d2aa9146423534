package engine

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"luatnetd/client"
	"luatnetd/client/hub"
	"luatnetd/internal/ctl"
	"luatnetd/internal/status"
)

// These answer the control socket on its own goroutines: the loop is not asked.

// connectionList is how every connection stands at this moment.
func (e *Engine) connectionList() []client.ConnStatus {
	v := e.clients.view.Load()
	list := make([]client.ConnStatus, 0, len(v.order))
	for _, name := range v.order {
		list = append(list, v.connections[name].status())
	}
	return list
}

// status joins what the connection and its queue say.
func (k *connection) status() client.ConnStatus {
	c, q := k.parts()
	if c == nil {
		return client.ConnStatus{Name: k.cfg.Name, Kind: k.cfg.Kind, State: client.LinkOff.String(), Confirmed: k.cfg.Confirmed}
	}
	s, n := c.Status(), q.Stats()
	s.Queued, s.QueuedBytes, s.Oldest = n.Messages, n.Bytes, n.Oldest
	return s
}

func (e *Engine) connection(name string) (*connection, error) {
	v := e.clients.view.Load()
	if k := v.connections[name]; k != nil {
		return k, nil
	}
	return nil, &ctl.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no connection %q", name), Hint: fmt.Sprintf("known: %v", v.order)}
}

func (e *Engine) connectionTrace(name string) (string, error) {
	k, err := e.connection(name)
	if err != nil {
		return "", err
	}
	c, _ := k.parts()
	if c == nil {
		return "", nil
	}
	return c.Trace(), nil
}

func (e *Engine) queueStatus(name string) (status.Queue, error) {
	k, err := e.connection(name)
	if err != nil {
		return status.Queue{}, err
	}
	_, q := k.parts()
	if q == nil {
		return status.Queue{Name: name}, nil
	}
	n := q.Stats()
	return status.Queue{
		Name: name, Mode: k.cfg.Queue.Mode, Messages: n.Messages, Bytes: n.Bytes, OldestS: n.Oldest.Seconds(), OnFlash: n.OnFlash, Spilling: n.Spilling,
		Accepted: n.Accepted, Done: n.Done, Refused: n.Refused, DroppedFull: n.DroppedFull, DroppedOld: n.DroppedOld, Damaged: n.Damaged,
		RunBytes: n.RunBytes, FlashBytes: n.FlashBytes, FlashSyncs: n.FlashSyncs, Health: n.Health, HealthText: n.HealthText,
	}, nil
}

// send is "ctl send": to one target by name, or with "" by the routes.
func (e *Engine) send(ctx context.Context, target, to string, data []byte, wait bool) (ctl.Sent, error) {
	m := message("ctl", data)
	m.To = to
	results := make(chan client.Result, 256) // more targets than a configuration may have: nobody waits
	done := func(_ string, r client.Result) { results <- r }
	var out []hub.Outcome
	var err error
	if target == "" {
		out, err = e.clients.hub.Send(m, done)
	} else {
		var o hub.Outcome
		o, err = e.clients.hub.SendTo(target, m, done)
		out = []hub.Outcome{o}
	}
	if err != nil {
		return ctl.Sent{}, &ctl.Error{Status: http.StatusNotFound, Message: err.Error(), Hint: "\"luatnetd ctl connections\" lists them"}
	}
	s := ctl.Sent{OK: true}
	waiting := 0
	for _, o := range out {
		t := ctl.SentTo{Target: o.Target, Held: o.Held.String()}
		if o.Err != nil {
			t.Held, t.Refused, s.OK = "", o.Err.Error(), false
		} else {
			waiting++
		}
		s.Targets = append(s.Targets, t)
	}
	for ; wait && waiting > 0; waiting-- {
		select {
		case r := <-results:
			s.OK = s.OK && r.OK
			s.Results = append(s.Results, ctl.Result{OK: r.OK, Reason: r.Reason})
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
	return s, nil
}

var listeners atomic.Uint64 // numbers the sinks of "ctl recv"

// receive is "ctl recv": what comes in, until ctx ends. A reader that does not
// keep up is cut off.
func (e *Engine) receive(ctx context.Context, from string, emit func(ctl.Received) error) error {
	name := fmt.Sprintf("ctl recv %d", listeners.Add(1))
	in := make(chan ctl.Received, 256) // a full one ends the listener, never the socket
	slow := make(chan struct{}, 1)
	e.clients.hub.SetListener(name, func(r client.Received) {
		if from != "" && r.From != from {
			return
		}
		select {
		case in <- ctl.Received{From: r.From, Peer: r.Peer, Prefix: r.Prefix, Data: r.Data, At: r.At}:
		default:
			select {
			case slow <- struct{}{}:
			default:
			}
		}
	})
	defer e.clients.hub.SetListener(name, nil)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-slow:
			return fmt.Errorf("more came in than was read")
		case r := <-in:
			if err := emit(r); err != nil {
				return err
			}
		}
	}
}

// shoot is "ctl oneshot".
func (e *Engine) shoot(ctx context.Context, name string, data []byte) (ctl.Shot, error) {
	o := e.clients.view.Load().oneshots[name]
	if o == nil {
		return ctl.Shot{}, &ctl.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no [[oneshot]] %q", name)}
	}
	if len(data) == 0 {
		data = []byte(o.cfg.Text)
	}
	a := o.send.Do(ctx, data)
	s := ctl.Shot{Status: a.Status, Reply: a.Reply, OK: a.Err == nil}
	if a.Err != nil {
		s.Error = a.Err.Error()
	}
	return s, nil
}

// clockStatus is "ctl time" (socket.ntptm).
func (e *Engine) clockStatus() status.Time {
	now, trusted := e.clients.time()
	t := status.Time{Now: now.UTC(), Trusted: trusted, System: time.Now().UTC()}
	v := e.clients.view.Load()
	if v.clock == nil {
		return t
	}
	s, err := v.clock.Sample()
	t.Valid, t.Server, t.OffsetMs, t.DelayMs = s.Valid, s.Server, s.Offset.Seconds()*1e3, s.Delay.Seconds()*1e3
	if err != nil {
		t.Error = err.Error()
	}
	return t
}
