package config

import (
	"net/netip"
	"strings"
	"time"

	"luatnetd/netif"
)

// Version is the version of the file format that this program reads.
const Version = 1

// Infinite is a lease that never ends (RFC 2131 §3.3).
const Infinite = time.Duration(1<<63 - 1)

// Config is a valid configuration: nobody has to check it again. It is
// immutable once returned; who wants another one parses again.
type Config struct {
	File     string   // as given to Parse
	Uplinks  []Uplink // best first: the order of the file is the priority
	LANs     []LAN
	Forwards []PortForward
	Firewall Firewall
	Failover Failover
	State    State
	Control  Control
	OnStop   string // "keep" or "clean"

	Connections []Connection
	Serials     []Serial
	Timers      []Timer
	Reports     []Report
	Locals      []Local
	Servers     []Server
	OneShots    []OneShot
	Routes      []Route // none: everything goes everywhere
	Watchdog    Watchdog
	Time        Time
	Queue       QueueDirs
}

// Empty reports whether the file configures nothing: neither an uplink nor a
// LAN nor a connection. The daemon then changes nothing and says what to do
// next. Connections alone are something: they leave by the routes that
// somebody else has made.
func (c *Config) Empty() bool {
	return len(c.Uplinks) == 0 && len(c.LANs) == 0 && len(c.Connections) == 0
}

// Gateway reports whether c has an uplink or a LAN, so that addresses, routes
// and firewall are ours. Connections alone change nothing in the kernel.
func (c *Config) Gateway() bool { return len(c.Uplinks) > 0 || len(c.LANs) > 0 }

// Uplink returns the uplink called name, nil if there is none.
func (c *Config) Uplink(name string) *Uplink {
	for i := range c.Uplinks {
		if c.Uplinks[i].Name == name {
			return &c.Uplinks[i]
		}
	}
	return nil
}

// LAN returns the LAN called name, nil if there is none.
func (c *Config) LAN(name string) *LAN {
	for i := range c.LANs {
		if c.LANs[i].Name == name {
			return &c.LANs[i]
		}
	}
	return nil
}

// The modes of an uplink's address.
const (
	ModeDHCP     = "dhcp"
	ModeStatic   = "static"
	ModeExternal = "external" // somebody else owns link and address
)

// Uplink is one way to the network.
type Uplink struct {
	Name     string
	Adapter  netif.Adapter
	Device   string           // "" where Match names it
	Match    Match            // zero where Device names it
	Mode     string           // ModeDHCP, ModeStatic or ModeExternal
	Address  netip.Prefix     // static only
	Gateway  netip.Addr       // static only; outside of the subnet only for a /32
	ClientID string           // "auto", "mac", "duid", "none" or hex digits; DHCP only
	Hostname string           // option 12; "" sends the machine's own name; DHCP only
	DNS      []netip.AddrPort // in order
	DNSMode  string           // "append" to or "replace" what the network gives
	MTU      int              // bytes, 0 leaves the device as it is
	Metered  bool
	Check    Check
	Power    PowerSwitch // of the device (pwrpin, ethpower_en); zero: none
	Modem    *Modem      // nil: a device that is there by itself
	Pos      Position
}

// Match names a device by what does not change when USB renumbers. Every part
// that is set must agree.
type Match struct {
	Path   string    // udev's ID_PATH or a part of the sysfs path
	MAC    netif.MAC // permanent address
	Driver string    // kernel driver
}

// IsZero reports whether m names nothing.
func (m Match) IsZero() bool { return m == Match{} }

// The methods of a check, and the kinds of its targets.
const (
	MethodICMP    = "icmp"
	MethodTCP     = "tcp"
	MethodDNS     = "dns"
	MethodHTTP    = "http"
	MethodGateway = "gateway"
	MethodNone    = "none" // need_ping = false: an address is enough
)

// Check is how an uplink is probed.
type Check struct {
	Methods         []string // kinds in the order of the file, or just MethodNone
	Targets         []string // "KIND:ADDRESS", see SplitTarget; empty for MethodNone and MethodGateway alone
	Interval        time.Duration
	IntervalMiss    time.Duration // after a missed answer
	IntervalMetered time.Duration // instead of Interval on a metered uplink
	Timeout         time.Duration // at most Interval
	FailAfter       int           // misses in a row
	RecoverAfter    int           // answers in a row
	HoldDown        time.Duration
	Explicit        bool // a check section was written: a single uplink is probed, too
}

// SplitTarget splits an entry of Check.Targets: "icmp:1.1.1.1" is an IP
// address, "tcp:1.1.1.1:53" and "dns:1.1.1.1:53" an address and port,
// "http:http://1.1.1.1/x" a URL with an address as host.
func SplitTarget(target string) (kind, address string) {
	kind, address, _ = strings.Cut(target, ":")
	return kind, address
}

// LAN is one downstream network.
type LAN struct {
	Name     string
	Ports    []string     // as written; empty where a device was given
	Device   string       // the device with the address: the given one, the only port, or the bridge of the ports
	Bridge   bool         // Device is a bridge that we make of Ports
	Address  netip.Prefix // own address and length
	Upstream []string     // uplinks it may use; empty: it follows failover
	DHCP     DHCP
	Pos      Position
}

// DHCP is the server of a LAN.
type DHCP struct {
	Enabled            bool
	PoolStart, PoolEnd netip.Addr // both inside the subnet, the own address is outside the pool
	Lease              time.Duration
	Hosts              []Host
	DNS                []netip.Addr // told to clients; empty: our own address
	Domain             string       // "" for none
	Options            []Option
}

// Host is a client with a fixed address.
type Host struct {
	Name    string      // "" for none
	MACs    []netif.MAC // one or several, e.g. cable and Wi-Fi of one machine
	Address netip.Addr
	Lease   time.Duration // 0: as DHCP.Lease
}

// Option is an additional DHCP option.
type Option struct {
	Code  uint8
	Value []byte
}

// PortForward sends what arrives on an uplink's port to a host in a LAN.
type PortForward struct {
	Name    string // "" for none
	Proto   string // "tcp" or "udp"
	Uplink  string // "" for every uplink
	Port    uint16 // first port
	PortEnd uint16 // last port, equal to Port for a single one
	To      netip.AddrPort
	Pos     Position
}

// Firewall is the policy of the whole box.
type Firewall struct {
	Mode        string // "own"
	Allow       []Allow
	ICMPRate    int // echo requests answered per second on uplinks
	IsolateLANs bool
	IPv6        string // "block" or "pass"
}

// Allow is traffic that the policy would otherwise drop. From and To are the
// name of an uplink or LAN, "router" (To only) or "dev:NAME", a device that is
// not ours.
type Allow struct {
	From, To string
	Proto    string       // "tcp", "udp", "icmp" or "" for any
	Port     uint16       // 0 for any
	PortEnd  uint16       // equal to Port for a single one
	Src      netip.Prefix // zero for any
	Pos      Position
}

// Failover is how the active uplink is chosen.
type Failover struct {
	StartupGrace     time.Duration
	FailOpen         bool
	AutoSocketSwitch bool
}

// State is where the daemon remembers and marks.
type State struct {
	Dir      string
	MarkMask uint32 // six adjacent bits
}

// Control is the socket of luatnetd ctl.
type Control struct {
	Socket string
	Group  string // "" for root only
}
