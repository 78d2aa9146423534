package hub

import (
	"errors"
	"fmt"
	"sync"

	"luatnetd/client"
)

// ErrNoTarget says that no route leads from a source to any target.
var ErrNoTarget = errors.New("no route leads to a connection or server")

// Target takes messages. Offer returns how safe the message is, or why it was
// refused; done is then never called. After a nil error done is called exactly
// once, from any goroutine, perhaps before Offer returns. A nil done is allowed.
type Target interface {
	Offer(m client.Message, done func(client.Result)) (client.Held, error)
}

// Sink takes what was received. It may block: a slow sink slows the socket.
type Sink func(client.Received) error

// Route says what may go where. An empty list means every name.
type Route struct {
	From, To []string
}

// Hub is the meeting point. The zero value has no targets and lets everything
// go everywhere.
type Hub struct {
	mu      sync.RWMutex // guards what follows
	order   []string
	targets map[string]Target
	sinks   map[string]Sink
	ears    map[string]func(client.Received)
	routes  []Route
}

// Outcome is what one target said to one message.
type Outcome struct {
	Target string
	Held   client.Held
	Err    error // refused
}

// SetTarget adds or replaces the target called name; nil removes it.
func (h *Hub) SetTarget(name string, t Target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.targets == nil {
		h.targets = map[string]Target{}
	}
	_, had := h.targets[name]
	switch {
	case t == nil:
		delete(h.targets, name)
		h.order = without(h.order, name)
		return
	case !had:
		h.order = append(h.order, name)
	}
	h.targets[name] = t
}

// SetSink adds or replaces the sink called name; nil removes it.
func (h *Hub) SetSink(name string, s Sink) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sinks == nil {
		h.sinks = map[string]Sink{}
	}
	if s == nil {
		delete(h.sinks, name)
		return
	}
	h.sinks[name] = s
}

// SetListener adds a listener that hears everything, whatever the routes say;
// nil removes it. It must not wait.
func (h *Hub) SetListener(name string, f func(client.Received)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ears == nil {
		h.ears = map[string]func(client.Received){}
	}
	if f == nil {
		delete(h.ears, name)
		return
	}
	h.ears[name] = f
}

// SetRoutes replaces the routes; none means that everything goes everywhere.
func (h *Hub) SetRoutes(r []Route) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.routes = r
}

// Send offers m to every target its source is routed to (SEND_DATA_REQ) and
// returns what each said. done is called once for each that took it.
func (h *Hub) Send(m client.Message, done func(target string, r client.Result)) ([]Outcome, error) {
	h.mu.RLock()
	var names []string
	var to []Target
	for _, name := range h.order {
		if allowed(h.routes, m.Source, name) {
			names, to = append(names, name), append(to, h.targets[name])
		}
	}
	h.mu.RUnlock()
	if len(to) == 0 {
		return nil, fmt.Errorf("message from %s: %w", m.Source, ErrNoTarget)
	}
	out := make([]Outcome, len(to))
	for i, t := range to {
		out[i] = offer(names[i], t, m, done)
	}
	return out, nil
}

// SendTo offers m to the one target called name, whatever the routes say.
func (h *Hub) SendTo(name string, m client.Message, done func(target string, r client.Result)) (Outcome, error) {
	h.mu.RLock()
	t := h.targets[name]
	h.mu.RUnlock()
	if t == nil {
		return Outcome{}, fmt.Errorf("message from %s to %s: %w", m.Source, name, ErrNoTarget)
	}
	return offer(name, t, m, done), nil
}

func offer(name string, t Target, m client.Message, done func(string, client.Result)) Outcome {
	var f func(client.Result)
	if done != nil {
		f = func(r client.Result) { done(name, r) }
	}
	held, err := t.Offer(m, f)
	return Outcome{Target: name, Held: held, Err: err}
}

// Deliver hands r to every sink its connection is routed to
// (RECV_DATA_FROM_SERVER). Errors of all sinks are joined.
func (h *Hub) Deliver(r client.Received) error {
	h.mu.RLock()
	var to []Sink
	for name, s := range h.sinks {
		if allowed(h.routes, r.From, name) {
			to = append(to, s)
		}
	}
	for _, f := range h.ears {
		f(r)
	}
	h.mu.RUnlock()
	var errs []error
	for _, s := range to {
		errs = append(errs, s(r))
	}
	return errors.Join(errs...)
}
