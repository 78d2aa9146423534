package lease

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"luatnetd/netif"
)

const (
	hwEthernet = 1
	// maxMessage is what we accept (option 57): one Ethernet frame.
	maxMessage = 1500
)

// option249 is Microsoft's number for option 121; some servers know only it.
const option249 = dhcpv4.GenericOptionCode(249)

// wanted is the parameter request list. 121 stands before 3 (RFC 3442).
var wanted = []byte{1, 121, 3, 6, 12, 15, 26, 28, 33, 42, 43, 51, 54, 58, 59, 114, 119, 125, 249}

// message describes one message to a server.
type message struct {
	kind      dhcpv4.MessageType
	xid       uint32
	secs      uint16
	broadcast bool       // ask for the answer by broadcast
	client    netip.Addr // ciaddr
	requested netip.Addr // option 50
	server    netip.Addr // option 54
	id        identity
	mac       netif.MAC
}

// bytes serialises the message. The library's constructors draw random
// numbers, so the packet is built by hand.
func (c Config) bytes(m message) []byte {
	d := &dhcpv4.DHCPv4{
		OpCode:       dhcpv4.OpcodeBootRequest,
		HWType:       iana.HWTypeEthernet,
		NumSeconds:   m.secs,
		ClientIPAddr: ip4(m.client),
		Options:      dhcpv4.Options{},
	}
	binary.BigEndian.PutUint32(d.TransactionID[:], m.xid)
	if !m.mac.IsZero() {
		d.ClientHWAddr = m.mac.HardwareAddr()
	}
	if m.broadcast {
		d.SetBroadcast()
	}
	set := func(code dhcpv4.OptionCode, value []byte) {
		if len(value) > 0 {
			d.Options[code.Code()] = value
		}
	}
	for code, value := range c.Options {
		set(dhcpv4.GenericOptionCode(code), value)
	}
	set(dhcpv4.OptionDHCPMessageType, []byte{byte(m.kind)})
	set(dhcpv4.OptionClientIdentifier, m.id.bytes)
	set(dhcpv4.OptionRequestedIPAddress, ip4(m.requested))
	set(dhcpv4.OptionServerIdentifier, ip4(m.server))
	if m.kind == dhcpv4.MessageTypeDiscover || m.kind == dhcpv4.MessageTypeRequest {
		set(dhcpv4.OptionParameterRequestList, wanted)
		set(dhcpv4.OptionMaximumDHCPMessageSize, binary.BigEndian.AppendUint16(nil, maxMessage))
		set(dhcpv4.OptionHostName, []byte(c.Hostname))
		set(dhcpv4.OptionClassIdentifier, []byte(c.VendorClass))
	}
	return d.ToBytes()
}

// ip4 is a in the library's form, nil for none.
func ip4(a netip.Addr) net.IP {
	if !a.Is4() {
		return nil
	}
	return a.AsSlice()
}
