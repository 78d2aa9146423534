package serve

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"luatnetd/router/dns"
)

// exchange is one question to one server in a socket of its own.
type exchange struct {
	s   *Server
	ask dns.Ask
	ctx context.Context

	mu   sync.Mutex // guards what follows
	conn net.Conn   // nil before dial
	over bool
}

// answers holds buffers for what servers send. By our own OPT record they send
// at most 1232 bytes; a longer message is cut and so refused as garbage.
var answers = sync.Pool{New: func() any { return new([2048]byte) }}

// cancel closes the socket, now or as soon as there is one.
func (x *exchange) cancel() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	if x.conn != nil {
		_ = x.conn.Close()
	}
}

// attach takes the socket; false means that it came too late and is closed.
func (x *exchange) attach(c net.Conn) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		_ = c.Close()
		return false
	}
	x.conn = c
	return true
}

// run sends the question and waits for the answer.
func (x *exchange) run() {
	defer x.s.tasks.Done()
	defer x.cancel()
	network := "udp"
	if x.ask.TCP {
		network = "tcp"
	}
	conn, err := dial(x.ctx, network, &x.ask.Via, x.ask.Server)
	if err != nil {
		x.failed(err)
		return
	}
	if !x.attach(conn) {
		return
	}
	if err := conn.SetDeadline(time.Now().Add(exchangeLife)); err != nil {
		x.failed(err)
		return
	}
	if x.ask.TCP {
		err = x.stream(conn)
	} else {
		err = x.datagram(conn)
	}
	if err != nil {
		x.failed(fmt.Errorf("server %s by %s: %w", x.ask.Server, x.ask.Via.Name, err))
	}
}

// datagram waits until one of the datagrams is the answer.
func (x *exchange) datagram(conn net.Conn) error {
	if _, err := conn.Write(x.ask.Msg); err != nil {
		return err
	}
	buf := answers.Get().(*[2048]byte)
	defer answers.Put(buf)
	for {
		n, err := conn.Read(buf[:])
		if err != nil {
			return err
		}
		if x.s.answer(x.ask.ID, buf[:n]) {
			return nil
		}
	}
}

// stream asks by TCP: length and message in one write (RFC 7766 §8).
func (x *exchange) stream(conn net.Conn) error {
	msg := binary.BigEndian.AppendUint16(nil, uint16(len(x.ask.Msg)))
	if _, err := conn.Write(append(msg, x.ask.Msg...)); err != nil {
		return err
	}
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return err
		}
		buf := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, buf); err != nil {
			return err
		}
		if x.s.answer(x.ask.ID, buf) {
			return nil
		}
	}
}

// failed tells the machine, unless it was the machine that ended the exchange.
func (x *exchange) failed(err error) {
	x.mu.Lock()
	over := x.over
	x.mu.Unlock()
	if over {
		return
	}
	x.s.log.Debug("question not answered", "uplink", x.ask.Via.Name, "server", x.ask.Server, "error", err)
	s := x.s
	s.mu.Lock()
	defer s.settle()
	delete(s.exchanges, x.ask.ID)
	if s.machine != nil {
		s.machine.Failed(s.cfg.Now(), x.ask.ID)
	}
}

// answer hands a server's message to the machine; true: the exchange is over.
func (s *Server) answer(id uint64, msg []byte) (over bool) {
	s.mu.Lock()
	defer s.settle()
	if s.machine == nil {
		return true
	}
	if over = s.machine.Answer(s.cfg.Now(), id, msg); over {
		delete(s.exchanges, id)
	}
	return over
}
