package engine

import (
	"fmt"
	"net/http"
	"time"

	"luatnetd/client"
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
