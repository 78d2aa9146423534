package config

import (
	"net/netip"
	"strings"

	"luatnetd/netif"
)

// Words for people, used by several checks.
const (
	wantName   = "1 to 24 of a-z, 0-9, _ and -, not starting with -"
	wantTag    = "1 to 24 letters, digits, _ and -, not starting with -"
	wantDevice = "the name of a network device, at most 15 characters"
	wantHost   = "1 to 63 letters, digits and -, not starting or ending with -"
	wantAddr4  = "an IPv4 address such as 192.168.5.10"
	wantMAC    = "a hardware address such as 02:00:5e:10:00:01"
)

func only(s, extra string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return true
}

// validName reports whether s may be the name of an uplink, LAN or forward:
// it stands in commands, logs, metrics and nftables objects.
func validName(s string) bool {
	return len(s) >= 1 && len(s) <= 24 && s[0] != '-' && only(s, "_-")
}

// validTag reports whether s may be the tag of a source or sink: it stands in
// "send from TAG: ". LuatOS has "Aircloud_main", so capitals are allowed.
func validTag(s string) bool { return validName(strings.ToLower(s)) }

func nameHint(s string) string {
	if low := strings.ToLower(s); low != s && validName(low) {
		return "write it in lower case: " + quote(low)
	}
	return ""
}

// reservedName is the router itself in [[firewall.allow]].
const reservedName = "router"

// validDevice reports whether s may name a device. The kernel takes more
// (dev_valid_name in net/core/dev.c), but the name also becomes part of
// sysctl paths and of nftables text, where "*" would match others.
func validDevice(s string) bool {
	if len(s) > 15 || s == "" || s == "." || s == ".." {
		return false
	}
	return only(strings.ToLower(s), "._-+@")
}

// notADevice names what passes validDevice but never is an uplink or port.
func notADevice(s string) string {
	switch s {
	case "lo":
		return "lo is the loopback device"
	case "all", "default":
		return quote(s) + " stands for settings of every device in /proc/sys"
	}
	return ""
}

// validHostname is a single DNS label (RFC 1123 §2.1).
func validHostname(s string) bool {
	return len(s) >= 1 && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' && only(strings.ToLower(s), "-")
}

func validDomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !validHostname(label) {
			return false
		}
	}
	return true
}

// unusable says why a cannot be the address of a host, "" if it can.
func unusable(a netip.Addr) string {
	switch b := a.As4(); {
	case b[0] == 0:
		return "addresses of 0.0.0.0/8 belong to nobody"
	case a.IsLoopback():
		return "127.0.0.0/8 is the loopback network"
	case a.IsMulticast():
		return "224.0.0.0/4 is multicast"
	case b[0] >= 240:
		return "240.0.0.0/4 is reserved"
	}
	return ""
}

// first and last are the lowest and highest address of p, an IPv4 prefix.
func first(p netip.Prefix) netip.Addr { return p.Masked().Addr() }

func last(p netip.Prefix) netip.Addr {
	return toAddr(fromAddr(first(p)) | ^uint32(0)>>p.Bits())
}

func fromAddr(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func toAddr(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// spare reports whether a is the network or broadcast address of p; a /31 and
// a /32 have none (RFC 3021).
func spare(p netip.Prefix, a netip.Addr) string {
	switch {
	case p.Bits() > 30:
	case a == first(p):
		return a.String() + " is the address of the network itself"
	case a == last(p):
		return a.String() + " is the broadcast address of the network"
	}
	return ""
}

// device checks the name of a device.
func (r *report) device(n *node, name string) bool {
	if why := notADevice(name); why != "" || !validDevice(name) {
		return r.bad(n, n.path(), quote(name), wantDevice, why)
	}
	return true
}

// addr4 reads an IPv4 address of a host.
func (r *report) addr4(n *node, text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return a, r.bad(n, n.path(), quote(text), wantAddr4, addrHint(text))
	case !a.Is4():
		return a, r.bad(n, n.path(), quote(text), wantAddr4, "IPv6 comes with a later version")
	}
	if why := unusable(a); why != "" {
		return a, r.bad(n, n.path(), quote(text), wantAddr4, why)
	}
	return a, true
}

func addrHint(text string) string {
	if strings.Contains(text, "/") {
		return "without the length after the slash"
	}
	parts := strings.Split(text, ".")
	for i, p := range parts {
		if p = strings.TrimLeft(p, "0"); p == "" {
			p = "0"
		}
		parts[i] = p
	}
	if a, err := netip.ParseAddr(strings.Join(parts, ".")); err == nil && a.Is4() {
		return "without leading zeros: " + a.String()
	}
	return ""
}

// prefix4 reads an IPv4 address with the length of its subnet.
func (r *report) prefix4(n *node, text, want string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, r.bad(n, n.path(), quote(text), want, prefixHint(text))
	case !p.Addr().Is4():
		return p, r.bad(n, n.path(), quote(text), want, "IPv6 comes with a later version")
	}
	why := unusable(p.Addr())
	if why == "" {
		why = spare(p, p.Addr())
	}
	if why != "" {
		return p, r.bad(n, n.path(), quote(text), want, why)
	}
	return p, true
}

func prefixHint(text string) string {
	addr, mask, ok := strings.Cut(text, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil || !a.Is4() {
		return ""
	}
	if !ok {
		return "add the length of the subnet: " + quote(addr+"/24")
	}
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() {
		for bits := range 33 {
			if p := netip.PrefixFrom(a, bits); ^uint32(0)<<(32-bits) == fromAddr(m) {
				return "the mask as a length: " + quote(p.String())
			}
		}
	}
	return ""
}

// mac reads a hardware address of one device.
func (r *report) mac(n *node, text string) (netif.MAC, bool) {
	m, err := netif.ParseMAC(text)
	switch {
	case err != nil:
		return m, r.bad(n, n.path(), quote(text), wantMAC, "")
	case m.IsZero() || m[0]&1 == 1:
		return m, r.bad(n, n.path(), quote(text), wantMAC, "this is no address of a single device (zero, multicast or broadcast)")
	}
	return m, true
}
