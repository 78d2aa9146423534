package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	nl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
)

// flips pulls and plugs cables at random, one of two at a time, and then asks
// the kernel's own log of messages: at every moment main must have had a
// default over a line that was alive.
func flips(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	log, err := r.followMain()
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range opt.rounds(200) {
		isp := r.ISPs[rng.IntN(2)]
		if err := isp.Cut(); err != nil {
			return nil, err
		}
		time.Sleep(time.Duration(50+rng.IntN(200)) * time.Millisecond)
		if err := isp.Restore(); err != nil {
			return nil, err
		}
		if err := r.bothInMain(); err != nil {
			return nil, err
		}
	}
	bad, seen, err := log.end()
	return []figure{count("flips-without-default", "states", bad, seen, "every state between two messages of 200 flips has a default in main over a live uplink", bad == 0)}, err
}

// bothInMain waits until the kernel holds the defaults of both uplinks.
func (r *rig) bothInMain() error {
	return lab.Poll(15*time.Second, func() error {
		n := 0
		err := r.Gateway.Do(func() error {
			list, err := netlink.RouteList(nil, netlink.FAMILY_V4)
			for _, rt := range list {
				if rt.Dst == nil || rt.Dst.IP.IsUnspecified() {
					n++
				}
			}
			return err
		})
		if err == nil && n < 2 {
			err = fmt.Errorf("main has %d defaults", n)
		}
		return err
	})
}

// mainLog replays rtnetlink's messages, in the order of one socket, into a
// model of the carriers and of main's defaults.
type mainLog struct {
	conn *nl.Conn
	up   map[int32]bool // ifindex → IFF_LOWER_UP
	def  map[int32]int  // ifindex → defaults in main
	done chan error

	bad, seen int
}

// followMain opens the log and reads the state that it starts from.
func (r *rig) followMain() (*mainLog, error) {
	m := &mainLog{up: map[int32]bool{}, def: map[int32]int{}, done: make(chan error, 1)}
	err := r.Gateway.Do(func() (err error) {
		if m.conn, err = nl.Dial(unix.NETLINK_ROUTE, &nl.Config{Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_ROUTE}); err != nil {
			return err
		}
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, l := range links {
			m.up[int32(l.Attrs().Index)] = l.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
		}
		routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
		for _, rt := range routes {
			if rt.Dst == nil || rt.Dst.IP.IsUnspecified() {
				m.def[int32(rt.LinkIndex)]++
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	go m.run()
	return m, nil
}

func (m *mainLog) run() {
	for {
		msgs, err := m.conn.Receive()
		if err != nil {
			m.done <- err
			return
		}
		for _, msg := range msgs {
			if m.take(msg) {
				m.judge()
			}
		}
	}
}

// take applies a message and reports whether it changed the model.
func (m *mainLog) take(msg nl.Message) bool {
	switch msg.Header.Type {
	case unix.RTM_NEWLINK:
		if len(msg.Data) < unix.SizeofIfInfomsg {
			return false
		}
		index := int32(binary.NativeEndian.Uint32(msg.Data[4:]))
		m.up[index] = binary.NativeEndian.Uint32(msg.Data[8:])&unix.IFF_LOWER_UP != 0
		return true
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		if len(msg.Data) < unix.SizeofRtMsg || msg.Data[1] != 0 || msg.Data[4] != unix.RT_TABLE_MAIN {
			return false // a longer prefix, or another table
		}
		dec, err := nl.NewAttributeDecoder(msg.Data[unix.SizeofRtMsg:])
		if err != nil {
			return false
		}
		for dec.Next() {
			if dec.Type() == unix.RTA_OIF {
				index := int32(dec.Uint32())
				if msg.Header.Type == unix.RTM_NEWROUTE {
					m.def[index]++
				} else {
					m.def[index]--
				}
				return true
			}
		}
	}
	return false
}

func (m *mainLog) judge() {
	m.seen++
	for index, n := range m.def {
		if n > 0 && m.up[index] {
			return
		}
	}
	m.bad++
}

// end closes the log and reports how many states had no way out, of how many.
// Messages that the kernel dropped make the log worthless.
func (m *mainLog) end() (bad, seen int, err error) {
	time.Sleep(200 * time.Millisecond)
	_ = m.conn.Close()
	if err := <-m.done; errors.Is(err, unix.ENOBUFS) {
		return 0, 0, fmt.Errorf("the log has a gap: %w", err)
	}
	return m.bad, m.seen, nil
}
