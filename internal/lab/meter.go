package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// UDPMeter sends a datagram each Every from one socket and notes which come
// back: what a call or a tunnel feels.
type UDPMeter struct {
	Every time.Duration

	conn net.Conn
	stop chan struct{}
	done sync.WaitGroup

	mu   sync.Mutex // guards what follows
	sent []time.Time
	back []bool
}

// StartUDP starts a meter in the namespace towards addr ("ip:port").
func (ns *NS) StartUDP(addr string, every time.Duration) (*UDPMeter, error) {
	m := &UDPMeter{Every: every, stop: make(chan struct{})}
	err := ns.Do(func() (err error) {
		m.conn, err = net.Dial("udp4", addr)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.done.Go(m.send)
	m.done.Go(m.receive)
	return m, nil
}

func (m *UDPMeter) send() {
	tick := time.NewTicker(m.Every)
	defer tick.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-tick.C:
		}
		m.mu.Lock()
		n := len(m.sent)
		m.sent = append(m.sent, time.Now())
		m.back = append(m.back, false)
		m.mu.Unlock()
		_, _ = m.conn.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) // "unreachable" is a loss like any other
	}
}

func (m *UDPMeter) receive() {
	buf := make([]byte, 64)
	for {
		n, err := m.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < 8 {
			continue
		}
		seq := binary.BigEndian.Uint64(buf)
		m.mu.Lock()
		if seq < uint64(len(m.back)) {
			m.back[seq] = true
		}
		m.mu.Unlock()
	}
}

// UDPReport is what a meter saw.
type UDPReport struct {
	Sent, Lost int
	// Gap is the longest time between two answered datagrams, by when they
	// were sent, less the interval: 0 when nothing was lost in between.
	Gap time.Duration
}

// Stop ends the meter, waits settle for late answers and reports.
func (m *UDPMeter) Stop(settle time.Duration) UDPReport {
	close(m.stop)
	time.Sleep(settle)
	_ = m.conn.Close()
	m.done.Wait()
	r := UDPReport{Sent: len(m.sent)}
	last, lost := -1, 0
	for i, ok := range m.back {
		if !ok {
			r.Lost++
			lost++
			continue
		}
		if lost > 0 && last >= 0 {
			r.Gap = max(r.Gap, m.sent[i].Sub(m.sent[last])-m.Every)
		}
		last, lost = i, 0
	}
	if lost > 0 && last >= 0 { // never came back
		r.Gap = max(r.Gap, m.sent[len(m.sent)-1].Sub(m.sent[last]))
	}
	return r
}

// Back waits until a datagram sent after since was answered.
func (m *UDPMeter) Back(ctx context.Context, since time.Time) error {
	for {
		m.mu.Lock()
		for i := len(m.sent) - 1; i >= 0 && m.sent[i].After(since); i-- {
			if m.back[i] {
				m.mu.Unlock()
				return nil
			}
		}
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			return fmt.Errorf("no datagram came back: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

// TCPMeter asks and answers over one connection, again over a new one when it
// ends: what an application with a session feels.
type TCPMeter struct {
	ns   *NS
	addr string
	stop chan struct{}
	done sync.WaitGroup

	mu  sync.Mutex // guards rep
	rep TCPReport
}

// TCPReport is what a meter saw. An end is a connection that did not survive.
type TCPReport struct {
	Answers  int
	Resets   int           // ended by a reset: the application knows at once
	Timeouts int           // ended because nothing came for 1.5 s
	Failed   int           // new connections that did not come up
	Gap      time.Duration // longest time between two answers, less the pause
}

// answerTimeout is when the meter's application gives up on a connection.
const answerTimeout = 1500 * time.Millisecond

// rpcPause is the meter's pause between an answer and the next question.
const rpcPause = time.Millisecond

// StartTCP starts a request/reply meter in the namespace towards addr.
func (ns *NS) StartTCP(addr string) *TCPMeter {
	m := &TCPMeter{ns: ns, addr: addr, stop: make(chan struct{})}
	m.done.Go(m.run)
	return m
}

func (m *TCPMeter) run() {
	var last time.Time
	for {
		c, err := m.ns.Dial("tcp4", m.addr, answerTimeout)
		if err != nil {
			m.count(func(r *TCPReport) { r.Failed++ })
			if m.pause(5 * time.Millisecond) {
				return
			}
			continue
		}
		err = m.talk(c, &last)
		_ = c.Close()
		if err == nil {
			return
		}
		m.count(func(r *TCPReport) {
			if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
				r.Resets++
			} else {
				r.Timeouts++
			}
		})
	}
}

// talk asks until the meter stops (nil) or the connection ends.
func (m *TCPMeter) talk(c net.Conn, last *time.Time) error {
	buf := make([]byte, 8)
	for {
		_ = c.SetDeadline(time.Now().Add(answerTimeout))
		if _, err := c.Write(buf[:1]); err != nil {
			return err
		}
		if _, err := c.Read(buf); err != nil {
			return err
		}
		now := time.Now()
		m.count(func(r *TCPReport) {
			r.Answers++
			if !last.IsZero() {
				r.Gap = max(r.Gap, now.Sub(*last)-rpcPause)
			}
		})
		*last = now
		if m.pause(rpcPause) {
			return nil
		}
	}
}

func (m *TCPMeter) pause(d time.Duration) (stopped bool) {
	select {
	case <-m.stop:
		return true
	case <-time.After(d):
		return false
	}
}

func (m *TCPMeter) count(f func(*TCPReport)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.rep)
}

// Report is what the meter saw until now.
func (m *TCPMeter) Report() TCPReport {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rep
}

// Stop ends the meter and reports.
func (m *TCPMeter) Stop() TCPReport {
	close(m.stop)
	m.done.Wait()
	return m.rep
}

// Dial opens a connection from the namespace.
func (ns *NS) Dial(network, addr string, timeout time.Duration) (c net.Conn, err error) {
	err = ns.Do(func() error {
		d := net.Dialer{Timeout: timeout}
		d.SetMultipathTCP(false)
		c, err = d.Dial(network, addr)
		return err
	})
	return c, err
}

// ConnMeter opens a new TCP connection each Every: what a browser feels.
type ConnMeter struct {
	stop chan struct{}
	done sync.WaitGroup

	mu  sync.Mutex // guards rep
	rep ConnReport
}

// ConnReport is what a meter of new connections saw.
type ConnReport struct {
	Opened  int         // tried, failed ones too
	Failed  []time.Time // when those began that did not come up
	Slowest time.Duration
}

// connTimeout is when a new connection counts as failed: a lost SYN is sent
// again after a second only.
const connTimeout = 500 * time.Millisecond

// StartConn starts a meter of new connections in the namespace towards addr.
func (ns *NS) StartConn(addr string, every time.Duration) *ConnMeter {
	m := &ConnMeter{stop: make(chan struct{})}
	m.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-m.stop:
				return
			case <-tick.C:
			}
			m.done.Go(func() { m.open(ns, addr) })
		}
	})
	return m
}

func (m *ConnMeter) open(ns *NS, addr string) {
	began := time.Now()
	c, err := ns.Dial("tcp4", addr, connTimeout)
	took := time.Since(began)
	if err == nil {
		_ = c.Close()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rep.Opened++
	m.rep.Slowest = max(m.rep.Slowest, took)
	if err != nil {
		m.rep.Failed = append(m.rep.Failed, began)
	}
}

// Stop ends the meter, waits for the connections under way and reports.
func (m *ConnMeter) Stop() ConnReport {
	close(m.stop)
	m.done.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rep
}
