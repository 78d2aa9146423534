package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"luatnetd/client"
	"luatnetd/internal/task"
)

// Stream serves programs that send messages and want to know what became of
// them, or that want what is received. It is made by NewStream.
type Stream struct {
	cfg Config

	mu    sync.Mutex // guards what follows
	peers map[*peer]struct{}
}

// Limits of a stream socket.
const (
	maxPeers     = 64
	peerBacklog  = 256 // received messages that wait for a program
	writeTimeout = 10 * time.Second
)

// peer is one program.
type peer struct {
	conn *net.UnixConn
	hello
	out chan []byte // capacity peerBacklog; a program that lets it fill up is cut off
}

// NewStream returns a socket that does nothing before Run.
func NewStream(cfg Config) *Stream {
	return &Stream{cfg: cfg.withDefaults(), peers: map[*peer]struct{}{}}
}

// Run serves until ctx ends.
func (s *Stream) Run(ctx context.Context) error {
	l, err := s.listen()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		conn, err := l.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("socket %s: %w", s.cfg.Path, err)
		}
		wg.Go(func() {
			err := task.Guard(ctx, func(ctx context.Context) error { return s.serve(ctx, conn) })
			if err != nil && ctx.Err() == nil {
				s.cfg.Log.Warn("local program cut off", "err", err)
			}
		})
	}
}

func (s *Stream) listen() (l *net.UnixListener, err error) {
	err = s.cfg.listenAt(func() error {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: s.cfg.Path, Net: "unix"})
		return err
	})
	if err != nil && l != nil {
		_ = l.Close()
	}
	return l, err
}

// serve talks to one program until it or ctx ends.
func (s *Stream) serve(ctx context.Context, conn *net.UnixConn) error {
	ctx, cancel := context.WithCancel(ctx)
	p := &peer{conn: conn, out: make(chan []byte, peerBacklog)}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer conn.Close()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	who, err := peerOf(conn)
	if err == nil {
		err = s.cfg.Allow(who)
	}
	if err != nil {
		return fmt.Errorf("pid %d, user %d: %w", who.PID, who.UID, err)
	}
	r := bufio.NewReader(conn)
	if p.hello, err = s.greet(conn, r); err != nil {
		return err
	}
	if !s.enter(p) {
		_, _ = conn.Write([]byte("refused: too many programs\n"))
		return fmt.Errorf("more than %d programs", maxPeers)
	}
	defer s.leave(p)
	wg.Go(func() {
		defer cancel()
		_ = task.Guard(ctx, p.write)
	})
	return s.read(ctx, p, r)
}

// greet finds out what the program wants: to send lines, if it does not say.
func (s *Stream) greet(conn *net.UnixConn, r *bufio.Reader) (hello, error) {
	if first, err := r.Peek(1); err != nil || first[0] != 0 {
		return hello{send: true}, nil // read meets the same error
	}
	_, _ = r.Discard(1)
	_ = conn.SetDeadline(time.Now().Add(writeTimeout))
	h, err := readHello(r)
	if err != nil {
		_, _ = fmt.Fprintf(conn, "refused: %s\n", errHello)
		return hello{}, err
	}
	return h, conn.SetDeadline(time.Time{})
}

// read takes messages, or waits for the end of a program that only listens.
func (s *Stream) read(ctx context.Context, p *peer, r *bufio.Reader) error {
	for n := uint64(1); ; n++ {
		if !p.send {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		data, err := p.readMessage(r, s.cfg.Limit)
		if err == io.EOF {
			return s.drain(ctx, p)
		}
		var reply string
		if err != nil {
			reply = answer(n, nil, err)
		} else {
			reply = s.cfg.offer(n, data)
		}
		select {
		case p.out <- p.frameAnswer(reply): // waits for a program that does not read its answers
		case <-ctx.Done():
			return nil
		}
		if err != nil {
			return errors.Join(err, s.drain(ctx, p))
		}
	}
}

// drain waits until the answers are written: the program has shut down its
// sending half only. A nil slice is the end of p.out.
func (s *Stream) drain(ctx context.Context, p *peer) error {
	s.leave(p)
	select {
	case p.out <- nil:
		<-ctx.Done() // write cancels it
	case <-ctx.Done():
	}
	return nil
}

// write puts answers and received messages on the stream.
func (p *peer) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-p.out:
			if b == nil {
				return nil
			}
			_ = p.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := p.conn.Write(b); err != nil {
				return err
			}
		}
	}
}

func (s *Stream) enter(p *peer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.peers) >= maxPeers {
		return false
	}
	s.peers[p] = struct{}{}
	return true
}

func (s *Stream) leave(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, p)
}

// Write hands a received message to every program that asked for it. It never
// waits: a program that does not keep up is cut off, so that it knows that
// something is missing.
func (s *Stream) Write(r client.Received) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.peers {
		if !p.recv {
			continue
		}
		select {
		case p.out <- p.frameReceived(r):
		default:
			s.cfg.Log.Warn("local program does not keep up and is cut off")
			delete(s.peers, p)
			_ = p.conn.Close()
		}
	}
	return nil
}
