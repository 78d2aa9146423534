package dhcpsrv

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

// Reply is a message for a client, to be sent from port 67 of our address to
// port 68.
type Reply struct {
	Payload []byte
	// MAC and To are the link and the IP destination. The client may not have
	// the address yet, so no ARP can find it: the frame goes to MAC as it is.
	MAC netif.MAC
	To  netip.Addr
	// Routed says that the client uses To already: an ordinary datagram
	// reaches it, also where MAC is not on this link (a Wi-Fi extender).
	Routed bool
	// Wait holds the reply back until the records of this and every earlier
	// Output are durable (RFC 2131 §4.3.1, S55).
	Wait bool
}

var (
	linkBroadcast = netif.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	ipBroadcast   = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// infiniteSeconds is a lease without end on the wire (RFC 2131 §3.3).
const infiniteSeconds = 0xffffffff

// Flags of option 81 (RFC 4702 §2.1).
const (
	fqdnS = 1
	fqdnO = 2
	fqdnE = 4
	fqdnN = 8
)

// minPayload is what every BOOTP relay and boot ROM accepts (RFC 951, S34).
const minPayload = 300

// nak refuses what the client asked for: nothing in it but 53, 54, 56 and 61,
// and always by broadcast, since the client's address is not to be used
// (RFC 2131 §4.1, S10).
func (t *Table) nak(r *request, why string) Reply {
	list := []Option{
		{53, []byte{byte(dhcpv4.MessageTypeNak)}}, {54, t.rules.self.AsSlice()}, {56, []byte(why)},
	}
	if r.id != nil {
		list = append(list, Option{61, r.id})
	}
	return Reply{Payload: encode(r, netip.Addr{}, netip.Addr{}, list), MAC: linkBroadcast, To: ipBroadcast}
}

// offer is DHCPOFFER.
func (t *Table) offer(r *request, a netip.Addr, lease time.Duration) Reply {
	list := t.options(r, dhcpv4.MessageTypeOffer, lease)
	return r.deliver(encode(r, netip.Addr{}, a, list), a)
}

// ack is DHCPACK for a lease. It waits for the log.
func (t *Table) ack(r *request, a netip.Addr, lease time.Duration) Reply {
	list := t.options(r, dhcpv4.MessageTypeAck, lease)
	reply := r.deliver(encode(r, r.ciaddr, a, list), a)
	if r.ciaddr.IsValid() {
		reply.To, reply.Routed, reply.MAC = r.ciaddr, true, r.mac
	}
	reply.Wait = true
	return reply
}

// informed is DHCPACK without a lease (RFC 2131 §4.3.5, S13, N05).
func (t *Table) informed(r *request, to netip.Addr) Reply {
	list := t.options(r, dhcpv4.MessageTypeAck, 0)
	payload := encode(r, r.ciaddr, netip.Addr{}, list)
	if !r.ciaddr.IsValid() && r.broadcast() {
		return Reply{Payload: payload, MAC: linkBroadcast, To: ipBroadcast}
	}
	return Reply{Payload: payload, MAC: r.mac, To: to, Routed: true}
}

// deliver addresses a message to a client that has no address yet
// (RFC 2131 §4.1, S35, S36, S37).
func (r *request) deliver(payload []byte, a netip.Addr) Reply {
	if r.broadcast() || r.mac.IsZero() {
		return Reply{Payload: payload, MAC: linkBroadcast, To: ipBroadcast}
	}
	return Reply{Payload: payload, MAC: r.mac, To: a}
}

// unasked are sent to everybody: simple devices ask for nothing and need them.
var unasked = []uint8{1, 3, 6}

// onlyAsked are never sent to a client that did not ask: 108 takes IPv4 away
// from it, 116 its link-local address, 121 its default route (RFC 8925 §3.2,
// RFC 2563 §2, RFC 3442).
var onlyAsked = []uint8{108, 116, 121, 249}

// options lists what goes into an OFFER or ACK, the most wanted first: the
// message type, server and lease so that a client with a short buffer sees
// them, the identifier (RFC 6842), then what the client asked for in its own
// order (S31, S32). lease is 0 for INFORM.
func (t *Table) options(r *request, kind dhcpv4.MessageType, lease time.Duration) []Option {
	list := []Option{{53, []byte{byte(kind)}}, {54, t.rules.self.AsSlice()}}
	if lease > 0 {
		list = append(list, Option{51, seconds(lease)})
	}
	if r.id != nil {
		list = append(list, Option{61, r.id})
	}
	done := map[uint8]bool{}
	for _, code := range t.wanted(r) {
		if done[code] {
			continue
		}
		done[code] = true
		if v := t.value(code, r); len(v) > 0 {
			list = append(list, Option{code, v})
		}
	}
	if lease > 0 && lease != Infinite {
		t1, t2 := timers(r.key, lease)
		list = append(list, Option{58, seconds(t1)}, Option{59, seconds(t2)})
	}
	if v := t.fqdnReply(r); v != nil {
		list = append(list, Option{81, v})
	}
	if v := r.msg.Options[82]; len(v) > 0 && t.rules.Trust82 {
		list = append(list, Option{82, v}) // always the last one (RFC 3046 §2.1)
	}
	return list
}

// wanted lists option codes in the order in which the client wants them, the
// mask before the router (RFC 2132 §3.3), and what everybody gets. Without a
// list it is everything that is configured.
func (t *Table) wanted(r *request) []uint8 {
	var list []uint8
	for _, code := range r.msg.Options[55] {
		if code == 3 {
			list = append(list, 1)
		}
		list = append(list, code)
	}
	list = append(list, unasked...)
	if len(r.msg.Options[55]) > 0 {
		return list
	}
	list = append(list, 28, 15, 26)
	for _, o := range t.rules.Options {
		if !slices.Contains(onlyAsked, o.Code) {
			list = append(list, o.Code)
		}
	}
	return list
}

// value is an option's content for that client, empty for none. A configured
// option replaces the computed one; configured as empty it is left out.
func (t *Table) value(code uint8, r *request) []byte {
	c := t.rules
	if v, ok := c.extra[code]; ok {
		return v
	}
	switch code {
	case 1:
		return address(^uint32(0) << (32 - c.subnet.Bits())).AsSlice()
	case 3:
		return c.self.AsSlice()
	case 6:
		return t.resolvers()
	case 12:
		// Only a name that we gave: a client's own one is no news to it.
		if h := c.byMAC[r.mac]; h != nil && len(r.msg.Options[81]) == 0 {
			return []byte(cleanName(h.Name))
		}
	case 15:
		return []byte(c.Domain)
	case 26:
		if c.MTU > 0 {
			return binary.BigEndian.AppendUint16(nil, uint16(c.MTU))
		}
	case 28:
		if c.subnet.Bits() < 31 {
			return c.broadcast().AsSlice()
		}
	case 249:
		return c.extra[121] // Windows' number for the same thing
	}
	return nil
}

// resolvers is option 6: what is configured, else ourselves, also before any
// uplink is up (RFC 5625 §5.1, N36).
func (t *Table) resolvers() []byte {
	if len(t.rules.DNS) == 0 {
		return t.rules.self.AsSlice()
	}
	var v []byte
	for _, a := range t.rules.DNS {
		if a.Is4() {
			v = append(v, a.AsSlice()...)
		}
	}
	return v
}

// fqdnReply answers option 81: we do the updates of our zone, the client needs
// to do none (RFC 4702 §4, N18).
func (t *Table) fqdnReply(r *request) []byte {
	v := r.msg.Options[81]
	if len(v) < 3 {
		return nil
	}
	flags := v[0]&fqdnE | fqdnN
	if v[0]&fqdnS != 0 {
		flags |= fqdnO
	}
	out := []byte{flags, 255, 255}
	name := r.name()
	if b := t.byKey[r.key]; b != nil && b.state == bound {
		name = b.name // what DNS will say, which may be name-2
	}
	if name == "" {
		return out
	}
	labels := []string{name}
	labels = append(labels, strings.FieldsFunc(t.rules.Domain, func(c rune) bool { return c == '.' })...)
	for i, l := range labels {
		switch {
		case flags&fqdnE != 0:
			l = l[:min(len(l), maxLabel)]
			out = append(append(out, byte(len(l))), l...)
		case i > 0:
			out = append(append(out, '.'), l...)
		default:
			out = append(out, l...)
		}
	}
	if flags&fqdnE != 0 {
		out = append(out, 0)
	}
	return out
}

// seconds is a duration on the wire.
func seconds(d time.Duration) []byte {
	return binary.BigEndian.AppendUint32(nil, wireSeconds(d))
}

func wireSeconds(d time.Duration) uint32 {
	if d == Infinite {
		return infiniteSeconds
	}
	return uint32(min(max(d/time.Second, 0), infiniteSeconds-1))
}

// timers are T1 and T2: half and seven eighths of the lease (RFC 2131 §4.4.5),
// up to 5 % of it earlier, differently for each client, so that a LAN that came
// up after a power cut does not renew in one second for days (S40).
func timers(key string, lease time.Duration) (t1, t2 time.Duration) {
	const spread = 1000
	early := lease / 20 / spread * time.Duration(hash("t"+key)%spread)
	return lease/2 - early, lease/8*7 - early
}
