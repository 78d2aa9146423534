package lease

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

// The fixed part of a message (RFC 2131 figure 1).
const (
	offsetHlen  = 2
	offsetSname = 44
	offsetFile  = 108
	offsetMagic = 236
	offsetOpts  = 240
	packetMax   = 65535
)

// reply is a message from a server, checked for form only.
type reply struct {
	kind    dhcpv4.MessageType
	xid     uint32
	chaddr  []byte
	yiaddr  netip.Addr
	server  netip.Addr // option 54; zero if absent
	options dhcpv4.Options
	from    netif.MAC // link source
}

// parseReply reads a message from a server. It is tolerant where servers are
// sloppy (no END, overload, cut names) and strict where a field could be
// taken for another.
func parseReply(b []byte) (reply, error) {
	if len(b) < offsetOpts || len(b) > packetMax {
		return reply{}, fmt.Errorf("message of %d bytes", len(b))
	}
	if b[offsetHlen] > 16 {
		return reply{}, fmt.Errorf("hardware address of %d bytes", b[offsetHlen])
	}
	// Some servers leave END out (S30): one more does no harm.
	d, err := dhcpv4.FromBytes(append(slices.Clone(b), dhcpv4.OptionEnd.Code()))
	if err != nil {
		return reply{}, err
	}
	if d.OpCode != dhcpv4.OpcodeBootReply {
		return reply{}, errors.New("not a reply")
	}
	if err := overload(d, b); err != nil {
		return reply{}, err
	}
	r := reply{
		kind:    d.MessageType(),
		xid:     binary.BigEndian.Uint32(d.TransactionID[:]),
		chaddr:  d.ClientHWAddr,
		options: d.Options,
	}
	r.yiaddr, _ = netip.AddrFromSlice(d.YourIPAddr.To4())
	r.server, _ = oneAddr(d.Options.Get(dhcpv4.OptionServerIdentifier))
	if r.kind == dhcpv4.MessageTypeNone {
		return reply{}, errors.New("no message type") // BOOTP
	}
	return r, nil
}

// overload adds the options in the file and sname fields (option 52), in the
// order of RFC 3396 §5, which the library leaves out.
func overload(d *dhcpv4.DHCPv4, b []byte) error {
	value := d.Options.Get(dhcpv4.OptionOptionOverload)
	if len(value) != 1 {
		return nil
	}
	if value[0]&1 != 0 {
		if err := d.Options.FromBytes(b[offsetFile:offsetMagic]); err != nil {
			return fmt.Errorf("options in the file field: %w", err)
		}
	}
	if value[0]&2 != 0 {
		if err := d.Options.FromBytes(b[offsetSname:offsetFile]); err != nil {
			return fmt.Errorf("options in the sname field: %w", err)
		}
	}
	return nil
}

// oneAddr reads an option that holds one IPv4 address which a host may have.
func oneAddr(value []byte) (netip.Addr, bool) {
	if len(value) != 4 {
		return netip.Addr{}, false
	}
	a := netip.AddrFrom4([4]byte(value))
	return a, hostAddr(a)
}

// hostAddr reports whether a can be the address of a host on a network.
func hostAddr(a netip.Addr) bool {
	return a.Is4() && !a.IsUnspecified() && !a.IsLoopback() && a.As4()[0] != 0 && a.As4()[0] < 224
}

// addrs reads an option that holds a list of IPv4 addresses, without those
// that no host can have and without repetitions.
func addrs(value []byte, limit int) []netip.Addr {
	var list []netip.Addr
	for ; len(value) >= 4 && len(list) < limit; value = value[4:] {
		if a, ok := oneAddr(value[:4]); ok && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}
