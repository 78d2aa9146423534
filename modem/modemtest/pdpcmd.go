package modemtest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

var pdpCommands = map[string]handler{
	"+CGDCONT":   cgdcont,
	"+CGAUTH":    cgauth,
	"+CGACT":     cgact,
	"+CGPADDR":   cgpaddr,
	"+CGCONTRDP": cgcontrdp,
	"+CGEREP":    cgerep,
	"+CGDATA":    func(k *call) result { return k.dial(k.num(1, k.m.pers.CID)) },
	"D":          atd,
	"H":          func(*call) result { return ok() },
	"O":          func(*call) result { return result{err: "NO CARRIER"} },
}

// contexts are the context numbers, sorted.
func (m *Modem) contextsLocked() []int {
	var out []int
	for cid := range m.pdp {
		out = append(out, cid)
	}
	slices.Sort(out)
	return out
}

func cgdcont(k *call) result {
	m := k.m
	switch k.op {
	case "?":
		var r result
		for _, cid := range m.contextsLocked() {
			c := m.pdp[cid]
			r.lines = append(r.lines, fmt.Sprintf(`+CGDCONT: %d,"%s","%s","%s",0,0`, cid, c.pdpType, c.apn, addrText(c.addr4)))
		}
		return r
	case "=?":
		return ok(`+CGDCONT: (1-15),"IP",,,(0-2),(0-4)`, `+CGDCONT: (1-15),"IPV6",,,(0-2),(0-4)`, `+CGDCONT: (1-15),"IPV4V6",,,(0-2),(0-4)`)
	}
	cid := k.num(0, 0)
	if cid < min(1, m.pers.CID) || cid > 15 {
		return k.cme(50)
	}
	m.count.ContextSets++
	if len(k.args) == 1 {
		delete(m.pdp, cid)
		return ok()
	}
	kind := strings.ToUpper(k.str(1))
	if !slices.Contains([]string{"IP", "IPV6", "IPV4V6"}, kind) {
		return k.cme(50)
	}
	c := m.contextLocked(cid)
	c.pdpType, c.apn = kind, k.str(2)
	return ok()
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return "0.0.0.0"
	}
	return a.String()
}

func cgauth(k *call) result {
	if k.op != "=" {
		return ok()
	}
	c := k.m.contextLocked(k.num(0, k.m.pers.CID))
	c.auth, c.user, c.pass = k.num(1, 0), k.str(2), k.str(3)
	return ok()
}

func cgact(k *call) result {
	m := k.m
	switch k.op {
	case "?":
		var r result
		for _, cid := range m.contextsLocked() {
			on := 0
			if m.pdp[cid].active {
				on = 1
			}
			r.lines = append(r.lines, fmt.Sprintf(k.m.formatLocked("+CGACT?", "+CGACT: %d,%d"), cid, on))
		}
		return r
	case "=?":
		return ok("+CGACT: (0,1)")
	}
	state, cid := k.num(0, 1), k.num(1, m.pers.CID)
	if state == 0 {
		return result{delay: m.pace.Activate, then: func() result {
			m.deactivateLocked(cid, "+CGEV: ME PDN DEACT %d")
			return ok()
		}}
	}
	return result{delay: m.pace.Activate, then: func() result {
		m.count.DataStarts++
		if code := m.activateLocked(cid); code != 0 {
			return k.cme(code)
		}
		return ok()
	}}
}

// formatLocked is a line's format where the personality has its own.
func (m *Modem) formatLocked(key, def string) string {
	if f, ok := m.pers.Answers["format "+strings.TrimSuffix(key, "?")]; ok {
		return f
	}
	return def
}

func cgpaddr(k *call) result {
	m := k.m
	cids := m.contextsLocked()
	if k.op == "=" {
		cids = []int{k.num(0, m.pers.CID)}
	}
	var r result
	for _, cid := range cids {
		c := m.pdp[cid]
		if c == nil {
			if k.op == "=" {
				r.lines = append(r.lines, fmt.Sprintf("+CGPADDR: %d", cid))
			}
			continue
		}
		r.lines = append(r.lines, fmt.Sprintf("+CGPADDR: %d%s", cid, m.addrFieldsLocked(c)))
	}
	return r
}

// addrFieldsLocked are the addresses behind the context's number, as firmwares print them.
func (m *Modem) addrFieldsLocked(c *context3) string {
	if m.pers.AddrFormat == "packed" {
		switch {
		case c.addr4.IsValid() && c.addr6.IsValid():
			return fmt.Sprintf(`,"IPV4:%s    IPV6:%s"`, c.addr4, strings.ToUpper(c.addr6.String()))
		case c.addr6.IsValid():
			return fmt.Sprintf(`,"IPV6:%s"`, strings.ToUpper(c.addr6.String()))
		}
		return fmt.Sprintf(`,"IPV4:%s"`, addrText(c.addr4))
	}
	six := ""
	if c.addr6.IsValid() {
		six = c.addr6.String()
		if m.pers.AddrFormat == "dotted" {
			six = dotted(c.addr6)
		}
	}
	switch {
	case c.addr4.IsValid() && six != "":
		return fmt.Sprintf(`,"%s","%s"`, c.addr4, six)
	case six != "":
		return fmt.Sprintf(`,"%s"`, six)
	}
	return fmt.Sprintf(`,"%s"`, addrText(c.addr4))
}

// dotted is an IPv6 address as 16 decimal numbers (TS 27.007 §10.1.1).
func dotted(a netip.Addr) string {
	b := a.As16()
	parts := make([]string, len(b))
	for i, n := range b {
		parts[i] = fmt.Sprint(n)
	}
	return strings.Join(parts, ".")
}

// cgcontrdp: cid, bearer, APN, address and mask, gateway, DNS (TS 27.007 §10.1.23).
func cgcontrdp(k *call) result {
	m := k.m
	var r result
	for _, cid := range m.contextsLocked() {
		c := m.pdp[cid]
		if !c.active || k.op == "=" && k.num(0, cid) != cid {
			continue
		}
		apn := c.apn
		if apn == "" {
			apn = "cmnet" // the network's choice
		}
		dns := ""
		for _, d := range m.net.dns {
			dns += fmt.Sprintf(`,"%s"`, d)
		}
		if c.addr4.IsValid() {
			r.lines = append(r.lines, fmt.Sprintf(`+CGCONTRDP: %d,5,"%s.mnc000.mcc460.gprs","%s.255.255.255.0","%s"%s`, cid, apn, c.addr4, gateway(c.addr4), dns))
		}
		if c.addr6.IsValid() {
			r.lines = append(r.lines, fmt.Sprintf(`+CGCONTRDP: %d,5,"%s.mnc000.mcc460.gprs","%s","254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1","%s"`,
				cid, apn, dotted(c.addr6), dotted(netip.MustParseAddr("2001:db8::53"))))
		}
	}
	return r
}

// gateway is the first host of the address's /24.
func gateway(a netip.Addr) netip.Addr {
	b := a.As4()
	b[3] = 1
	return netip.AddrFrom4(b)
}

func cgerep(k *call) result {
	switch k.op {
	case "=":
		k.l.cgerep = k.num(0, 0)
		return ok()
	case "=?":
		return ok("+CGEREP: (0-2),(0,1)")
	}
	return okf("+CGEREP: %d,0", k.l.cgerep)
}

// atd dials: *99#, *99***cid#.
func atd(k *call) result {
	number := strings.TrimSuffix(strings.TrimSpace(k.arg), ";")
	number = strings.TrimLeft(strings.ToUpper(number), "TPI")
	if !strings.HasPrefix(number, "*99") && !strings.HasPrefix(number, "*98") {
		return result{err: "NO CARRIER"}.wait(time.Second)
	}
	cid := k.m.pers.CID
	if i := strings.LastIndexByte(number, '*'); i > 0 {
		if _, err := fmt.Sscanf(number[i:], "*%d#", &cid); err != nil || cid == 99 || cid == 98 {
			cid = k.m.pers.CID
		}
	}
	return k.dial(cid)
}
