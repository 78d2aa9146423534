package sock

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Ping sends one echo request of size bytes and waits for its answer, matched
// by identifier, sequence, sender and content (libnet.ping, which takes any
// answer of anybody and thinks 0 ms a failure; neither is copied).
func Ping(ctx context.Context, route Route, to netip.Addr, timeout time.Duration, size int) (time.Duration, error) {
	network, proto := "ip4:icmp", 1
	var echo, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if to.Is6() {
		network, proto, echo, reply = "ip6:ipv6-icmp", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	c, err := route.Bind.ListenPacket(ctx, network)
	if err != nil {
		return 0, Cause(err)
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	body := &icmp.Echo{ID: int(uint16(rand.Uint32())), Seq: int(uint16(rand.Uint32())), Data: bytes.Repeat([]byte{0x55}, max(size, 8))}
	packet, err := (&icmp.Message{Type: echo, Body: body}).Marshal(nil)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := c.WriteTo(packet, &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}); err != nil {
		return 0, Cause(fmt.Errorf("ping %s: %w", to, err))
	}
	buf := make([]byte, len(packet)+512)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return 0, Cause(fmt.Errorf("ping %s: %w", to, err))
		}
		m, err := icmp.ParseMessage(proto, buf[:n])
		if err != nil || m.Type != reply || !from.(*net.IPAddr).IP.Equal(to.AsSlice()) {
			continue
		}
		if e, ok := m.Body.(*icmp.Echo); ok && e.ID == body.ID && e.Seq == body.Seq && bytes.Equal(e.Data, body.Data) {
			return time.Since(began), nil
		}
	}
}
