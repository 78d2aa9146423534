package modemtest

import (
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// DHCPReply is what the module's DHCP server answers to a message now, and how
// much later; nil is silence.
func (m *Modem) DHCPReply(message []byte) (reply []byte, after time.Duration) {
	req, err := dhcpv4.FromBytes(message)
	if err != nil || req.OpCode != dhcpv4.OpcodeBootRequest {
		return nil, 0
	}
	d := m.Data()
	if d.DHCP == DHCPNone {
		return nil, 0
	}
	kind := dhcpv4.MessageTypeOffer
	if req.MessageType() == dhcpv4.MessageTypeRequest {
		kind = dhcpv4.MessageTypeAck
		asked := req.RequestedIPAddress()
		if asked == nil || asked.IsUnspecified() {
			asked = req.ClientIPAddr
		}
		if a, _ := netip.AddrFromSlice(asked.To4()); a != d.Lease.Addr() || d.DHCP == DHCPNAK {
			kind = dhcpv4.MessageTypeNak
		}
	} else if req.MessageType() != dhcpv4.MessageTypeDiscover {
		return nil, 0
	}
	resp, err := dhcpv4.NewReplyFromRequest(req, d.offer(kind)...)
	if err != nil {
		return nil, 0
	}
	return resp.ToBytes(), d.DHCPDelay
}

// offer is the content of an answer.
func (d DataState) offer(kind dhcpv4.MessageType) []dhcpv4.Modifier {
	server := net.IP(d.Gateway.AsSlice())
	mods := []dhcpv4.Modifier{dhcpv4.WithMessageType(kind), dhcpv4.WithServerIP(server), dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server))}
	if kind == dhcpv4.MessageTypeNak {
		return mods
	}
	var dns []net.IP
	for _, a := range d.DNS {
		if a.Is4() {
			dns = append(dns, a.AsSlice())
		}
	}
	return append(mods,
		dhcpv4.WithYourIP(d.Lease.Addr().AsSlice()),
		dhcpv4.WithNetmask(net.CIDRMask(d.Lease.Bits(), 32)),
		dhcpv4.WithRouter(server),
		dhcpv4.WithDNS(dns...),
		dhcpv4.WithLeaseTime(3600),
		dhcpv4.WithOption(dhcpv4.Option{Code: dhcpv4.OptionInterfaceMTU, Value: dhcpv4.Uint16(d.MTU)}),
	)
}
