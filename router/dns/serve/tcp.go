package serve

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"luatnetd/router/dns"
)

// Bounds of clients' TCP connections (RFC 7766 §6.2.3, §10).
const (
	maxConns       = 64
	maxClientConns = 8
	idleLimit      = 10 * time.Second
	sendLimit      = 5 * time.Second
	lingerLimit    = 5 * time.Second // for answers after the client's FIN; longer than any question takes
	maxQueued      = 256             // answers that a client does not read; more ends the connection
)

// conn is one client's TCP connection. Questions are pipelined and answers
// come in the order in which they are found (RFC 7766 §6.2.1.1).
type conn struct {
	s       *Server
	c       net.Conn
	from    netip.AddrPort
	l       *listener
	queue   chan []byte // capacity maxQueued
	waiting atomic.Int64
	idle    chan struct{} // capacity 1: waiting may have become 0
	once    sync.Once
	done    chan struct{} // closed by close
}

// accept takes clients until the listener is closed.
func (l *listener) accept() {
	defer l.tasks.Done()
	for {
		c, err := l.tcp.Accept()
		switch {
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			l.s.log.Debug("connection not taken", "error", err)
			if !l.pause() {
				return
			}
			continue
		case err != nil:
			l.ended(err)
			return
		}
		l.s.admit(c, l)
	}
}

// pause waits a moment when descriptors are short; false: the server stops.
func (l *listener) pause() bool {
	l.s.mu.Lock()
	ctx := l.s.ctx
	l.s.mu.Unlock()
	select {
	case <-ctx.Done():
		return false
	case <-time.After(50 * time.Millisecond):
		return true
	}
}

// admit starts a connection, or closes it when there are too many.
func (s *Server) admit(c net.Conn, l *listener) {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		_ = c.Close()
		return
	}
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	s.mu.Lock()
	defer s.mu.Unlock()
	same := 0
	for o := range s.conns {
		if o.from.Addr() == from.Addr() {
			same++
		}
	}
	if !s.running || len(s.conns) >= maxConns || same >= maxClientConns {
		_ = c.Close()
		return
	}
	k := &conn{
		s: s, c: c, from: from, l: l,
		queue: make(chan []byte, maxQueued), idle: make(chan struct{}, 1), done: make(chan struct{}),
	}
	s.conns[k] = struct{}{}
	s.tasks.Add(2)
	go k.read()
	go k.write()
}

// close ends the connection; it may be called often.
func (k *conn) close() {
	k.once.Do(func() {
		close(k.done)
		_ = k.c.Close()
	})
}

// read takes questions until the client ends, idles or misbehaves.
func (k *conn) read() {
	defer k.s.tasks.Done()
	defer k.leave()
	for {
		msg, err := k.message()
		if err != nil {
			if errors.Is(err, io.EOF) {
				k.linger()
			}
			return
		}
		k.waiting.Add(1)
		answer := k.s.query(dns.Query{Msg: msg, From: k.from, TCP: true, Via: *k.l.via.Load(), To: k}, nil)
		if len(answer) > 0 {
			k.reply(k.from, answer)
		}
	}
}

// message reads one message. Between messages io.EOF is an orderly end.
func (k *conn) message() ([]byte, error) {
	if err := k.c.SetReadDeadline(time.Now().Add(idleLimit)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(k.c, size[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if n > maxQuery {
		return nil, errors.New("message too long")
	}
	msg := make([]byte, n)
	_, err := io.ReadFull(k.c, msg)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return msg, err
}

// linger waits for the answers that a client which said FIN still wants.
func (k *conn) linger() {
	limit := time.NewTimer(lingerLimit)
	defer limit.Stop()
	for k.waiting.Load() > 0 {
		select {
		case <-k.idle:
		case <-limit.C:
			return
		case <-k.done:
			return
		}
	}
}

// leave forgets the connection.
func (k *conn) leave() {
	k.close()
	k.s.mu.Lock()
	delete(k.s.conns, k)
	k.s.mu.Unlock()
}

// reply queues an answer. It never blocks: a client that does not read loses
// its connection, not everybody's time.
func (k *conn) reply(_ netip.AddrPort, msg []byte) {
	framed := append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(msg)), uint16(len(msg))), msg...)
	select {
	case k.queue <- framed:
	case <-k.done:
	default:
		k.close()
	}
}

// write sends queued answers, length and message in one write (RFC 7766 §8).
func (k *conn) write() {
	defer k.s.tasks.Done()
	for {
		select {
		case <-k.done:
			return
		case msg := <-k.queue:
			err := k.c.SetWriteDeadline(time.Now().Add(sendLimit))
			if err == nil {
				_, err = k.c.Write(msg)
			}
			if err != nil {
				k.close()
				return
			}
			k.waiting.Add(-1)
			notify(k.idle)
		}
	}
}
