package modem

import (
	"net/netip"
	"strconv"
	"strings"
)

// Context is a PDP context: what +CGDCONT? says is written, and what
// +CGCONTRDP says the network gave.
type Context struct {
	CID    int
	Type   string // "IP", "IPV6", "IPV4V6", "" unknown
	APN    string
	Bearer Bearer
}

// ParseCGDCONT reads "+CGDCONT: 1,"IP","cmnet",…", one line a context.
func ParseCGDCONT(lines []string) []Context {
	var list []Context
	for _, line := range lines {
		f := fieldsOf(line)
		cid, ok := between(f, 0, 0, maxCID)
		if prefixOf(line) != "+CGDCONT" || !ok || len(f) < 2 {
			continue
		}
		list = append(list, Context{CID: cid, Type: strings.ToUpper(f[1]), APN: apnOf(field(f, 2))})
	}
	return list
}

// maxCID is the greatest number of a context that any modem has (16 as a rule).
const maxCID = 255

// apnOf cuts the operator identifier that the network adds
// ("cmnet.mnc000.mcc460.gprs", TS 23.003 §9.1): it is not written back.
func apnOf(s string) string {
	s = printable(s, 100)
	if i := strings.Index(strings.ToLower(s), ".mnc"); i >= 0 && holds(s[i:], ".mcc") {
		return s[:i]
	}
	return s
}

// ParseCGACT returns which contexts are active. "+CGACT: 5, 1".
func ParseCGACT(lines []string) map[int]bool {
	active := map[int]bool{}
	for _, line := range lines {
		f := fieldsOf(line)
		cid, okCID := between(f, 0, 0, maxCID)
		on, ok := between(f, 1, 0, 1)
		if prefixOf(line) == "+CGACT" && okCID && ok {
			active[cid] = on == 1
		}
	}
	return active
}

// ParseCGPADDR returns the addresses of a context, and false if the answer has
// no line for it. A context without address (0.0.0.0, "") gives a zero Bearer.
func ParseCGPADDR(lines []string, cid int) (Bearer, bool) {
	var b Bearer
	known := false
	for _, line := range lines {
		f := fieldsOf(line)
		n, ok := between(f, 0, 0, maxCID)
		if prefixOf(line) != "+CGPADDR" || !ok || n != cid {
			continue
		}
		known = true
		for _, text := range f[1:] {
			for _, a := range addresses(text) {
				b.take(a)
			}
		}
	}
	return b, known
}

// take keeps the first address of each family.
func (b *Bearer) take(a netip.Prefix) {
	switch {
	case a.Addr().Is4() && !b.Addr4.IsValid():
		b.Addr4 = a.Addr()
	case a.Addr().Is6() && !b.Addr6.IsValid():
		b.Addr6 = a
	}
}

// ParseCGCONTRDP reads what the network gave to the contexts: APN, addresses,
// gateway, DNS servers, MTU (TS 27.007 §10.1.23); one Context for each cid. It also reads
// the answers to Profile.DNS: "^DHCP: …" and "+GTDNS: …".
func ParseCGCONTRDP(lines []string) []Context {
	var list []Context
	context := func(cid int) *Context {
		for i := range list {
			if list[i].CID == cid {
				return &list[i]
			}
		}
		list = append(list, Context{CID: cid})
		return &list[len(list)-1]
	}
	for _, line := range lines {
		f := fieldsOf(line)
		switch prefixOf(line) {
		case "^DHCP":
			if b, ok := hexBearer(f); ok {
				context(1).Bearer = b
			}
		case "+GTDNS":
			if cid, ok := between(f, 0, 0, maxCID); ok {
				context(cid).Bearer.addDNS(f[1:])
			}
		case "+CGCONTRDP":
			if cid, ok := between(f, 0, 0, maxCID); ok && len(f) > 2 {
				context(cid).dynamic(f)
			}
		}
	}
	return list
}

// dynamic takes the fields of a +CGCONTRDP line: cid, bearer, APN, address and
// mask, gateway, two DNS servers, two P-CSCF, IM CN flag, LIPA, MTU.
func (c *Context) dynamic(f []string) {
	if c.APN == "" {
		c.APN = apnOf(f[2])
	}
	for _, a := range addresses(field(f, 3)) {
		c.Bearer.take(a)
	}
	for _, a := range addresses(field(f, 4)) {
		if !c.Bearer.Gateway4.IsValid() && a.Addr().Is4() && a.Addr().As4()[0] != 255 { // some write the mask here
			c.Bearer.Gateway4 = a.Addr()
		}
	}
	for _, text := range f[min(5, len(f)):min(7, len(f))] {
		c.Bearer.addDNS([]string{text})
	}
	if n, ok := between(f, 11, minMTU, maxMTU); ok {
		c.Bearer.MTU = n
	}
}

// What an MTU of a bearer may be, in bytes; the least is that of IPv4 hosts (RFC 791).
const (
	minMTU = 576
	maxMTU = 9000
)

func (b *Bearer) addDNS(fields []string) {
	for _, text := range fields {
		for _, a := range addresses(text) {
			if len(b.DNS) < 4 && !containsAddr(b.DNS, a.Addr()) {
				b.DNS = append(b.DNS, a.Addr())
			}
		}
	}
}

func containsAddr(list []netip.Addr, a netip.Addr) bool {
	for _, b := range list {
		if a == b {
			return true
		}
	}
	return false
}

// addresses reads a field that holds addresses in any of the spellings: plain,
// with "/30", dotted with the mask appended (8 or 32 numbers), IPv6 as 16 dotted numbers, several
// in one string with "IPV4:" and "IPV6:". Unspecified addresses are none.
func addresses(s string) []netip.Prefix {
	var list []netip.Prefix
	for _, word := range strings.Fields(s) {
		for _, tag := range []string{"IPV4:", "IPV6:"} {
			if len(word) > len(tag) && strings.EqualFold(word[:len(tag)], tag) {
				word = word[len(tag):]
			}
		}
		if a, ok := address(word); ok && !a.Addr().IsUnspecified() && len(list) < 4 {
			list = append(list, a)
		}
	}
	return list
}

func address(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, true
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return single(a.Unmap()), true
	}
	parts := strings.Split(s, ".")
	b := make([]byte, 0, len(parts))
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil {
			return netip.Prefix{}, false
		}
		b = append(b, byte(n))
	}
	switch len(b) {
	case 8, 32:
		a, _ := netip.AddrFromSlice(b[:len(b)/2])
		bits, ok := maskBits(b[len(b)/2:])
		if !ok {
			return single(a), true
		}
		return netip.PrefixFrom(a, bits), true
	case 16:
		return single(netip.AddrFrom16([16]byte(b))), true
	}
	return netip.Prefix{}, false
}

// single is the address with the prefix of a host, /64 for IPv6: the network gives each host one (RFC 7849 §3).
func single(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(a, 32)
	}
	return netip.PrefixFrom(a, 64)
}

// maskBits counts the ones of a mask, false if they are not the leading ones.
func maskBits(mask []byte) (int, bool) {
	bits, ended := 0, false
	for _, b := range mask {
		for i := 7; i >= 0; i-- {
			one := b>>i&1 == 1
			if one && ended {
				return 0, false
			}
			if one {
				bits++
			}
			ended = !one
		}
	}
	return bits, true
}

// hexBearer reads the fields of ^DHCP: address, mask, gateway, DHCP server, two
// DNS servers, as little-endian hexadecimal numbers.
func hexBearer(f []string) (Bearer, bool) {
	var a [6]netip.Addr
	for i := range a {
		n, err := strconv.ParseUint(field(f, i), 16, 32)
		if err != nil {
			return Bearer{}, false
		}
		a[i] = netip.AddrFrom4([4]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
	}
	b := Bearer{Addr4: a[0], Gateway4: a[2]}
	for _, d := range a[4:] {
		if !d.IsUnspecified() {
			b.DNS = append(b.DNS, d)
		}
	}
	return b, !a[0].IsUnspecified()
}

// CGEV is a packet domain event (TS 27.007 §10.1.19).
type CGEV struct {
	CID      int  // the context; -1: all, or not said
	Up       bool // a context has become active
	Down     bool // a context is gone, or with Detached all are
	Detached bool // the modem is detached: no context is left
	Changed  bool // a context was modified
	Network  bool // the network did it, not the modem
}

// ParseCGEV reads "+CGEV: NW PDN DEACT 1" and its relatives. Events of dedicated
// bearers ("NW DEACT 1,5,0": the second number is the bearer) do not touch the context.
func ParseCGEV(line string) (CGEV, bool) {
	if prefixOf(line) != "+CGEV" {
		return CGEV{}, false
	}
	text := strings.ToUpper(strings.TrimSpace(afterPrefix(line)))
	e := CGEV{CID: -1, Network: strings.HasPrefix(text, "NW")}
	words, rest := splitEvent(text)
	f := fieldsOf(rest)
	switch words {
	case "NW DETACH", "ME DETACH":
		e.Down, e.Detached = true, true
	case "NW PDN DEACT", "ME PDN DEACT":
		e.Down = true
		e.CID = cidOf(f, 0)
	case "NW PDN ACT", "ME PDN ACT":
		e.Up = true
		e.CID = cidOf(f, 0)
	case "NW DEACT", "ME DEACT": // "IP","10.0.0.1",1 is a context; 1,5,0 is a dedicated bearer
		if len(f) > 0 && !isNumber(f[0]) {
			e.Down = true
			e.CID = cidOf(f, 2)
		}
	case "NW MODIFY", "ME MODIFY", "NW REACT":
		e.Changed = true
		e.CID = cidOf(f, 0)
	default:
		return CGEV{}, false
	}
	return e, true
}

func cidOf(f []string, i int) int {
	if n, ok := between(f, i, 0, maxCID); ok {
		return n
	}
	return -1
}

// splitEvent cuts the words of an event from its numbers and strings.
func splitEvent(s string) (words, rest string) {
	i := strings.IndexFunc(s, func(r rune) bool { return r == '"' || r == ',' || r >= '0' && r <= '9' })
	if i < 0 {
		return strings.TrimSpace(s), ""
	}
	words = strings.TrimSpace(s[:i])
	// "NW DEACT IP": a PDP type without quotation marks
	for _, t := range []string{" IP", " IPV4V6", " IPV6"} {
		if w, ok := strings.CutSuffix(words, t); ok {
			return w, s[len(w):]
		}
	}
	return words, s[i:]
}
