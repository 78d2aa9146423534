package port

import (
	"errors"
	"fmt"
	"time"

	"luatnetd/client"
)

// ErrNotOpen says that there is no port to write to.
var ErrNotOpen = errors.New("is not open")

// Write puts a received message on the line: prefix, data, CRLF, and nothing
// in between. It waits for other writers and for the line, each at most the
// write timeout, so that a slow line slows the socket the data came from. It
// may be called from any goroutine.
func (p *Port) Write(r client.Received) error {
	line := make([]byte, 0, len(r.Prefix)+len(r.Data)+2)
	line = append(append(line, r.Prefix...), r.Data...)
	if !p.cfg.NoCRLF {
		line = append(line, "\r\n"...)
	}
	err := p.put(line)
	p.set(func(s *Status) {
		if err != nil {
			s.Unsent++
		}
	})
	if err != nil {
		return fmt.Errorf("serial port %s: %w", p.cfg.Name, err)
	}
	return nil
}

func (p *Port) put(line []byte) error {
	wait := time.NewTimer(p.cfg.WriteTimeout)
	defer wait.Stop()
	select {
	case p.write <- struct{}{}:
	case <-wait.C:
		return fmt.Errorf("the line did not move for %s", p.cfg.WriteTimeout)
	}
	defer func() { <-p.write }()
	p.mu.Lock()
	dev := p.dev
	p.mu.Unlock()
	if dev == nil {
		return ErrNotOpen
	}
	_ = dev.SetWriteDeadline(time.Now().Add(p.cfg.WriteTimeout + p.cfg.Serial.Takes(len(line))))
	n, err := dev.Write(line)
	p.set(func(s *Status) { s.Out += uint64(n) })
	if err != nil {
		return fmt.Errorf("write %d of %d bytes: %w", n, len(line), err)
	}
	return nil
}
