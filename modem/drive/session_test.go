package drive

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/data"
	"luatnetd/modem/modemtest"
	"luatnetd/modem/tty"
)

// echoLimit is after how long pppd gives up a peer without echoes.
const echoLimit = 15 * time.Second

// callFacts are the programs that carry data, which outlive the driver.
// world.mu guards them.
type callFacts struct {
	term tty.Conn           // of the port that has dialled last
	call *modemtest.PPPCall // that runs at the modem
	proc *process           // pppd, uqmi or umbim; nil: none
	runs int                // programs started so far

	touched []string // ports that were opened while pppd had them
}

// process plays pppd, or the session that uqmi or umbim have started.
type process struct {
	plan   modem.DataPlan
	bearer modem.Bearer
	end    chan struct{} // closed to end it
	ended  chan struct{} // closed when it has, with cause
	once   sync.Once
	cause  modem.DataCause
}

// plane is the real netdev plane, or the stand-in for a program.
func (w *world) plane(plan modem.DataPlan) (data.Plane, error) {
	if plan.Kind == modem.DataNetdev {
		return data.New(plan, data.Env{Dir: w.cfg.Dir, Name: "4g", Link: func(string, bool) error { return nil }})
	}
	return &session{w: w, plan: plan, changes: make(chan modem.DataChanged, 4)}, nil
}

// terminal takes the port that has dialled; nothing can be a file here.
func (w *world) terminal(c tty.Conn) (*os.File, error) {
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Time{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls.term = c
	return nil, nil
}

// carry is the peer of a PPP call: it reads until the call is over.
func (w *world) carry(c modemtest.PPPCall) {
	w.mu.Lock()
	w.calls.call = &c
	w.mu.Unlock()
	_, _ = io.Copy(io.Discard, c.RW)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls.call == &c {
		w.calls.call = nil
	}
}

// session is a data plane: the driver's end of a process.
type session struct {
	w       *world
	plan    modem.DataPlan
	changes chan modem.DataChanged
	proc    *process
}

func (s *session) Changes() <-chan modem.DataChanged { return s.changes }

// Adopt takes over what runs by the same plan.
func (s *session) Adopt(ctx context.Context) bool {
	s.w.mu.Lock()
	p := s.w.calls.proc
	s.w.mu.Unlock()
	if p == nil || p.plan.Kind != s.plan.Kind || p.plan.Port != s.plan.Port || p.plan.Settings != s.plan.Settings {
		return false
	}
	s.follow(ctx, p)
	return true
}

func (s *session) Start(ctx context.Context, _ *os.File) error {
	p := &process{plan: s.plan, end: make(chan struct{}), ended: make(chan struct{})}
	s.w.mu.Lock()
	s.w.calls.runs++
	s.w.calls.proc = p
	s.w.mu.Unlock()
	if s.plan.Kind != modem.DataPPP {
		if err := s.w.emu.Bind(true); err != nil {
			p.over(s.w, modem.DataConnect)
			return err
		}
		p.bearer = bearerOf(s.w.emu.Data())
		go p.watch(s.w, nil)
		s.follow(ctx, p)
		return nil
	}
	s.w.mu.Lock()
	conn := s.w.calls.term
	s.w.mu.Unlock()
	for range 100 { // CONNECT is out before the call is
		s.w.mu.Lock()
		c := s.w.calls.call
		s.w.mu.Unlock()
		if c != nil {
			return s.speak(ctx, p, conn, c)
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = conn.Close()
	p.over(s.w, modem.DataConnect)
	return errors.New("nobody speaks PPP")
}

// bearerOf is what the network gave.
func bearerOf(st modemtest.DataState) modem.Bearer {
	b := modem.Bearer{Addr4: st.Addr4}
	if st.Addr6.IsValid() {
		b.Addr6 = netip.PrefixFrom(st.Addr6, 64)
	}
	return b
}

// speak is what comes of the negotiation.
func (s *session) speak(ctx context.Context, p *process, conn tty.Conn, c *modemtest.PPPCall) error {
	causes := map[string]modem.DataCause{"ppp-auth": modem.DataAuth, "ppp-lcp-refused": modem.DataNegotiat}
	if cause, bad := causes[c.Fault]; bad {
		_ = conn.Close()
		s.proc = p
		p.over(s.w, cause)
		s.say(modem.DataChanged{Netdev: "ppp0", Cause: cause})
		return nil
	}
	p.bearer = bearerOf(c.Data)
	if c.Fault == "ppp-no-echo" {
		time.AfterFunc(echoLimit, func() { p.over(s.w, modem.DataNoEcho) })
	}
	go p.watch(s.w, conn)
	s.follow(ctx, p)
	return nil
}

// watch ends the process when its bearer or line has gone.
func (p *process) watch(w *world, conn tty.Conn) {
	hung := make(chan struct{})
	if conn != nil {
		defer conn.Close()
		go func() { _, _ = io.Copy(io.Discard, conn); close(hung) }()
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.mu.Lock()
			over := conn != nil && w.calls.call == nil
			w.mu.Unlock()
			if over || conn == nil && !w.emu.Data().Up {
				p.over(w, modem.DataPeer)
			}
		case <-hung:
			p.over(w, modem.DataPeer)
			hung = nil
		case <-p.end:
			p.over(w, modem.DataAsked)
		case <-p.ended:
			return
		case <-w.life.Done():
			return
		}
	}
}

func (p *process) over(w *world, cause modem.DataCause) {
	p.once.Do(func() {
		p.cause = cause
		w.mu.Lock()
		if w.calls.proc == p {
			w.calls.proc = nil
		}
		w.mu.Unlock()
		close(p.ended)
	})
}

// follow tells of the process until it or the driver ends.
func (s *session) follow(ctx context.Context, p *process) {
	s.proc = p
	name := s.plan.Netdev
	if s.plan.Kind == modem.DataPPP {
		name = "ppp0"
	}
	s.changes <- modem.DataChanged{Up: true, Netdev: name, Bearer: p.bearer}
	go func() {
		select {
		case <-p.ended:
			s.say(modem.DataChanged{Netdev: name, Cause: p.cause})
		case <-ctx.Done():
			select {
			case <-p.ended: // stopped
				s.say(modem.DataChanged{Netdev: name, Cause: p.cause})
			case <-time.After(time.Minute):
				close(s.changes)
			case <-s.w.life.Done():
			}
		case <-s.w.life.Done():
		}
	}()
}

func (s *session) say(last modem.DataChanged) {
	s.changes <- last
	close(s.changes)
}

func (s *session) Stop(context.Context) error {
	p := s.proc
	if p == nil {
		s.say(modem.DataChanged{Netdev: s.plan.Netdev, Cause: modem.DataAsked})
		return nil
	}
	select {
	case <-p.end:
	default:
		close(p.end)
	}
	return nil
}
