package kernel

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// flow is a connection as its LAN client knows it.
type flow struct{ client, server netip.AddrPort }

// nudgeEvery and nudgeBurst limit the nudges to 5,000 a second.
const (
	nudgeEvery = 10 * time.Millisecond
	nudgeBurst = 50
)

// nudger makes clients of dead connections speak. A client that only listens
// would not notice for minutes that its flow is gone. It gets one ACK from its
// server's address with a sequence number out of its window, which it must
// answer (RFC 9293 §3.10.7.4); the answer meets our reset.
//
// The packets carry the untracked mark: conntrack would learn the forged
// connection as one of the server's and let the answer out without NAT.
type nudger struct {
	log  *slog.Logger
	fd   int         // raw socket, -1 where we may not open one
	jobs chan []flow // capacity 4: a list that does not fit is dropped
	stop chan struct{}
	done sync.WaitGroup
}

func openNudger(untracked uint32, log *slog.Logger) *nudger {
	n := &nudger{log: log, fd: -1, jobs: make(chan []flow, 4), stop: make(chan struct{})}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err == nil {
		// IPPROTO_RAW includes the header by itself.
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(untracked)); err != nil {
			_ = unix.Close(fd)
		} else {
			n.fd = fd
		}
	}
	if err != nil {
		log.Info("no nudges: clients notice dead connections by themselves", "error", err)
	}
	n.done.Add(1)
	go n.run()
	return n
}

// send hands a list over; it never blocks.
func (n *nudger) send(list []flow) {
	if len(list) == 0 || n.fd < 0 {
		return
	}
	select {
	case n.jobs <- list:
	default:
		n.log.Debug("nudges dropped", "flows", len(list))
	}
}

func (n *nudger) close() {
	close(n.stop)
	n.done.Wait()
	if n.fd >= 0 {
		_ = unix.Close(n.fd)
	}
}

func (n *nudger) run() {
	defer n.done.Done()
	for {
		select {
		case <-n.stop:
			return
		case list := <-n.jobs:
			n.work(list)
		}
	}
}

func (n *nudger) work(list []flow) {
	tick := time.NewTicker(nudgeEvery)
	defer tick.Stop()
	sent := 0
	for len(list) > 0 {
		for _, f := range list[:min(nudgeBurst, len(list))] {
			to := &unix.SockaddrInet4{Addr: f.client.Addr().As4()}
			if err := unix.Sendto(n.fd, nudgePacket(f, rand.Uint32(), rand.Uint32()), 0, to); err == nil {
				sent++
			}
		}
		list = list[min(nudgeBurst, len(list)):]
		if len(list) == 0 {
			break
		}
		select {
		case <-n.stop:
			return
		case <-tick.C:
		}
	}
	n.log.Debug("clients nudged", "flows", sent)
}

// nudgePacket is an IPv4 packet with a bare ACK from server to client. The
// kernel fills in the IP checksum and id.
func nudgePacket(f flow, seq, ack uint32) []byte {
	const ipLen, tcpLen = 20, 20
	b := make([]byte, ipLen+tcpLen)
	b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(b[2:], ipLen+tcpLen)
	src, dst := f.server.Addr().As4(), f.client.Addr().As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	t := b[ipLen:]
	binary.BigEndian.PutUint16(t[0:], f.server.Port())
	binary.BigEndian.PutUint16(t[2:], f.client.Port())
	binary.BigEndian.PutUint32(t[4:], seq)
	binary.BigEndian.PutUint32(t[8:], ack)
	t[12], t[13] = tcpLen/4<<4, 0x10 // header length, ACK
	binary.BigEndian.PutUint16(t[14:], 1024)
	binary.BigEndian.PutUint16(t[16:], tcpChecksum(src, dst, t))
	return b
}

// tcpChecksum is RFC 9293 §3.1 with the IPv4 pseudo header.
func tcpChecksum(src, dst [4]byte, segment []byte) uint16 {
	pseudo := append(append(src[:], dst[:]...), 0, unix.IPPROTO_TCP, 0, byte(len(segment)))
	var sum uint32
	for _, part := range [][]byte{pseudo, segment} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// reachable leaves out clients that only a default route leads to: their LAN
// is gone, and a packet with a server's address must never leave by an uplink.
func (k *Kernel) reachable(list []flow) []flow {
	known := make(map[netip.Addr]bool)
	var kept []flow
	for _, f := range list {
		ok, asked := known[f.client.Addr()]
		if !asked {
			hop, err := k.lookup(f.client.Addr(), fibMatch)
			if err != nil {
				k.log.Debug("client not nudged", "client", f.client.Addr(), "error", fmt.Sprint(err))
			}
			ok = err == nil && hop.spec.Dst.Bits() > 0
			known[f.client.Addr()] = ok
		}
		if ok {
			kept = append(kept, f)
		}
	}
	return kept
}
