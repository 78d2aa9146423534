package engine

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"luatnetd/client"
	"luatnetd/client/hub"
	"luatnetd/internal/ctl"
)

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
