package router

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
)

// Table is an nftables table of family inet in a dozen verbs of our own. Its
// String is nft syntax: the golden file, "ctl plan" and the identity hash.
type Table struct {
	Name     string
	Sets     []Set
	Counters []string
	Chains   []Chain
}

// Set is a named set. Type is "ifname" or "ifname . mark".
type Set struct {
	Name     string
	Type     string
	Elements []string // `"wan1"` or `"wan1" . 0x00000200`, sorted
}

// Set types.
const (
	TypeIfName     = "ifname"
	TypeIfNameMark = "ifname . mark"
)

// Chain is a chain; Hook is nil for a regular one.
type Chain struct {
	Name  string
	Hook  *Hook
	Rules []Rule
}

// Hook makes a base chain. Every policy of ours is accept: devices that are
// not ours are not judged.
type Hook struct {
	Type     string // filter, nat, route
	Hook     string // prerouting, input, forward, output, postrouting
	Priority int    // NF_IP_PRI_*
}

func (h *Hook) String() string {
	return fmt.Sprintf("%s %s %d accept", h.Type, h.Hook, h.Priority)
}

// Rule is a list of statements. Its text is its identity.
type Rule []Stmt

// Stmt is a match, an action or a verdict; String is nft syntax.
type Stmt interface{ String() string }

func (r Rule) String() string {
	words := make([]string, len(r))
	for i, s := range r {
		words[i] = s.String()
	}
	return strings.Join(words, " ")
}

// Hash returns the rule's identity.
func (r Rule) Hash() Hash {
	sum := sha256.Sum256([]byte(r.String()))
	return Hash(sum[:16])
}

// IfName matches the input (or, with Out, output) device by name or, with
// Set, by a named set of device names.
type IfName struct {
	Out  bool
	Not  bool
	Name string
	Set  string
}

func (s IfName) String() string {
	word, op := "iifname", ""
	if s.Out {
		word = "oifname"
	}
	if s.Not {
		op = "!= "
	}
	if s.Set != "" {
		return fmt.Sprintf("%s %s@%s", word, op, s.Set)
	}
	return fmt.Sprintf("%s %s%q", word, op, s.Name)
}

// CtState matches conntrack states by their bits.
type CtState uint32

// Conntrack state bits (nf_conntrack_common.h, IP_CT_*).
const (
	StateInvalid     CtState = 1
	StateEstablished CtState = 2
	StateRelated     CtState = 4
	StateNew         CtState = 8
)

func (s CtState) String() string {
	var names []string
	for _, n := range []struct {
		bit  CtState
		name string
	}{{StateInvalid, "invalid"}, {StateEstablished, "established"}, {StateRelated, "related"}, {StateNew, "new"}} {
		if s&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	return "ct state " + strings.Join(names, ",")
}

// CtDNAT matches packets of flows whose destination was translated.
type CtDNAT struct{}

func (CtDNAT) String() string { return "ct status dnat" }

// Mark matches or, with Set, writes the packet mark or, with Ct, the conntrack
// mark under Mask. A write keeps the bits outside of Mask.
type Mark struct {
	Ct    bool
	Set   bool
	Mask  uint32
	Value uint32
}

func (m Mark) String() string {
	word := "meta mark"
	if m.Ct {
		word = "ct mark"
	}
	if m.Set {
		return fmt.Sprintf("%s set %s & %#x | %#x", word, word, ^m.Mask, m.Value)
	}
	return fmt.Sprintf("%s & %#x == %#x", word, m.Mask, m.Value)
}

// Stale matches a packet about to leave by a device whose flow is marked for
// another uplink: oifname . ct mark & Mask in the named set.
type Stale struct {
	Set  string
	Mask uint32
}

func (s Stale) String() string { return fmt.Sprintf("oifname . ct mark & %#x @%s", s.Mask, s.Set) }

// L4Proto matches the transport protocol: "tcp", "udp", "icmp", "ipv6-icmp".
type L4Proto string

func (p L4Proto) String() string { return "meta l4proto " + string(p) }

// NFProto matches the family: "ipv4" or "ipv6".
type NFProto string

func (p NFProto) String() string { return "meta nfproto " + string(p) }

// TCPFlags matches flags & Mask == Value.
type TCPFlags struct{ Mask, Value byte }

// TCP flag bits (RFC 9293 §3.1).
const (
	FlagSYN byte = 0x02
	FlagRST byte = 0x04
	FlagACK byte = 0x10
)

func (f TCPFlags) String() string { return fmt.Sprintf("tcp flags & %#x == %#x", f.Mask, f.Value) }

// Port matches a source or (with Dst) destination port range of Proto.
type Port struct {
	Proto  string // tcp, udp
	Dst    bool
	Lo, Hi uint16
}

func (p Port) String() string {
	word := "sport"
	if p.Dst {
		word = "dport"
	}
	if p.Lo == p.Hi {
		return fmt.Sprintf("%s %s %d", p.Proto, word, p.Lo)
	}
	return fmt.Sprintf("%s %s %d-%d", p.Proto, word, p.Lo, p.Hi)
}

// ICMPType matches one of the types; V6 chooses ICMPv6.
type ICMPType struct {
	V6    bool
	Types []uint8
}

func (t ICMPType) String() string {
	word := "icmp type"
	if t.V6 {
		word = "icmpv6 type"
	}
	nums := make([]string, len(t.Types))
	for i, n := range t.Types {
		nums[i] = fmt.Sprint(n)
	}
	return fmt.Sprintf("%s { %s }", word, strings.Join(nums, ", "))
}

// HopLimit255 matches ND packets that were not forwarded (RFC 4861 §7.1).
type HopLimit255 struct{}

func (HopLimit255) String() string { return "ip6 hoplimit 255" }

// Addr matches the source or (with Dst) destination address.
type Addr struct {
	Dst    bool
	Prefix netip.Prefix
}

func (a Addr) String() string {
	family, word := "ip", "saddr"
	if a.Prefix.Addr().Is6() {
		family = "ip6"
	}
	if a.Dst {
		word = "daddr"
	}
	if a.Prefix.IsSingleIP() {
		return fmt.Sprintf("%s %s %s", family, word, a.Prefix.Addr())
	}
	return fmt.Sprintf("%s %s %s", family, word, a.Prefix.Masked())
}

// MSS clamps the TCP maximum segment size: to the route's MTU when Size is 0.
type MSS struct{ Size uint16 }

func (m MSS) String() string {
	if m.Size == 0 {
		return "tcp option maxseg size set rt mtu"
	}
	return fmt.Sprintf("tcp option maxseg size set %d", m.Size)
}

// DNAT translates the destination. Lo 0 keeps the port; Hi is Lo or the end of
// a range of equal length.
type DNAT struct {
	Addr   netip.Addr
	Lo, Hi uint16
}

func (d DNAT) String() string {
	family, host := "ip", d.Addr.String()
	if d.Addr.Is6() {
		family, host = "ip6", "["+host+"]"
	}
	switch {
	case d.Lo == 0:
		return fmt.Sprintf("dnat %s to %s", family, d.Addr)
	case d.Lo == d.Hi:
		return fmt.Sprintf("dnat %s to %s:%d", family, host, d.Lo)
	}
	return fmt.Sprintf("dnat %s to %s:%d-%d", family, host, d.Lo, d.Hi)
}

// Masquerade translates the source to the output device's address; the kernel
// drops such an entry itself when its packets leave by another device.
type Masquerade struct{}

func (Masquerade) String() string { return "masquerade" }

// Limit matches at most PerSecond packets a second, burst 5.
type Limit struct{ PerSecond int }

func (l Limit) String() string { return fmt.Sprintf("limit rate %d/second", l.PerSecond) }

// Reject answers with a TCP reset (only after an L4Proto tcp match) or, for
// "admin", "port" and "net", with that ICMP unreachable of the packet's family.
type Reject struct{ With string }

func (r Reject) String() string {
	switch r.With {
	case "tcp reset":
		return "reject with tcp reset"
	case "admin":
		return "reject with icmpx admin-prohibited"
	case "net":
		return "reject with icmpx no-route"
	}
	return "reject with icmpx port-unreachable"
}

// Counter counts into a named counter of the same table.
type Counter struct{ Name string }

func (c Counter) String() string { return fmt.Sprintf("counter name %q", c.Name) }

// NoTrack hides the packet from conntrack.
type NoTrack struct{}

func (NoTrack) String() string { return "notrack" }

// Verdict is "accept", "drop", "jump c" or "goto c".
type Verdict struct {
	Kind  string
	Chain string
}

func (v Verdict) String() string {
	if v.Chain == "" {
		return v.Kind
	}
	return v.Kind + " " + v.Chain
}

// String is the table as nft would load it.
func (t Table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s {\n", t.Name)
	for _, s := range t.Sets {
		fmt.Fprintf(&b, "\tset %s {\n\t\ttype %s\n", s.Name, s.Type)
		if len(s.Elements) > 0 {
			fmt.Fprintf(&b, "\t\telements = { %s }\n", strings.Join(s.Elements, ", "))
		}
		b.WriteString("\t}\n")
	}
	for _, c := range t.Counters {
		fmt.Fprintf(&b, "\tcounter %s { }\n", c)
	}
	for _, c := range t.Chains {
		fmt.Fprintf(&b, "\tchain %s {\n", c.Name)
		if c.Hook != nil {
			fmt.Fprintf(&b, "\t\ttype %s hook %s priority %d; policy accept;\n", c.Hook.Type, c.Hook.Hook, c.Hook.Priority)
		}
		for _, r := range c.Rules {
			fmt.Fprintf(&b, "\t\t%s\n", r)
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}
