package rawsock

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"luatnetd/netif"
)

// ARP operations (RFC 826).
const (
	ARPOpRequest uint16 = 1
	ARPOpReply   uint16 = 2
)

const (
	arpEthernetIPv4 = 0x0001_0800 // hardware type Ethernet, protocol type IPv4
	arpLengths      = 0x0604      // six and four bytes
	arpSize         = 28
)

// ARP is an ARP packet for IPv4 over Ethernet. A zero netip.Addr stands for 0.0.0.0.
type ARP struct {
	Op        uint16
	SenderMAC netif.MAC
	Sender    netip.Addr
	TargetMAC netif.MAC
	Target    netip.Addr
}

// ARPRequest asks who has target, from an address of ours.
func ARPRequest(mac netif.MAC, sender, target netip.Addr) ARP {
	return ARP{Op: ARPOpRequest, SenderMAC: mac, Sender: sender, Target: target}
}

// ARPProbe asks whether somebody uses target, without claiming it (RFC 5227 §2.1.1).
func ARPProbe(mac netif.MAC, target netip.Addr) ARP {
	return ARPRequest(mac, netip.IPv4Unspecified(), target)
}

// ARPAnnounce tells the link that addr is at mac now (RFC 5227 §2.3).
func ARPAnnounce(mac netif.MAC, addr netip.Addr) ARP { return ARPRequest(mac, addr, addr) }

// Bytes returns the packet from its network header on.
func (a ARP) Bytes() []byte {
	b := make([]byte, 0, arpSize)
	b = binary.BigEndian.AppendUint32(b, arpEthernetIPv4)
	b = binary.BigEndian.AppendUint16(b, arpLengths)
	b = binary.BigEndian.AppendUint16(b, a.Op)
	b = append(b, a.SenderMAC[:]...)
	b = appendIPv4(b, a.Sender)
	b = append(b, a.TargetMAC[:]...)
	return appendIPv4(b, a.Target)
}

// ParseARP reads a packet that starts at its network header; bytes after it
// (Ethernet padding) are ignored.
func ParseARP(b []byte) (ARP, error) {
	if len(b) < arpSize {
		return ARP{}, fmt.Errorf("arp packet of %d bytes: want %d", len(b), arpSize)
	}
	if binary.BigEndian.Uint32(b) != arpEthernetIPv4 || binary.BigEndian.Uint16(b[4:]) != arpLengths {
		return ARP{}, fmt.Errorf("arp packet %x: not IPv4 over Ethernet", b[:6])
	}
	return ARP{
		Op:        binary.BigEndian.Uint16(b[6:]),
		SenderMAC: netif.MAC(b[8:14]),
		Sender:    netip.AddrFrom4([4]byte(b[14:18])),
		TargetMAC: netif.MAC(b[18:24]),
		Target:    netip.AddrFrom4([4]byte(b[24:28])),
	}, nil
}

// ClaimedBy reports whether the packet shows that a host other than mac uses
// or is about to take addr (RFC 5227 §2.1.1, §2.4).
func (a ARP) ClaimedBy(mac netif.MAC, addr netip.Addr) bool {
	if a.SenderMAC == mac {
		return false
	}
	probe := a.Op == ARPOpRequest && a.Sender == netip.IPv4Unspecified() && a.Target == addr
	return a.Sender == addr || probe
}

func appendIPv4(b []byte, a netip.Addr) []byte {
	if !a.Is4() {
		return append(b, 0, 0, 0, 0)
	}
	four := a.As4()
	return append(b, four[:]...)
}
