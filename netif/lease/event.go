package lease

import (
	"net/netip"
	"time"

	"luatnetd/netif"
)

// Event is what happened: one of the types below.
type Event interface{ event() }

// LinkUp says that the device exists and has carrier. It is a level: repeating
// it changes nothing.
type LinkUp struct {
	MAC netif.MAC // zero for a device without Ethernet address
	MTU int       // bytes
	// Addrs are the addresses on the device. At the first LinkUp they tell
	// whether a predecessor of this process still uses the remembered lease.
	Addrs []netip.Prefix
}

// LinkDown says that the carrier is away, or the device gone.
type LinkDown struct{ Gone bool }

// Packet is a DHCP message (the UDP payload) that arrived on port 68.
type Packet struct {
	Payload []byte
	From    netif.MAC // link source, zero where unknown
}

// ARP is an ARP packet seen on the link while the machine wanted them.
type ARP struct {
	Request   bool
	SenderMAC netif.MAC
	Sender    netip.Addr
	Target    netip.Addr
}

// Timer says that the time last asked for by SetTimer may have come. Every
// event does that; Timer is for when nothing else happens.
type Timer struct{}

// Renew asks for the lease to be renewed now, or for the next try now.
type Renew struct{}

// Restart gives the lease up, without a RELEASE, and starts anew: a modem has
// another address behind the same carrier.
type Restart struct{ Reason string }

// Avoid replaces the list of subnets that no lease may overlap: the LANs.
type Avoid struct{ Prefixes []netip.Prefix }

// Stop ends the machine and leaves the lease as it is, for the next process.
type Stop struct{}

// Release ends the machine and gives the address back to the server.
type Release struct{}

func (LinkUp) event()   {}
func (LinkDown) event() {}
func (Packet) event()   {}
func (ARP) event()      {}
func (Timer) event()    {}
func (Renew) event()    {}
func (Restart) event()  {}
func (Avoid) event()    {}
func (Stop) event()     {}
func (Release) event()  {}

// Action is what has to be done, in order: one of the types below.
type Action interface{ action() }

// OpenRaw asks for the packet socket that receives DHCP without an address.
type OpenRaw struct{}

// CloseRaw closes it.
type CloseRaw struct{}

// OpenARP asks for the packet socket that receives ARP.
type OpenARP struct{}

// CloseARP closes it.
type CloseARP struct{}

// Send is one DHCP message. A broadcast leaves by the packet socket, as a link
// broadcast from Src (0.0.0.0 or the leased address) to 255.255.255.255. The
// others leave by the UDP socket, from Src to Dst.
type Send struct {
	Payload   []byte
	Broadcast bool
	Src, Dst  netip.Addr
}

// Probe is one ARP probe for Addr (RFC 5227 §2.1.1).
type Probe struct{ Addr netip.Addr }

// Announce is one gratuitous ARP for Addr.
type Announce struct{ Addr netip.Addr }

// AskGateway is an ARP request from an address of ours, to MAC, or by
// broadcast where MAC is zero.
type AskGateway struct {
	From, Gateway netip.Addr
	MAC           netif.MAC
}

// BoundTo publishes the lease: it may be used until a Lost, or until another
// BoundTo with the same address replaces it.
type BoundTo struct {
	Lease netif.Lease
	// Renewed says that nothing but the times differs from the lease before.
	Renewed bool
	// Provisional marks the seconds-long private lease of a modem that has no
	// link yet (systemd/systemd#9111).
	Provisional bool
	// Extra holds options that the lease has no field for, as received:
	// 42, 43, 114, 119, 125, 212.
	Extra map[uint8][]byte
	// Notes are oddities of the server's answer, for the log.
	Notes []string
}

// Lost withdraws the lease at once: IP_LOSE.
type Lost struct{ Reason string }

// Refused says why an offered lease is not taken; the machine goes on asking.
type Refused struct{ Reason string }

// SetTimer asks for a Timer event at that boot time; zero: none needed.
type SetTimer struct{ At time.Time }

// Save asks for the record to be kept over a restart and a reboot.
type Save struct{ Record Record }

func (OpenRaw) action()    {}
func (CloseRaw) action()   {}
func (OpenARP) action()    {}
func (CloseARP) action()   {}
func (Send) action()       {}
func (Probe) action()      {}
func (Announce) action()   {}
func (AskGateway) action() {}
func (BoundTo) action()    {}
func (Lost) action()       {}
func (Refused) action()    {}
func (SetTimer) action()   {}
func (Save) action()       {}
