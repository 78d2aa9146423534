package lab

import (
	"context"
	"encoding/binary"
	"net"
	"time"
)

const (
	// watchEvery is the time between two datagrams of a watch.
	watchEvery = time.Millisecond
	// watchFlow is how long a watch stays with one socket: a running flow may
	// rightly stay where it is when traffic returns to a better uplink, a new
	// one shows where traffic goes now.
	watchFlow = time.Second
	// watchDrain is how long a socket waits for its last answers.
	watchDrain = 50 * time.Millisecond
	// watchAlarm is how many must be lost for a word although it goes on.
	watchAlarm = 200
)

// Silence is a time in which nothing came back. Over is false while it lasts.
type Silence struct {
	Length time.Duration
	Over   bool
}

// Watch sends a datagram each millisecond from the namespace to an echo server and
// calls f when a silence has lasted for 200 ms, and when one has ended. A
// silence is made of datagrams that were lost: a busy machine that lets the
// watch itself wait makes none. Watch returns when ctx ends, and keeps nothing
// of what it saw.
func (ns *NS) Watch(ctx context.Context, addr string, f func(Silence)) {
	w := &watch{tell: f}
	for ctx.Err() == nil {
		c, err := ns.Dial("udp4", addr, time.Second)
		if err != nil { // no route: a datagram lost like any other
			w.sent++
			w.nothing()
			select {
			case <-ctx.Done():
			case <-time.After(watchEvery):
			}
			continue
		}
		w.flow(ctx, c)
		_ = c.Close()
	}
}

// watch is what has to be known between two sockets of a Watch.
type watch struct {
	tell    func(Silence)
	sent    uint64    // datagrams sent
	heard   uint64    // number of the newest that came back, 0 before the first
	at      time.Time // when that was sent
	alarmed bool
}

// flow uses one socket for watchFlow.
func (w *watch) flow(ctx context.Context, c net.Conn) {
	began, next := time.Now(), time.Now()
	buf := make([]byte, 16)
	for ctx.Err() == nil {
		now := time.Now()
		age := now.Sub(began)
		if age > watchFlow && (w.heard == w.sent || age > watchFlow+watchDrain) {
			return
		}
		if !now.Before(next) {
			next = now.Add(watchEvery)
			if age <= watchFlow {
				w.send(c, age)
			}
		}
		_ = c.SetReadDeadline(next) // fails on a closed socket only
		n, err := c.Read(buf)
		if err == nil && n == len(buf) {
			w.answered(binary.BigEndian.Uint64(buf), began.Add(time.Duration(binary.BigEndian.Uint64(buf[8:]))))
		} else {
			w.nothing()
		}
	}
}

// send sends the next datagram: its number and the age of its flow.
func (w *watch) send(c net.Conn, age time.Duration) {
	w.sent++
	msg := binary.BigEndian.AppendUint64(nil, w.sent)
	_, _ = c.Write(binary.BigEndian.AppendUint64(msg, uint64(age))) // "unreachable" is a loss like any other
}

// answered notes that a datagram came back.
func (w *watch) answered(number uint64, sent time.Time) {
	if lost := number - w.heard - 1; number > w.heard && w.heard > 0 && lost > 0 {
		w.tell(Silence{Length: sent.Sub(w.at) - watchEvery, Over: true})
	}
	w.heard, w.at, w.alarmed = max(w.heard, number), sent, false
}

// nothing notes that nothing has come back for a while.
func (w *watch) nothing() {
	if w.heard > 0 && !w.alarmed && w.sent-w.heard >= watchAlarm {
		w.alarmed = true
		w.tell(Silence{Length: time.Since(w.at)})
	}
}
