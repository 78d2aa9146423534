package data

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"luatnetd/modem"
)

// Times of a PPP session.
const (
	pppStart  = 60 * time.Second       // from the start of pppd to an address: LCP, authentication and IPCP take 30 s each at worst
	pppSettle = 200 * time.Millisecond // after the peer's address: pppd's lines about DNS come next
	pppStop   = 10 * time.Second       // pppd asks the peer to end, and waits 3 s
)

// ppp is the plane of pppd on a tty that has been dialled.
type ppp struct {
	plan    modem.DataPlan
	env     Env
	program string
	changes chan modem.DataChanged
	stop    chan struct{} // closed by Stop
	asked   sync.Once
	done    chan struct{} // closed with changes
	running bool

	log   pppdLog
	limit time.Duration // pppStart
}

func newPPP(plan modem.DataPlan, env Env, program string) *ppp {
	return &ppp{
		plan: plan, env: env, program: program, limit: pppStart,
		changes: make(chan modem.DataChanged, 2), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

func (p *ppp) Changes() <-chan modem.DataChanged { return p.changes }

// file is the path of one of our files: "options", "log" or "session".
func (p *ppp) file(what string) string { return p.env.file("ppp." + what) }

func (e Env) file(what string) string { return filepath.Join(e.Dir, e.Name+"."+what) }

func (p *ppp) Start(ctx context.Context, tty *os.File) error {
	text, err := options(p.plan, p.env.Name, filepath.Join(p.env.Dir, "none"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.env.Dir, 0o700); err != nil {
		return err
	}
	if err := endSession(ctx, p.file("session")); err != nil {
		return err
	}
	if err := writePrivate(p.file("options"), text); err != nil {
		return err
	}
	s, err := p.spawn(tty)
	if err != nil {
		return err
	}
	return p.supervise(ctx, s)
}

// spawn starts pppd and notes it for who comes after us.
func (p *ppp) spawn(tty *os.File) (*process, error) {
	log, err := os.OpenFile(p.file("log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	c := exec.Command(p.program, "file", p.file("options"))
	if tty == nil {
		c.Args = append(c.Args, p.plan.Port)
	} else {
		c.Stdin = tty // pppd takes the terminal that is its standard input
	}
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // our end is not its hang-up
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("run pppd: %w", err)
	}
	s := &process{PID: c.Process.Pid}
	_ = c.Process.Release() // waited for by its number: the next process must be able to, as well
	_, s.Since, _, err = stat(s.PID)
	if err == nil {
		err = s.open("")
	}
	if err == nil {
		err = p.remember(s)
	}
	if err != nil {
		_ = syscall.Kill(-s.PID, syscall.SIGKILL)
		_, _ = syscall.Wait4(s.PID, nil, 0, nil)
		return nil, fmt.Errorf("run pppd: %w", err)
	}
	return s, nil
}

func (p *ppp) remember(s *process) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writePrivate(p.file("session"), string(b))
}

// Adopt adopts a pppd that was started with the same options.
func (p *ppp) Adopt(ctx context.Context) bool {
	want, err := options(p.plan, p.env.Name, filepath.Join(p.env.Dir, "none"))
	if err != nil {
		return false
	}
	if have, err := os.ReadFile(p.file("options")); err != nil || string(have) != want {
		return false
	}
	s, err := readSession(p.file("session"))
	if err != nil || s.open(filepath.Base(p.program)) != nil {
		return false
	}
	return p.supervise(ctx, s) == nil
}

// supervise follows the session beside us.
func (p *ppp) supervise(ctx context.Context, s *process) error {
	t, err := openTail(p.file("log"))
	if err != nil {
		s.signal(syscall.SIGKILL) // nobody would know what becomes of it
		s.release()
		return err
	}
	p.running = true
	exited, grown := make(chan struct{}), make(chan struct{}, 1)
	var helpers sync.WaitGroup
	helpers.Go(func() { t.follow(grown) })
	helpers.Go(func() {
		if s.wait() == nil {
			close(exited)
		}
	})
	go func() {
		p.follow(ctx, s, t, exited, grown)
		t.close()
		s.release()
		helpers.Wait()
		close(p.changes)
		close(p.done)
	}()
	return nil
}

// follow tells of the session until it ends or is let go.
func (p *ppp) follow(ctx context.Context, s *process, t *tail, exited, grown <-chan struct{}) {
	limit := time.NewTimer(p.limit) // to an address, then to the end of a stop
	defer limit.Stop()
	var settled <-chan time.Time
	stop, cause := p.stop, modem.DataOK
	for {
		if p.log.write(t.read()) && p.log.up(p.plan.Settings.PDPType) {
			settled = time.After(pppSettle)
		}
		select {
		case <-ctx.Done():
			return
		case <-grown:
		case <-settled:
			settled = nil
			p.tell(ctx, p.change(true))
			if cause == modem.DataOK {
				limit.Stop()
			}
		case <-exited:
			p.log.write(t.read())
			p.end(ctx, s, cause)
			return
		case <-stop:
			stop, cause = nil, modem.DataAsked
			limit.Reset(pppStop)
			s.signal(syscall.SIGTERM)
		case <-limit.C:
			cause = cmp.Or(cause, modem.DataDeadline)
			s.signal(syscall.SIGKILL)
		}
	}
}

// end tells why it has ended, and forgets it. cause is why we ended it.
func (p *ppp) end(ctx context.Context, s *process, cause modem.DataCause) {
	_ = os.Remove(p.file("session"))
	c := p.change(false)
	c.Cause = cmp.Or(cause, exitCause(s.status(), &p.log))
	if c.Cause == p.log.cause {
		c.Message = p.log.message
	}
	p.tell(ctx, c)
}

// change is what the log says, for Changes.
func (p *ppp) change(up bool) modem.DataChanged {
	c := modem.DataChanged{Up: up, Netdev: cmp.Or(p.log.netdev, p.plan.Netdev)}
	if up {
		c.Bearer = p.log.bearer
	}
	return c
}

func (p *ppp) tell(ctx context.Context, c modem.DataChanged) {
	select {
	case p.changes <- c:
	case <-ctx.Done():
	}
}

// Stop hangs up.
func (p *ppp) Stop(ctx context.Context) error {
	if !p.running {
		return nil
	}
	p.asked.Do(func() { close(p.stop) })
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop pppd: %w", ctx.Err())
	}
}
