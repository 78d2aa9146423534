package modemtest

import (
	"context"
	"io"
	"sync"
)

// PPPCall is a port that has connected. RW carries PPP frames; its Read ends
// with io.EOF when the call is over: network, fault, reset, DTR.
type PPPCall struct {
	RW       io.ReadWriter
	Port     int
	CID      int
	Data     DataState // addresses of the bearer
	Fault    string    // "", "ppp-lcp-refused", "ppp-auth", "ppp-no-echo": what the peer has to do
	User     string    // that the host has to give
	Password string
}

// dialled is a call that has been answered.
type dialled struct {
	connect string
	cid     int
}

// dial activates the context and connects.
func (k *call) dial(cid int) result {
	m := k.m
	if !k.l.spec.PPP {
		return bad()
	}
	return result{delay: m.pace.Activate, then: func() result {
		if m.onLocked("ppp-no-connect", k.l) {
			return result{err: "NO CARRIER"}
		}
		if m.activateLocked(cid) != 0 {
			return result{err: "NO CARRIER"}
		}
		m.count.Dials++
		return result{dial: &dialled{connect: "CONNECT 150000000", cid: cid}}
	}}
}

// carry gives the port to the PPP peer until it is done; false ends the port.
func (c *conn) carry(ctx context.Context, d *dialled) bool {
	m := c.m
	m.lock()
	call := PPPCall{RW: &pppPort{c: c}, Port: c.l.spec.Interface, CID: d.cid, Data: m.dataStateLocked()}
	b := m.contextLocked(d.cid)
	call.Data.Addr4, call.Data.Addr6, call.Data.DNS, call.Data.Up, call.User, call.Password = b.addr4, b.addr6, m.net.dns, true, b.user, b.pass
	for _, name := range []string{"ppp-lcp-refused", "ppp-auth", "ppp-no-echo"} {
		if m.onLocked(name, c.l) {
			call.Fault = name
		}
	}
	m.unlock()
	stop := context.AfterFunc(ctx, call.RW.(*pppPort).hangUp)
	if f := m.opt.PPP; f != nil {
		f(call)
	} else {
		newPeer(call).run()
	}
	stop()
	m.lock()
	defer m.unlock()
	c.data = false
	if m.running {
		c.out.add(c.frameLocked(nil, "NO CARRIER"))
	}
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// dropCallsLocked ends the calls whose bearer is gone.
func (m *Modem) dropCallsLocked() {
	for _, l := range m.lines {
		if l.conn != nil && l.conn.data && (!m.running || !m.contextLocked(l.conn.cid).active) {
			l.conn.in.hangUp()
		}
	}
}

// hangupLocked ends every call.
func (m *Modem) hangupLocked() {
	m.eachLineLocked(func(l *line) {
		if l.conn.data && m.onLocked("ppp-hangup", l) {
			l.conn.in.hangUp()
		}
	})
}

// pppPort is the port as the PPP peer sees it.
type pppPort struct {
	c    *conn
	mu   sync.Mutex
	rest []byte // guarded by mu
	over bool
}

// Read gives what the host has sent, io.EOF at the end of the call.
func (p *pppPort) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return 0, io.EOF
	}
	if len(p.rest) == 0 {
		chunk, ok := p.c.in.takeCall()
		if !ok {
			p.over = true
			return 0, io.EOF
		}
		p.rest = chunk
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// Write sends to the host.
func (p *pppPort) Write(b []byte) (int, error) {
	if !p.c.out.put(b) {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

// hangUp ends the call.
func (p *pppPort) hangUp() { p.c.in.hangUp() }

// hangUp lets the reader of a call, if there is one, end.
func (p *pipe) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hung = true
	p.cond.Broadcast()
}

// resume forgets the end of the last call.
func (p *pipe) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hung = false
}

// takeCall is take, but ends when the call does.
func (p *pipe) takeCall() ([]byte, bool) {
	p.mu.Lock()
	for len(p.chunks) == 0 && !p.closed && !p.hung {
		p.cond.Wait()
	}
	if p.hung {
		p.hung = false
		p.mu.Unlock()
		return nil, false
	}
	p.mu.Unlock()
	return p.take()
}
