package tty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"luatnetd/internal/serial"
	"luatnetd/modem"
)

// Conn is what a Port needs of a tty. Close frees a blocked Read and Write.
type Conn interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Config is a port to open.
type Config struct {
	Path string
	Baud int // 0: 115200
	// Dial opens something else in the place of Path; nil opens the tty.
	Dial func(context.Context) (Conn, error)
	Log  *slog.Logger // nil: none
}

// Errors of Open and Do beside those of package modem.
var (
	ErrBinary = errors.New("the port emits what is no text: a log, diagnosis or NMEA port")
	ErrData   = errors.New("the port carries data")
	ErrFull   = errors.New("too many commands wait")
)

// Port is an open port. Any goroutine may use it.
type Port struct {
	path   string
	log    *slog.Logger
	conn   Conn
	holder []string
	wire   *wire
	engine engine
	queue  *queue
	urcs   chan modem.URC
	imei   string // answer to +CGSN, once known; the worker's
	leased leased

	done chan struct{}
	once sync.Once
	err  error // why, before done is closed
	wg   sync.WaitGroup
}

// Open opens a port and listens for 100 ms, in which a port that emits what is
// no text gives itself away (ErrBinary) without having been written to. An
// error that is serial.ErrBusy names who has it.
func Open(ctx context.Context, cfg Config) (*Port, error) {
	p := &Port{path: cfg.Path, log: cfg.Log, queue: newQueue(), urcs: make(chan modem.URC), done: make(chan struct{})}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if err := p.dial(ctx, cfg); err != nil {
		return nil, err
	}
	if err := listen(ctx, p.conn); err != nil {
		_ = p.conn.Close()
		return nil, fmt.Errorf("port %s: %w", cfg.Path, err)
	}
	p.wire = newWire(p.conn, p.fail)
	p.engine = newEngine(p.wire)
	p.wg.Go(p.wire.read)
	p.wg.Go(p.pump)
	p.wg.Go(p.work)
	return p, nil
}

func (p *Port) dial(ctx context.Context, cfg Config) error {
	if cfg.Dial != nil {
		conn, err := cfg.Dial(ctx)
		p.conn = conn
		return err
	}
	s, err := serial.Open(serial.Config{Path: cfg.Path, Baud: cfg.Baud, AnyBaud: true})
	if err != nil {
		return err
	}
	p.conn, p.holder = s, s.Holders()
	for _, note := range s.Notes() {
		p.log.Warn("modem port", "port", cfg.Path, "note", note)
	}
	return nil
}

// How long a new port is listened to, and how many bytes that are no text make
// it none for AT commands.
const (
	listenTime  = 100 * time.Millisecond
	binaryBytes = 512
)

// listen discards what comes before the first command.
func listen(ctx context.Context, conn Conn) error {
	end := time.Now().Add(listenTime)
	if err := conn.SetReadDeadline(end); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	odd, buf := 0, make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		odd += oddBytes(buf[:n])
		switch {
		case odd >= binaryBytes:
			return ErrBinary
		case isTimeout(err), err == nil && time.Until(end) <= 0:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("%w: %w", modem.ErrGone, err)
		case n == 0:
			time.Sleep(emptyPause)
		}
	}
}

// oddBytes counts what is no text.
func oddBytes(b []byte) int {
	n := 0
	for _, c := range b {
		if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c >= 0x7F {
			n++
		}
	}
	return n
}

// Holder names the other processes that have the port open, "" for none.
func (p *Port) Holder() string {
	return strings.Join(p.holder, ", ")
}

// URCs are the unsolicited codes, in their order. The channel has no room: at
// most filter.MaxURCs wait behind it, further ones of a prefix are coalesced. It
// is never closed.
func (p *Port) URCs() <-chan modem.URC { return p.urcs }

// pump hands out unsolicited codes.
func (p *Port) pump() {
	for {
		u, ok := p.wire.urc()
		if !ok {
			select {
			case <-p.wire.heard:
				continue
			case <-p.done:
				return
			}
		}
		select {
		case p.urcs <- u:
		case <-p.done:
			return
		}
	}
}

// Done is closed when the port can no longer be used.
func (p *Port) Done() <-chan struct{} { return p.done }

// Err is why: ErrGone, ErrStuck or ErrUnsynced of package modem; nil while the
// port is open, and after Close and Detach.
func (p *Port) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Trace is what passed last, oldest first, without secrets.
func (p *Port) Trace() []string { return p.wire.trace.lines() }

// Garbage is how many bytes were dropped because they are no text or too long a line.
func (p *Port) Garbage() int { return p.wire.count((*filterState).Garbage) }

// Close frees the port at once and waits until nothing of it is left.
func (p *Port) Close() error {
	p.fail(nil)
	p.wg.Wait()
	<-p.engine.closed()
	return nil
}

// fail ends the port; the first cause counts.
func (p *Port) fail(cause error) {
	p.once.Do(func() {
		p.err = cause
		if cause != nil {
			p.wire.trace.note(cause.Error())
			p.log.Debug("modem port ends", "port", p.path, "err", cause)
		}
		close(p.done)
		p.wire.stop()
		_ = p.conn.Close()
		p.EndLease()
	})
}

// cause is what a command is answered that the port's end overtook.
func (p *Port) cause() error {
	if p.err != nil {
		return p.err
	}
	return modem.ErrGone
}
