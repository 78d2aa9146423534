package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"luatnetd/internal/lab"
)

// flipRate is messages per second: one is always about to be sent, so that the
// figure is not the wait for it.
const flipRate = 500

// clientFlips asks how soon a TLS connection that follows the uplink carries
// messages over the new one. The clock starts before the bench does what makes
// the engine decide, a word or a pulled cable by turns, and stops when the
// server reads the first message that came over the new uplink: its kernel has
// acknowledged it by then. Both ends are further apart than what is promised,
// the engine's decision and the first confirmed byte.
func clientFlips(opt options) ([]figure, error) {
	c, err := newClientRig(opt, "", "tls")
	if err != nil {
		return nil, err
	}
	defer c.close()
	l := c.lanes[0]
	if err := c.feed(l, flipRate); err != nil {
		return nil, err
	}
	if err := c.flowing(20 * time.Second); err != nil {
		return nil, err
	}
	list, err := c.since(l, 0)
	if err != nil {
		return nil, err
	}
	l.newest = list[len(list)-1].conn
	var took []time.Duration
	for i := range opt.rounds(100) {
		d, err := c.flip(l, i)
		if err != nil {
			return nil, fmt.Errorf("flip %d: %w", i+1, err)
		}
		took = append(took, d)
	}
	f := summary("client-flips", "ms", ms(took), nil)
	return []figure{f.judge("first message over the new uplink, TLS included, p99 ≤ 300", f.P99 <= 300)}, nil
}

// flip moves the traffic once: from wan1 to wan2 in even rounds, and back.
func (c *clientRig) flip(l *lane, i int) (time.Duration, error) {
	to := 1 + (i+1)%2
	if err := c.Ready(20*time.Second, "wan1", "wan2"); err != nil {
		return 0, err
	}
	cable := i%4 == 2 // back again, it is plugged in: the old uplink still works
	before := c.size(l)
	began := time.Now()
	if cable {
		if err := c.ISPs[0].Cut(); err != nil {
			return 0, err
		}
	} else if _, err := c.API.Use(context.Background(), fmt.Sprintf("wan%d", to), 0); err != nil {
		return 0, err
	}
	at, err := c.firstFrom(l, fmt.Sprintf("100.64.%d.2", to), before)
	if cable && err == nil {
		if _, err = c.API.Use(context.Background(), "wan2", 0); err == nil {
			err = c.ISPs[0].Restore()
		}
	}
	return at.Sub(began), err
}

// firstFrom is when the server first read a message on a connection from that
// address that was not there before. before is the end of its file then.
func (c *clientRig) firstFrom(l *lane, peer string, before int64) (at time.Time, err error) {
	err = lab.Poll(10*time.Second, func() error {
		list, err := c.since(l, before)
		for _, r := range list {
			if r.peer == peer && r.conn > l.newest {
				at, l.newest = time.Unix(0, r.at), r.conn
				return nil
			}
		}
		if err == nil {
			err = fmt.Errorf("the server has read nothing from %s", peer)
		}
		return err
	})
	return at, err
}

// since is what the lane's server has noted behind a place in its file.
func (c *clientRig) since(l *lane, place int64) ([]receipt, error) {
	f, err := os.Open(c.noted(l, l.lives))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, place, 1<<40))
	if err != nil {
		return nil, err
	}
	return parseReceipts(string(text), l.lives, l.kind == "reply")
}
