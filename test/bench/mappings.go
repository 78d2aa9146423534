package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"luatnetd/internal/lab"
)

// mapped is how many flows of each protocol the largest LuatOS chip holds.
const mapped = 8192

// Ports of the servers that serve what the lab's own servers do not.
const (
	bytePort = 99    // TCP: repeats every byte, with a buffer of one byte
	seenPort = 98    // UDP: answers the port that it sees
	hostPort = 20000 // the first of the client's own ports
)

// mappings opens 8,192 TCP connections and 8,192 UDP flows of the LAN client and
// then asks over each of them again. The control of a UDP flow is the port that
// the server sees: it must be the same as before.
func mappings(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	n := opt.rounds(mapped)
	stop, err := r.serveMappings()
	if err != nil {
		return nil, err
	}
	defer stop()
	conns, err := r.connect(n)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	first, err := r.portsSeen(n)
	if err != nil {
		return nil, err
	}
	tracked, err := r.tracked()
	if err != nil {
		return nil, err
	}
	tcp := 0
	for _, c := range conns {
		if asked(c) == nil {
			tcp++
		}
	}
	second, err := r.portsSeen(n)
	if err != nil {
		return nil, err
	}
	udp := 0
	for i := range first {
		if first[i] != 0 && first[i] == second[i] {
			udp++
		}
	}
	return []figure{
		count("mappings-tcp-held", "connections", tcp, n, "all of 8,192 answer", tcp == n),
		count("mappings-udp-held", "flows", udp, n, "all of 8,192 keep their port", udp == n),
		count("mappings-tracked", "flows", tracked, 2*n, "all 16,384 in conntrack at once", tracked >= 2*n),
	}, nil
}

// serveMappings starts the servers in the virtual internet.
func (r *rig) serveMappings() (stop func(), err error) {
	var l net.Listener
	var u net.PacketConn
	err = r.Server.Do(func() (err error) {
		if l, err = net.Listen("tcp4", fmt.Sprintf("%s:%d", lab.WebAddr, bytePort)); err != nil {
			return err
		}
		u, err = net.ListenPacket("udp4", fmt.Sprintf("%s:%d", lab.WebAddr, seenPort))
		return err
	})
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go repeat(c)
		}
	}()
	go answerPort(u)
	return func() { _ = l.Close(); _ = u.Close() }, nil
}

func repeat(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 1)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

func answerPort(u net.PacketConn) {
	buf := make([]byte, 64)
	for {
		_, from, err := u.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = u.WriteTo(binary.BigEndian.AppendUint16(nil, uint16(from.(*net.UDPAddr).Port)), from) // a loss is seen by who asked
	}
}

// connect opens n connections of the client, one after the other.
func (r *rig) connect(n int) (conns []net.Conn, err error) {
	err = r.Client.Do(func() error {
		d := net.Dialer{Timeout: 3 * time.Second}
		addr := net.JoinHostPort(lab.WebAddr, strconv.Itoa(bytePort))
		d.SetMultipathTCP(false)
		for range n {
			c, err := d.Dial("tcp4", addr)
			if err != nil {
				return fmt.Errorf("connection %d: %w", len(conns)+1, err)
			}
			conns = append(conns, c)
		}
		return nil
	})
	return conns, err
}

// asked sends a byte and waits for it to come back.
func asked(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}

// portsSeen asks from n ports of the client, one after the other, which port the
// server sees; 0 where no answer came.
func (r *rig) portsSeen(n int) ([]uint16, error) {
	seen := make([]uint16, n)
	err := r.Client.Do(func() error {
		server := &net.UDPAddr{IP: net.ParseIP(lab.WebAddr), Port: seenPort}
		for i := range n {
			c, err := net.DialUDP("udp4", &net.UDPAddr{Port: hostPort + i}, server)
			if err != nil {
				return err
			}
			seen[i] = portSeen(c)
			_ = c.Close()
		}
		return nil
	})
	return seen, err
}

func portSeen(c net.Conn) uint16 {
	_ = c.SetDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 2)
	if _, err := c.Write(buf); err != nil {
		return 0
	}
	if n, err := c.Read(buf); err != nil || n != len(buf) {
		return 0
	}
	return binary.BigEndian.Uint16(buf)
}

// tracked is how many flows the gateway's kernel holds.
func (r *rig) tracked() (n int, err error) {
	err = r.Gateway.Do(func() error {
		b, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
		if err == nil {
			n, err = strconv.Atoi(strings.TrimSpace(string(b)))
		}
		return err
	})
	return n, err
}
