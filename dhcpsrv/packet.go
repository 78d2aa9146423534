package dhcpsrv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"luatnetd/netif"
)

// Packet is a datagram that came to port 67 of the LAN.
type Packet struct {
	Payload []byte     // the BOOTP message; only used during the call
	Src     netif.MAC  // link source, zero where the caller cannot know it
	IPSrc   netip.Addr // source address
}

// Offsets in a BOOTP message (RFC 2131 §2).
const (
	offHlen    = 2
	offSname   = 44
	offFile    = 108
	offCookie  = 236
	offOptions = 240
)

// maxPayload is more than an Ethernet frame can carry unfragmented.
const maxPayload = 1500

// codes that are not in the library or read better here.
const (
	optOverload = 52
	optEnd      = 255
)

var errNotBOOTP = errors.New("not a BOOTP request")

// request is a parsed message of a client. It holds no reference to the packet.
type request struct {
	msg    *dhcpv4.DHCPv4
	kind   dhcpv4.MessageType
	key    string    // identity of the client, "" for none
	mac    netif.MAC // zero when the link is not Ethernet or the address is no station's
	id     []byte    // option 61 as sent
	ciaddr netip.Addr
	giaddr netip.Addr
	want   netip.Addr // option 50, zero for none
	server netip.Addr // option 54, zero for none
	ipSrc  netip.Addr
	hlen   uint8 // as sent
}

// parse reads a message. The library reads the header and the options; what
// it does not do is done here: a missing END is accepted, and options that
// overflow into the file and sname fields are read (RFC 2131 §4.1, S30).
func parse(in Packet) (*request, error) {
	p := in.Payload
	if len(p) < offOptions || len(p) > maxPayload {
		return nil, fmt.Errorf("%w: %d bytes", errNotBOOTP, len(p))
	}
	// An END behind the last byte is harmless where there is one already, and
	// cannot complete an option that is cut off: that still runs past the end.
	msg, err := dhcpv4.FromBytes(append(slices.Clip(p), optEnd))
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	if msg.OpCode != dhcpv4.OpcodeBootRequest {
		return nil, fmt.Errorf("%w: op %d", errNotBOOTP, msg.OpCode)
	}
	if err := overload(msg.Options, p); err != nil {
		return nil, err
	}
	r := &request{msg: msg, hlen: p[offHlen], ipSrc: in.IPSrc.Unmap()}
	if t := msg.Options[53]; len(t) == 1 {
		r.kind = dhcpv4.MessageType(t[0])
	}
	r.ciaddr, r.giaddr = fromIP(msg.ClientIPAddr), fromIP(msg.GatewayIPAddr)
	r.want, r.server = addrOption(msg.Options[50]), addrOption(msg.Options[54])
	r.identify()
	return r, nil
}

// overload adds the options of the file field, then of sname (option 52).
func overload(o dhcpv4.Options, p []byte) error {
	v := o[optOverload]
	if len(v) != 1 {
		return nil
	}
	if v[0]&1 != 0 {
		if err := o.FromBytes(p[offFile:offCookie]); err != nil {
			return fmt.Errorf("options in file: %w", err)
		}
	}
	if v[0]&2 != 0 {
		if err := o.FromBytes(p[offSname:offFile]); err != nil {
			return fmt.Errorf("options in sname: %w", err)
		}
	}
	return nil
}

// identify sets key and mac (RFC 2131 §4.2, S20, N30). The first byte of a key
// says what follows, so an identifier cannot be made to look like a MAC.
func (r *request) identify() {
	hw := r.msg.ClientHWAddr
	if mac, ok := netif.MACFrom(hw); ok && r.msg.HWType == iana.HWTypeEthernet && station(mac) {
		r.mac = mac
	}
	if id := r.msg.Options[61]; len(id) > 0 {
		r.id = id
	}
	switch {
	case len(r.id) >= 2:
		r.key = keyID + string(r.id)
	case r.msg.HWType == iana.HWTypeEthernet && len(hw) == 6:
		if !r.mac.IsZero() {
			r.key = macKey(r.mac)
		}
	case len(hw) > 0 && len(hw) <= 16 && r.hlen <= 16:
		r.key = keyHardware + string(rune(r.msg.HWType)) + string(hw)
	}
}

// Prefixes of keys; they are on disk. "d" is kept for DUID and IAID of IPv6.
const (
	keyHardware = "h"
	keyID       = "i"
)

// macKey is the key of a client that sends no identifier.
func macKey(mac netif.MAC) string { return keyHardware + "\x01" + string(mac[:]) }

// station reports whether mac can be the address of one device.
func station(mac netif.MAC) bool { return !mac.IsZero() && mac[0]&1 == 0 }

func fromIP(ip []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(ip)
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

func addrOption(v []byte) netip.Addr {
	if len(v) != 4 {
		return netip.Addr{}
	}
	return fromIP(v)
}

// asked is the lease time that the client wants, 0 for no wish.
func (r *request) asked() time.Duration {
	v := r.msg.Options[51]
	if len(v) != 4 {
		return 0
	}
	if n := binary.BigEndian.Uint32(v); n != infiniteSeconds {
		return max(time.Duration(n)*time.Second, time.Second)
	}
	return Infinite
}

// name is the host name that the client calls itself, cleaned. Option 81 wins
// over option 12 (RFC 4702 §4, N18).
func (r *request) name() string {
	if v := r.msg.Options[81]; len(v) > 3 {
		return cleanName(fqdn(v[0], v[3:]))
	}
	return cleanName(string(r.msg.Options[12]))
}

// fqdn reads the name of option 81: labels where the E bit is set, else ASCII.
// Only the first label is of interest.
func fqdn(flags byte, v []byte) string {
	if flags&fqdnE == 0 {
		return string(v)
	}
	if n := int(v[0]); n < len(v) && n <= maxLabel {
		return string(v[1 : 1+n])
	}
	return ""
}

// limit is the largest BOOTP message that the client takes, in bytes: option
// 57 counts the IP and UDP headers, and nothing below 576 or above what fits
// an Ethernet frame is believed (RFC 2132 §9.10, S33).
func (r *request) limit() int {
	const ipUDP, most = 28, 1500
	n := 576
	if v := r.msg.Options[57]; len(v) == 2 {
		n = min(max(n, int(binary.BigEndian.Uint16(v))), most)
	}
	return n - ipUDP
}

func (r *request) broadcast() bool { return r.msg.Flags&0x8000 != 0 }
