package port

import (
	"context"
	"errors"
	"os"
	"time"

	"luatnetd/client"
	"luatnetd/internal/serial"
)

// read cuts what arrives into messages and sends them.
func (p *Port) read(ctx context.Context, dev *serial.Port) error {
	f := framer{Frame: p.cfg.Frame}
	alive := p.cfg.Now()
	buf := make([]byte, 4096) // what the kernel's line discipline holds
	for {
		p.deadline(dev, &f)
		n, err := dev.Read(buf)
		now := p.cfg.Now()
		if now.Sub(alive) >= aliveEvery || now.Before(alive) {
			alive = now
			p.touch(now)
		}
		p.set(func(s *Status) { s.In += uint64(n) })
		for _, m := range f.add(buf[:n], now) {
			p.send(ctx, m)
		}
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			p.send(ctx, f.flush()) // half a message is better than none
			return err
		default:
			if due, begun := f.due(); begun && !now.Before(due) {
				p.send(ctx, f.flush())
			}
		}
	}
}

// deadline bounds the next read by the end of the message and by the next
// sign of life. Bytes that have arrived already belong to the message: we may
// be late, the line was not.
func (p *Port) deadline(dev *serial.Port, f *framer) {
	var at time.Time
	if p.cfg.AliveFile != "" {
		at = p.cfg.Now().Add(aliveEvery)
	}
	if due, begun := f.due(); begun {
		at = due
		if !p.cfg.Now().Before(due) && dev.Waiting() > 0 {
			at = time.Time{}
		}
	}
	_ = dev.SetReadDeadline(at)
}

// Pauses between two offers of a refused message.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// send offers a message to all targets, and to those that are full until they
// take it. Nothing is read meanwhile.
func (p *Port) send(ctx context.Context, data []byte) {
	if len(data) == 0 {
		return
	}
	m := client.Message{Source: p.cfg.Name, Data: data, At: p.cfg.Now()}
	out, err := p.cfg.Send(m, nil)
	if err != nil {
		p.refused(err)
		return
	}
	lost := false
	for _, o := range out {
		if o.Err != nil && !p.insist(ctx, o.Target, m, o.Err) {
			lost = true
		}
	}
	if !lost {
		p.set(func(s *Status) { s.Messages++ })
	}
}

// insist offers m to a target that refused it until it takes it, refuses for
// good, or ctx ends.
func (p *Port) insist(ctx context.Context, target string, m client.Message, err error) bool {
	defer p.set(func(s *Status) { s.Waiting = false })
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		if !p.cfg.Full(err) {
			p.refused(err)
			return false
		}
		p.set(func(s *Status) { s.Waiting = true })
		if !p.pause(ctx, pause) {
			p.refused(err)
			return false
		}
		o, gone := p.cfg.SendTo(target, m, nil)
		if gone != nil { // the target was removed meanwhile
			p.refused(gone)
			return false
		}
		if err = o.Err; err == nil {
			return true
		}
	}
}

// pause waits for room or d; false when ctx ended.
func (p *Port) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-p.cfg.Room:
	case <-t.C:
	}
	return true
}

func (p *Port) refused(err error) {
	p.set(func(s *Status) { s.Refused++ })
	p.log.Debug("message from serial port refused", "err", err)
}
