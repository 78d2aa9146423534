package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"luatnetd/internal/bind"
	"luatnetd/netif"
)

// Layout of an ARP packet for IPv4 over Ethernet (RFC 826).
const (
	etherLen = 14
	arpLen   = 28
	arpReply = 2
	offOp    = etherLen + 6
	offSPA   = etherLen + 14 // sender's protocol address
	offTPA   = etherLen + 24 // target's protocol address
)

// gateway asks the next hop itself: by ARP on an Ethernet, else, and for IPv6,
// by an echo.
func gateway(ctx context.Context, b bind.Bind, to netip.Addr, seq uint16) (time.Duration, error) {
	to = to.Unmap()
	if !to.IsValid() {
		return 0, errors.New("the uplink has no gateway")
	}
	speaks, err := speaksARP(b.Device)
	if err != nil {
		return 0, err
	}
	if to.Is6() || !speaks {
		return echo(ctx, b, to, seq)
	}
	return arp(ctx, b, to)
}

// speaksARP reports whether the device is an Ethernet with ARP. Modems in raw
// IP mode and tunnels are not.
func speaksARP(device string) (bool, error) {
	ifr, err := unix.NewIfreq(device)
	if err != nil {
		return false, fmt.Errorf("device %q: %w", device, err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, fmt.Errorf("open socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, ifr); err != nil {
		return false, fmt.Errorf("device %s: %w", device, err)
	}
	ethernet := ifr.Uint16() == unix.ARPHRD_ETHER // sa_family of the address
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr); err != nil {
		return false, fmt.Errorf("device %s: %w", device, err)
	}
	return ethernet && ifr.Uint16()&unix.IFF_NOARP == 0, nil
}

// arp sends one ARP request and waits for the reply of the next hop.
func arp(ctx context.Context, b bind.Bind, to netip.Addr) (time.Duration, error) {
	ifi, err := net.InterfaceByName(b.Device)
	if err != nil {
		return 0, fmt.Errorf("device %s: %w", b.Device, err)
	}
	mac, ok := netif.MACFrom(ifi.HardwareAddr)
	if !ok {
		return 0, fmt.Errorf("device %s has no Ethernet address", b.Device)
	}
	source := b.Source.Unmap()
	if !source.Is4() {
		source = netip.IPv4Unspecified() // an ARP probe (RFC 5227 §1.1) is answered as well
	}
	filter, err := repliesOf(to)
	if err != nil {
		return 0, err
	}
	conn, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ARP, &packet.Config{Filter: filter})
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	defer limit(ctx, conn)()
	start := time.Now()
	broadcast := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if _, err := conn.WriteTo(arpRequest(mac, source, to), &packet.Addr{HardwareAddr: broadcast}); err != nil {
		return 0, err
	}
	buf := make([]byte, 128)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return 0, err
		}
		if isReply(buf[:n], source, to) {
			return time.Since(start), nil
		}
	}
}

// repliesOf is a filter for ARP replies of one address.
func repliesOf(from netip.Addr) ([]bpf.RawInstruction, error) {
	spa := from.As4()
	return bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offOp, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: arpReply, SkipTrue: 3},
		bpf.LoadAbsolute{Off: offSPA, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(spa[:]), SkipTrue: 1},
		bpf.RetConstant{Val: 128},
		bpf.RetConstant{Val: 0},
	})
}

// arpRequest is the frame "who has to? tell source".
func arpRequest(mac netif.MAC, source, to netip.Addr) []byte {
	src, dst := source.As4(), to.As4()
	b := make([]byte, 0, etherLen+arpLen)
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	b = append(b, mac[:]...)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_ARP)
	b = append(b, 0, 1, 8, 0, 6, 4, 0, 1) // Ethernet, IPv4, lengths, request
	b = append(b, mac[:]...)
	b = append(b, src[:]...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	return append(b, dst[:]...)
}

// isReply reports whether frame is the reply of from to source.
func isReply(frame []byte, source, from netip.Addr) bool {
	if len(frame) < etherLen+arpLen {
		return false
	}
	spa, tpa := [4]byte(frame[offSPA:]), [4]byte(frame[offTPA:])
	return binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_ARP &&
		binary.BigEndian.Uint16(frame[offOp:]) == arpReply &&
		netip.AddrFrom4(spa) == from && netip.AddrFrom4(tpa) == source
}
