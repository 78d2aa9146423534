package router

import (
	"fmt"
	"strings"

	"luatnetd/netif"
)

// Op is one operation on the kernel. Its String is the iproute2, nft or
// sysctl command that would do the same: the golden lists and "ctl plan".
type Op interface{ String() string }

// The operations, in no order; Diff decides the order.
type (
	// MakeBridge makes a bridge. It does nothing when the device exists.
	MakeBridge struct{ Name string }
	// DelLink removes a bridge that we made.
	DelLink struct{ Name string }
	// SetMaster puts a port into a bridge; Master "" takes it out.
	SetMaster struct{ Name, Master string }
	// SetUp brings a device up or down.
	SetUp struct {
		Name string
		Up   bool
	}
	// SetMTU sets a device's MTU in bytes.
	SetMTU struct {
		Name string
		MTU  int
	}
	// AddAddr adds an address of protocol 76 without prefix route.
	AddAddr struct{ AddrSpec }
	// DelAddr removes an address of ours.
	DelAddr struct{ AddrSpec }
	// AddRoute appends a route of protocol 76; an equal one is not an error.
	AddRoute struct{ RouteSpec }
	// DelRoute removes exactly that route of ours.
	DelRoute struct{ RouteSpec }
	// AddRule adds a rule of protocol 76.
	AddRule struct{ RuleSpec }
	// DelRule removes exactly that rule of ours.
	DelRule struct{ RuleSpec }
	// SetSysctl writes a file below /proc/sys; a missing file is a note.
	SetSysctl struct{ Sysctl }
	// ReplaceTable replaces a whole table in one batch.
	ReplaceTable struct{ Table Table }
	// SyncTable adds and removes single counters and rules, never the table.
	SyncTable struct {
		Table Table
		Have  *Identity // nil: make it
	}
	// DelTable removes a table of ours.
	DelTable struct{ Name string }
	// Verify asks the FIB; another answer stops what follows.
	Verify struct{ Lookup }
	// FlushMark removes the conntrack entries of an uplink in one message.
	FlushMark struct {
		Uplink netif.Index
		Mark   uint32
		Mask   uint32
	}
)

func (o MakeBridge) String() string { return "ip link add " + o.Name + " type bridge" }
func (o DelLink) String() string    { return "ip link del " + o.Name }

func (o SetMaster) String() string {
	if o.Master == "" {
		return "ip link set " + o.Name + " nomaster"
	}
	return "ip link set " + o.Name + " master " + o.Master
}

func (o SetUp) String() string {
	if o.Up {
		return "ip link set " + o.Name + " up"
	}
	return "ip link set " + o.Name + " down"
}

func (o SetMTU) String() string { return fmt.Sprintf("ip link set %s mtu %d", o.Name, o.MTU) }

func (a AddrSpec) String() string { return fmt.Sprintf("%s dev %s", a.Prefix, a.Device) }

func (o AddAddr) String() string {
	return "ip addr add " + o.AddrSpec.String() + " noprefixroute proto 76"
}
func (o DelAddr) String() string { return "ip addr del " + o.AddrSpec.String() }

func (r RouteSpec) String() string {
	var b strings.Builder
	if r.Dst.Bits() == 0 {
		b.WriteString("default")
	} else {
		b.WriteString(r.Dst.String())
	}
	if r.Gateway.IsValid() {
		fmt.Fprintf(&b, " via %s", r.Gateway)
	}
	fmt.Fprintf(&b, " dev %s", r.Device)
	if r.Table != TableMain {
		fmt.Fprintf(&b, " table %d", r.Table)
	}
	if r.Src.IsValid() {
		fmt.Fprintf(&b, " src %s", r.Src)
	}
	if r.Metric != 0 {
		fmt.Fprintf(&b, " metric %d", r.Metric)
	}
	if r.OnLink {
		b.WriteString(" onlink")
	}
	return b.String()
}

func (o AddRoute) String() string { return "ip route append " + o.RouteSpec.String() + " proto 76" }
func (o DelRoute) String() string { return "ip route del " + o.RouteSpec.String() + " proto 76" }

func (r RuleSpec) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pref %d", r.Pref)
	if r.From.IsValid() {
		fmt.Fprintf(&b, " from %s", r.From)
	}
	if r.Mask != 0 {
		fmt.Fprintf(&b, " fwmark %#x/%#x", r.Mark, r.Mask)
	}
	if r.Iif != "" {
		fmt.Fprintf(&b, " iif %s", r.Iif)
	}
	if r.Oif != "" {
		fmt.Fprintf(&b, " oif %s", r.Oif)
	}
	fmt.Fprintf(&b, " lookup %d", r.Table)
	if r.Suppress >= 0 {
		fmt.Fprintf(&b, " suppress_prefixlength %d", r.Suppress)
	}
	return b.String()
}

func (o AddRule) String() string { return o.family() + "rule add " + o.RuleSpec.String() + " proto 76" }
func (o DelRule) String() string { return o.family() + "rule del " + o.RuleSpec.String() + " proto 76" }

func (r RuleSpec) family() string {
	if r.IPv6 {
		return "ip -6 "
	}
	return "ip "
}

func (s Sysctl) String() string    { return s.Path() + " = " + s.Value }
func (o SetSysctl) String() string { return "sysctl -w " + o.Sysctl.String() }

func (o ReplaceTable) String() string { return "nft replace table inet " + o.Table.Name }
func (o SyncTable) String() string    { return "nft add to table inet " + o.Table.Name }
func (o DelTable) String() string     { return "nft delete table inet " + o.Name }

func (o Verify) String() string {
	return fmt.Sprintf("ip route get %s # must answer dev %s", o.Target, o.Device)
}

func (o FlushMark) String() string { return fmt.Sprintf("conntrack -D -m %#x/%#x", o.Mark, o.Mask) }

// expand puts a device name into a sysctl key.
func expand(key, device string) string { return strings.Replace(key, "%", device, 1) }
