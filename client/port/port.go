package port

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"luatnetd/client"
	"luatnetd/client/hub"
	"luatnetd/internal/serial"
)

// Config is one serial port. Name, Serial, Send, SendTo and Now are required.
type Config struct {
	Name   string // tag of its messages
	Serial serial.Config
	Frame  Frame
	// NoCRLF leaves out what LuatOS writes after each received message.
	NoCRLF bool
	// WriteTimeout is how long a message may wait for a line that does not
	// move, besides the time its bytes take: 10 s.
	WriteTimeout time.Duration
	// AliveFile is touched every 2 s while the port is open, so that the next
	// process knows since when nobody listened. "" for none.
	AliveFile string

	Send   func(m client.Message, done func(target string, r client.Result)) ([]hub.Outcome, error)
	SendTo func(target string, m client.Message, done func(target string, r client.Result)) (hub.Outcome, error)
	// Full reports that a refusal passes, so that the message is kept and
	// offered again. nil: every refusal does.
	Full func(error) bool
	// Room, if not nil, announces that a target may have room again. Without
	// it a refused message is offered after a growing pause only.
	Room <-chan struct{}
	Now  func() time.Time // wall clock
	Log  *slog.Logger     // nil for none
}

// defaultWrite is long enough for a device that thinks and short enough for
// the connection whose data waits.
const defaultWrite = 10 * time.Second

// Port is one serial port as a source and a sink. It is made by New.
type Port struct {
	cfg   Config
	log   *slog.Logger
	write chan struct{} // capacity 1: a token, held by the one who writes

	mu    sync.Mutex // guards what follows
	dev   *serial.Port
	state Status
}

// Status is how the port is doing.
type Status struct {
	Open     bool
	Since    time.Time // of Open
	Err      string    // why it is not open
	Notes    []string  // what a person should know about the open port
	Waiting  bool      // a target is full: nothing is read
	In, Out  uint64    // bytes
	Messages uint64    // accepted by every target
	Refused  uint64    // refused for good by a target, or no target
	Unsent   uint64    // received messages that the port did not take
	Gap      Gap       // the last time nobody listened
}

// Gap is a time in which bytes on the line were lost: nobody had the port
// open. From is zero where it is not known.
type Gap struct{ From, To time.Time }

// New returns a port that does nothing before Run.
func New(cfg Config) *Port {
	cfg.Frame = cfg.Frame.withDefaults()
	if cfg.WriteTimeout <= 0 {
		cfg.WriteTimeout = defaultWrite
	}
	if cfg.Full == nil {
		cfg.Full = func(error) bool { return true }
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Port{cfg: cfg, log: log.With("port", cfg.Name), write: make(chan struct{}, 1)}
}

// Path is the device as configured.
func (p *Port) Path() string { return p.cfg.Serial.Path }

// Run keeps the port open and sends what arrives until ctx ends.
func (p *Port) Run(ctx context.Context) error {
	since := p.lastAlive()
	for {
		dev, err := serial.Await(ctx, p.cfg.Serial, p.closedFor)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		p.opened(dev, Gap{From: since, To: p.cfg.Now()})
		err = p.session(ctx, dev)
		if ctx.Err() != nil {
			return nil
		}
		since = p.cfg.Now()
		p.closedFor(err)
	}
}

// session reads until the port breaks or ctx ends.
func (p *Port) session(ctx context.Context, dev *serial.Port) error {
	stop := context.AfterFunc(ctx, func() { _ = dev.Close() })
	defer func() {
		stop()
		p.mu.Lock()
		p.dev, p.state.Open = nil, false
		p.mu.Unlock()
		_ = dev.Close()
	}()
	return p.read(ctx, dev)
}

// Status tells how the port is doing.
func (p *Port) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *Port) set(f func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.state)
}

func (p *Port) opened(dev *serial.Port, gap Gap) {
	p.mu.Lock()
	p.dev = dev
	p.state.Open, p.state.Since, p.state.Err, p.state.Notes, p.state.Gap = true, gap.To, "", dev.Notes(), gap
	p.mu.Unlock()
	p.log.Info("serial port open", "path", p.cfg.Serial.Path, "line", p.cfg.Serial.String())
	for _, note := range dev.Notes() {
		p.log.Warn("serial port", "note", note)
	}
	p.touch(gap.To)
}

// closedFor notes why the port is not open.
func (p *Port) closedFor(err error) {
	p.set(func(s *Status) { s.Open, s.Err = false, err.Error() })
	p.log.Warn("serial port not open", "err", err)
}

// aliveEvery is how exactly a gap is known.
const aliveEvery = 2 * time.Second

// touch says that somebody listens.
func (p *Port) touch(now time.Time) {
	name := p.cfg.AliveFile
	if name == "" {
		return
	}
	err := os.Chtimes(name, now, now)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.WriteFile(name, nil, 0o600); err == nil {
			err = os.Chtimes(name, now, now)
		}
	}
	if err != nil {
		p.log.Debug("serial port: gaps will not be known", "err", err)
	}
}

// lastAlive is when a process listened last, zero if that is not known.
func (p *Port) lastAlive() time.Time {
	if p.cfg.AliveFile == "" {
		return time.Time{}
	}
	info, err := os.Stat(p.cfg.AliveFile)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
