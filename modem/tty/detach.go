package tty

import (
	"errors"
	"time"

	"luatnetd/internal/serial"
)

// Detach hands the open port over after CONNECT, with every byte that followed
// still to be read: an *os.File where the port is a tty. early holds what was
// read already, of a Conn that cannot be read byte by byte. The Port is closed
// without closing the descriptor.
func (p *Port) Detach() (conn Conn, early []byte, err error) {
	if !p.wire.carries() {
		return nil, nil, errors.New("detach: the port carries no data")
	}
	detached := false
	p.once.Do(func() {
		detached = true
		close(p.done)
		p.wire.stop()
	})
	if !detached {
		return nil, nil, p.cause()
	}
	p.wg.Wait()
	<-p.engine.closed()
	conn = p.conn
	if s, ok := conn.(*serial.Port); ok {
		conn = s.Detach()
	}
	_ = conn.SetReadDeadline(time.Time{})
	_ = conn.SetWriteDeadline(time.Time{})
	return conn, p.wire.early, nil
}
