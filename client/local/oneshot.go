package local

import (
	"context"
	"errors"
	"io"
	"time"
)

// The results of a short connection, as LuatOS's tcp_short publishes them;
// "send false" is ours, LuatOS does not look.
const (
	CreateFalse  = "create false"
	ConfigFalse  = "config false"
	ConnectFalse = "connect false"
	SendFalse    = "send false"
	Sent         = "true"
)

// ErrConfig and ErrCreate, wrapped by Dial, say that the connection's settings
// cannot be used, or that the system gives no socket.
var (
	ErrConfig = errors.New("bad settings")
	ErrCreate = errors.New("no socket")
)

// Conn is a connection that was made.
type Conn interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Oneshot is a short connection: connect, send, wait for an answer, close.
// Dial is required.
type Oneshot struct {
	Dial func(ctx context.Context) (Conn, error)
	// Confirm, if not nil, waits until the other end has everything.
	Confirm func(ctx context.Context, c Conn) error
	// Shut, if not nil, closes in order before the connection is dropped.
	Shut    func(ctx context.Context, c Conn) error
	Connect time.Duration // 30 s
	Send    time.Duration // 15 s, confirmation included
	Reply   time.Duration // 3 s
}

// Answer is what became of it. Reply may be nil: no answer is no error.
type Answer struct {
	Status string // one of the results above
	Reply  []byte
	Err    error // why, unless Sent
}

// Defaults of LuatOS's demo (prj_3_tcp_short, tcp_short).
const (
	shortConnect = 30 * time.Second
	shortSend    = 15 * time.Second
	shortReply   = 3 * time.Second
	shortClose   = 5 * time.Second
	// An answer in several parts is complete after this silence.
	shortIdle = 50 * time.Millisecond
	maxReply  = 64 << 10
)

// Do makes the connection once.
func (o Oneshot) Do(ctx context.Context, data []byte) Answer {
	dialling, cancel := context.WithTimeout(ctx, or(o.Connect, shortConnect))
	c, err := o.Dial(dialling)
	cancel()
	switch {
	case errors.Is(err, ErrConfig):
		return Answer{Status: ConfigFalse, Err: err}
	case errors.Is(err, ErrCreate):
		return Answer{Status: CreateFalse, Err: err}
	case err != nil:
		return Answer{Status: ConnectFalse, Err: err}
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { // ends a read and a write
		_ = c.SetReadDeadline(time.Unix(1, 0))
		_ = c.SetWriteDeadline(time.Unix(1, 0))
	})()
	if err := o.send(ctx, c, data); err != nil {
		return Answer{Status: SendFalse, Err: err}
	}
	a := Answer{Status: Sent, Reply: o.reply(ctx, c)}
	if o.Shut != nil {
		ctx, cancel := context.WithTimeout(ctx, shortClose)
		defer cancel()
		_ = o.Shut(ctx, c) // the answer is there: how the end went changes nothing
	}
	return a
}

func (o Oneshot) send(ctx context.Context, c Conn, data []byte) error {
	limit := or(o.Send, shortSend)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_ = c.SetWriteDeadline(time.Now().Add(limit))
	if _, err := c.Write(data); err != nil {
		return err
	}
	if o.Confirm == nil {
		return nil
	}
	return o.Confirm(ctx, c)
}

// reply reads one answer: what comes in the window, until silence or the end.
func (o Oneshot) reply(ctx context.Context, c Conn) (all []byte) {
	wait := or(o.Reply, shortReply)
	end := time.Now().Add(wait)
	buf := make([]byte, 4096)
	for len(all) < maxReply && ctx.Err() == nil {
		at := end
		if idle := time.Now().Add(shortIdle); len(all) > 0 && idle.Before(end) {
			at = idle
		}
		_ = c.SetReadDeadline(at)
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil { // the window is over, or the other end said its last word
			break
		}
	}
	return all
}
