package modemtest

import "time"

// diagLocked turns AT ports into log ports.
func (m *Modem) diagLocked() {
	m.eachLineLocked(func(l *line) {
		if m.onLocked("diag", l) {
			m.streamLocked(l.conn)
		}
	})
}

// streamLocked sends what a log port sends from its opening on: a kilobyte of
// DIAG frames, then one every ten seconds.
func (m *Modem) streamLocked(c *conn) {
	for range 6 {
		c.out.add(m.diagFrameLocked())
	}
	m.afterLocked(10*time.Second, func() { m.streamOnLocked(c) })
}

func (m *Modem) streamOnLocked(c *conn) {
	if c.l.conn != c || !m.running || c.l.spec.Kind != KindLog && !m.onLocked("diag", c.l) {
		return
	}
	c.out.add(m.diagFrameLocked())
	m.afterLocked(10*time.Second, func() { m.streamOnLocked(c) })
}

// diagFrameLocked is a frame between 0x7e flags, without meaning.
func (m *Modem) diagFrameLocked() []byte {
	frame := make([]byte, 180)
	for i := range frame {
		frame[i] = byte(m.rng.IntN(256))
	}
	frame[0], frame[len(frame)-1] = 0x7e, 0x7e
	return frame
}
