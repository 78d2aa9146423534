package router

import (
	"net/netip"

	"luatnetd/netif"
)

// Input is everything that a plan is computed from.
type Input struct {
	Marks    Marks    // zero: DefaultMask
	Uplinks  []Uplink // in configuration order, which is the rank in main
	LANs     []LAN
	Forwards []Forward
	Firewall Firewall

	// Main names the uplinks that traffic may use now, best first.
	Main []string
	// HoldMain says that no uplink is usable: main is left as it is.
	HoldMain bool
	// Kill names unusable uplinks whose flows another, verified uplink can carry.
	Kill []string
	// Verify is an address off-link behind the best uplink that the FIB look-up
	// after a switch asks for. Zero: the switch is not verified.
	Verify netip.Addr
	// NoStaleReset leaves TCP flows of another uplink alone (auto_socket_switch
	// = false): they end by their own timeouts.
	NoStaleReset bool
}

// Uplink is one configured uplink as the plan needs it.
type Uplink struct {
	Name     string
	Index    netif.Index
	Device   string // "" while a match has found no device
	Present  bool   // the device exists
	Down     bool   // closed by the operator: no address, no routes, still firewalled
	External bool   // somebody else owns link and address
	MTU      int    // wanted device MTU, 0 leaves it
	PathMTU  int    // known MTU towards the network below 1500, for the MSS; 0: unknown
	Lease    netif.Lease
}

// LAN is one downstream network.
type LAN struct {
	Name     string
	Device   string   // the bridge, or the only port
	Ports    []string // ports that we put into Device; empty when Device is not our bridge
	Bridge   bool     // Device is a bridge that we make
	Down     bool     // closed by the operator
	Present  bool     // Device exists (irrelevant for Bridge)
	Addr     netip.Prefix
	Upstream []string // names; empty: follow failover
	Usable   []string // those of Upstream that traffic may use now, best first
}

// Forward is a port forward (DNAT) from an uplink to a LAN host.
type Forward struct {
	Proto   string // "tcp" or "udp"
	Uplink  string // name; "" for every uplink
	Port    uint16 // first port
	PortEnd uint16 // last port, equal to Port for a single one
	To      netip.AddrPort
}

// Allow is one line of the firewall's allow list: traffic that the default
// policy would drop. From and To are an uplink or LAN name, "router" (To
// only) or a device that is not ours, written "dev:NAME".
type Allow struct {
	From, To string
	Proto    string // "tcp", "udp", "icmp", "" for any
	Port     uint16 // 0 for any
	PortEnd  uint16
	Src      netip.Prefix // zero for any
}

// Firewall is the policy of the whole box.
type Firewall struct {
	Allow       []Allow
	ICMPRate    int  // echo requests answered per second on uplinks
	IsolateLANs bool // LANs do not reach each other
	IPv6Pass    bool // our table has no word on IPv6
}

// Plan is the whole desired state. Rooms are compared and applied one by one.
type Plan struct {
	Links   []LinkSpec
	Addrs   []AddrSpec
	Routes  []RouteSpec // connected routes, tables of uplinks and LANs
	Rules   []RuleSpec
	Main    []RouteSpec // defaults in main, best first
	Hold    bool        // Main is not to be touched
	Table   Table       // inet luatnetd
	Acct    Table       // inet luatnetd_acct
	Sysctls []Sysctl
	Kill    []netif.Index // flows to destroy, see Input.Kill
	Verify  Lookup        // what the FIB must answer after a switch
}

// LinkSpec is a device of ours: a bridge to make, a port to enslave, or just
// a device to bring up or down.
type LinkSpec struct {
	Name   string
	Bridge bool   // make it if it does not exist
	Master string // bridge it belongs into, "" leaves it alone
	Up     bool
	MTU    int // 0 leaves it
}

// AddrSpec is an address of ours, added with IFA_F_NOPREFIXROUTE.
type AddrSpec struct {
	Device string
	Prefix netip.Prefix
}

// RouteSpec is a route of ours. A zero Gateway means scope link.
type RouteSpec struct {
	Table   uint32
	Dst     netip.Prefix
	Gateway netip.Addr
	Device  string
	Metric  uint32
	OnLink  bool
	Src     netip.Addr // preferred source, zero for none
}

// RuleSpec is a policy routing rule of ours.
type RuleSpec struct {
	IPv6     bool
	Pref     uint32
	Table    uint32
	Mark     uint32 // with Mask; 0 for none
	Mask     uint32
	Oif      string
	Iif      string
	From     netip.Prefix // zero for none
	Suppress int          // suppress_prefixlength; -1 for none
}

// Sysctl is one file below /proc/sys, named with dots for slashes except that
// Device, where set, replaces the single % in Key.
type Sysctl struct {
	Key    string // "net/ipv4/conf/%/rp_filter"
	Device string
	Value  string
}

// Path returns the file below /proc/sys.
func (s Sysctl) Path() string { return expand(s.Key, s.Device) }

// Lookup is a question to the FIB and the device it must answer. A zero
// Target asks nothing.
type Lookup struct {
	Target netip.Addr
	Device string
}

// Have is what the kernel holds of ours, read back by router/kernel.
type Have struct {
	Links   []LinkSpec // of the devices named in the plan that exist; Master "" for none
	Devices []string   // every device that exists; nil: not read, all are believed to exist
	Addrs   []AddrSpec // protocol 76
	Routes  []RouteSpec
	Rules   []RuleSpec
	Main    []RouteSpec // our defaults in main
	Table   *Identity   // nil: no such table
	Acct    *Identity
	MTUs    map[string]int    // device → what it had before our first write
	Sysctls map[string]string // path → value; missing: the file does not exist

	// The applier's memory, not read back. All may be nil.
	Killed   []netif.Index     // Plan.Kill of the plan applied last: flushed already
	Made     []string          // bridges that we made: only these are ever removed
	Original map[string]string // sysctl path → value from before our first write; nil: not known
}

// Identity is how a table of nftables is compared: decoding rules is lossy, so
// every rule carries the hash of its own text in its user data.
type Identity struct {
	Chains   []ChainID
	Sets     map[string][]string // named set → sorted elements, as Set.Elements
	Counters []string            // sorted names
	Dormant  bool
}

// ChainID is one chain and the hashes of its rules, in order.
type ChainID struct {
	Name   string
	Base   string // "filter forward 0 accept" or "" for a regular chain
	Hashes []Hash
}

// Hash is the first half of the SHA-256 of a rule's text.
type Hash [16]byte
