package kernel

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// msgNewGen is NFT_MSG_NEWGEN: one closes every transaction.
const msgNewGen = 15

// foreignListener watches for transactions on nftables that are not ours.
type foreignListener struct {
	conn *netlink.Conn
	out  chan string // capacity 1: one waiting name stands for all that follow
	last atomic.Pointer[string]
	done sync.WaitGroup
}

func listenForeign(ports *portIDs) (*foreignListener, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("nftables listener: %w", err)
	}
	if err := errors.Join(conn.SetReadBuffer(socketBuffer), conn.JoinGroup(unix.NFNLGRP_NFTABLES)); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("nftables listener: %w", err)
	}
	f := &foreignListener{conn: conn, out: make(chan string, 1)}
	f.done.Add(1)
	go f.run(ports)
	return f, nil
}

// run ends when the socket is closed. An overrun (ENOBUFS) leaves the socket
// usable and means that anything may have changed.
func (f *foreignListener) run(ports *portIDs) {
	defer f.done.Done()
	for {
		msgs, err := f.conn.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS):
			f.tell("somebody (notifications were lost)")
			continue
		case err != nil:
			return
		}
		for _, m := range msgs {
			if m.Header.Type != unix.NFNL_SUBSYS_NFTABLES<<8|msgNewGen || ports.has(m.Header.PID) {
				continue
			}
			who := "somebody"
			if gen, err := parseGen(m.Data); err == nil && gen.name != "" {
				who = gen.name
			}
			f.tell(who)
		}
	}
}

func (f *foreignListener) tell(who string) {
	f.last.Store(&who)
	select {
	case f.out <- who:
	default: // one is waiting: the read that it asks for sees this change too
	}
}

// who is the program that changed nftables last, "" for nobody.
func (f *foreignListener) who() string {
	if p := f.last.Load(); p != nil {
		return *p
	}
	return ""
}

func (f *foreignListener) close() {
	_ = f.conn.Close()
	f.done.Wait()
}
