package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"
)

// Faults of one whole run, and messages per second and connection: about 1,000
// in all.
const (
	serverKills = 100
	switches    = 100
	daemonKills = 50
	laneRate    = 334
)

// fault is one thing that goes wrong.
type fault byte

const (
	killServer fault = iota
	switchUplink
	killDaemon
)

// schedule is the faults in the order of one seed; bench-quick makes five of each.
func schedule(opt options, rng *rand.Rand) (list []fault) {
	for f, n := range map[fault]int{killServer: serverKills, switchUplink: switches, killDaemon: daemonKills} {
		if opt.quick {
			n = 5
		}
		list = append(list, slices.Repeat([]fault{f}, n)...)
	}
	slices.Sort(list) // the map has no order
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// seeded is the same chance in every run.
func seeded() *rand.Rand { return rand.New(rand.NewPCG(4, 2)) }

// chaos lets everything go wrong under a steady stream of messages, and then
// compares what the daemon said it had accepted with what each server read.
func chaos(opt options) ([]figure, error) {
	c, err := newClientRig(opt, "", "tcp", "tls", "reply")
	if err != nil {
		return nil, err
	}
	defer c.close()
	for _, l := range c.lanes {
		if err := c.feed(l, laneRate); err != nil {
			return nil, err
		}
	}
	rng := seeded()
	for i, f := range schedule(opt, rng) {
		if err := c.strike(f, rng); err != nil {
			return nil, fmt.Errorf("fault %d: %w", i+1, err)
		}
	}
	if err := c.drain(60 * time.Second); err != nil {
		return nil, err
	}
	var figures []figure
	for _, l := range c.lanes {
		v, err := c.verdict(l)
		if err != nil {
			return nil, err
		}
		figures = append(figures, v.figures(l.kind, l.kind == "reply")...)
	}
	return figures, nil
}

// strike makes one fault. In one of four cases it does not wait until messages
// flow again: faults meet each other.
func (c *clientRig) strike(f fault, rng *rand.Rand) (err error) {
	switch f {
	case killServer:
		err = c.killServer(rng)
	case switchUplink:
		err = c.switchUplink(rng)
	case killDaemon:
		err = c.killDaemon(rng)
	}
	pause := time.Duration(50+rng.IntN(300)) * time.Millisecond
	if err == nil && rng.IntN(4) != 0 {
		err = c.flowing(30 * time.Second)
	}
	time.Sleep(pause)
	return err
}

// killServer kills one server and starts it again after a while. Before that it
// is stopped and nothing reaches it any more, to see what it leaves unread: a
// stopped process's kernel goes on acknowledging.
func (c *clientRig) killServer(rng *rand.Rand) error {
	l := c.lanes[rng.IntN(len(c.lanes))]
	if err := l.server.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	if err := c.blackhole(true); err != nil {
		return err
	}
	n, err := unread(l.server.Cmd.Process.Pid, l.port)
	if err != nil {
		return err
	}
	l.unread[l.lives] = n
	if err := kill(l.server); err != nil {
		return err
	}
	if err := c.blackhole(false); err != nil {
		return err
	}
	time.Sleep(time.Duration(rng.IntN(600)) * time.Millisecond)
	return c.serve(l)
}

// blackhole lets both providers carry nothing, or all again.
func (c *clientRig) blackhole(on bool) error {
	return errors.Join(c.ISPs[0].Blackhole(on), c.ISPs[1].Blackhole(on))
}

// switchUplink makes the traffic move: by a word, or by pulling the cable of
// the uplink that carries it.
func (c *clientRig) switchUplink(rng *rand.Rand) error {
	d, err := c.API.Status(context.Background())
	if err != nil {
		return err
	}
	from, to, isp := "wan1", "wan2", c.ISPs[0]
	if d.Active == "wan2" {
		from, to, isp = to, from, c.ISPs[1]
	}
	if err := c.Ready(20*time.Second, to); err != nil {
		return err
	}
	if rng.IntN(2) == 0 {
		if _, err := c.API.Use(context.Background(), to, 0); err != nil {
			return err
		}
		return c.Active(10*time.Second, to, to)
	}
	if err := isp.Cut(); err != nil {
		return err
	}
	if err := c.Active(10*time.Second, to, to); err != nil {
		return err
	}
	time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond)
	if err := isp.Restore(); err != nil {
		return err
	}
	return c.Ready(20*time.Second, from)
}

// killDaemon kills the daemon and starts it again.
func (c *clientRig) killDaemon(rng *rand.Rand) error {
	if err := c.Stop(syscall.SIGKILL); err != nil {
		return err
	}
	time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
	if err := c.Start(); err != nil {
		return err
	}
	return c.Ready(20*time.Second, "wan1")
}
