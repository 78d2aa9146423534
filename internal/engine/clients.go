package engine

import (
	"reflect"
	"sync/atomic"
	"time"

	"luatnetd/client"
	"luatnetd/client/conn"
	"luatnetd/client/hub"
	"luatnetd/client/port"
	"luatnetd/internal/host"
)

// clients are the long connections and what is around them. The loop owns it;
// other goroutines use the hub, the clock, and what view points to.
type clients struct {
	hub     hub.Hub
	parts   map[string]*part
	network conn.Network
	view    atomic.Pointer[clientView]
	fed     atomic.Int64 // when the network watchdog was fed, ns since boot
	watch   *watch       // nil while the network watchdog is off
	reports atomic.Int32 // scheduled short connections under way
	sleep   sleep
}

// clientView is what the control socket reads. It is never changed, only replaced.
type clientView struct {
	order       []string
	connections map[string]*connection
	servers     map[string]*server
	ports       map[string]*port.Port
	oneshots    map[string]*oneshot
	network     conn.Network
	clock       *host.SNTP // nil while [time] is off
}

// adjustClients makes the client framework equal to the configuration. What did
// not change is not disturbed: its sessions, its queue and its clients stay.
func (e *Engine) adjustClients() {
	c := &e.clients
	want := e.wantedConnections()
	want = append(want, e.wantedServers()...)
	want = append(want, e.wantedSources()...)
	want = append(want, e.wantedClock()...)
	next := map[string]*part{}
	view := &clientView{connections: map[string]*connection{}, servers: map[string]*server{}, ports: map[string]*port.Port{}, oneshots: map[string]*oneshot{}, network: c.network}
	var gate gate
	var start []func()
	for _, w := range want {
		p := c.parts[w.task]
		if p == nil || !reflect.DeepEqual(p.cfg, w.cfg) {
			old := p
			p = &part{name: w.name, cfg: w.cfg, done: make(chan struct{})}
			run := w.make(p)
			if p.conn != nil {
				gate = append(gate, p.conn.known)
			}
			start = append(start, func() {
				if w.source {
					run = gate.before(run)
				}
				e.startPart(w.task, p, old, run)
			})
		}
		next[w.task] = p
		view.add(p)
	}
	for name, old := range c.parts {
		if next[name] != old {
			old.cancel()
			if n := next[name]; old.gone != nil && (n == nil || n.gone == nil) {
				old.gone() // its successor takes the place in the hub, if it has one
			}
		}
	}
	c.parts = next
	c.hub.SetRoutes(e.routes())
	c.view.Store(view)
	for _, f := range start {
		f()
	}
	e.watchConfig()
	e.sleepConfig()
	e.tellServers()
	c.tell()
}

func (v *clientView) add(p *part) {
	switch {
	case p.conn != nil:
		v.order = append(v.order, p.name)
		v.connections[p.name] = p.conn
	case p.server != nil:
		v.servers[p.name] = p.server
	case p.port != nil:
		v.ports[p.name] = p.port
	case p.shot != nil:
		v.oneshots[p.name] = p.shot
	case p.clock != nil:
		v.clock = p.clock
	}
}

// feed is called by connections when something came in or was confirmed.
func (e *Engine) feed() { e.clients.fed.Store(e.now().UnixNano()) }

// message is what a source gives the hub.
func message(source string, data []byte) client.Message {
	return client.Message{Source: source, Data: data, At: time.Now()}
}
