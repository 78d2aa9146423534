package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// check checks an [uplink.check]. Written or not, every field is filled: the
// engine decides whether a single uplink is probed (Explicit).
func (c *checker) check(r *rawCheck) Check {
	k := Check{
		Interval:     r.Interval.or(defInterval),
		FailAfter:    int(r.FailAfter.or(defFailAfter)),
		RecoverAfter: int(r.RecoverAfter.or(defRecoverAfter)),
		HoldDown:     r.HoldDown.or(defHoldDown),
		Explicit:     r.At != nil && len(r.At.items) > 0,
	}
	k.IntervalMiss = r.IntervalMiss.or(min(defIntervalMiss, k.Interval))
	k.IntervalMetered = r.IntervalMetered.or(max(defIntervalMetered, k.Interval))
	k.Timeout = r.Timeout.or(min(defTimeout, k.Interval))
	c.atMost(r.Timeout, k.Interval, "a second probe would start before the first is given up")
	c.atMost(r.IntervalMiss, k.Interval, "after a miss the next probe comes sooner, not later")
	c.targets(r, &k)
	return k
}

// atMost reports a written time above the interval.
func (c *checker) atMost(v val[time.Duration], interval time.Duration, hint string) {
	if v.At != nil && v.V > interval {
		c.wrong(v.At, "at most the interval, "+quote(shortTime(interval)), hint)
	}
}

// shortTime writes d as a file would: "5s", not "5m0s".
func shortTime(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// targets settles methods and targets. Targets without a word on the method
// say it by their form; methods without targets get the default ones.
func (c *checker) targets(r *rawCheck, k *Check) {
	for _, it := range r.Targets.V {
		if t, ok := c.target(it); ok && !slices.Contains(k.Targets, t) {
			k.Targets = append(k.Targets, t)
		}
	}
	switch {
	case len(r.Method.V) > 0:
		c.methods(r, k)
	case r.Method.At != nil && len(r.Method.At.items) == 0:
		c.wrong(r.Method.At, "at least one method", `to trust an address without probing write method = ["none"]`)
	case len(k.Targets) > 0:
		for _, t := range k.Targets {
			if kind, _ := SplitTarget(t); !slices.Contains(k.Methods, kind) {
				k.Methods = append(k.Methods, kind)
			}
		}
		return
	}
	if len(k.Methods) == 0 {
		k.Methods = slices.Clone(defMethods)
	}
	if len(k.Targets) == 0 {
		for _, m := range k.Methods {
			k.Targets = append(k.Targets, defTargets[m]...)
		}
	}
}

// methods checks written methods against written targets.
func (c *checker) methods(r *rawCheck, k *Check) {
	for _, it := range r.Method.V {
		switch {
		case slices.Contains(k.Methods, it.V):
			c.bad(it.At, r.Method.At.path(), quote(it.V), "each method once", "")
			continue
		case it.V == MethodNone && len(r.Method.V) > 1:
			c.bad(it.At, r.Method.At.path(), quote(it.V), "\"none\" alone, or other methods without it", "")
			continue
		case it.V == MethodNone && len(k.Targets) > 0:
			c.wrong(r.Targets.At, "no targets with method \"none\"", "")
			k.Targets = nil
		case len(k.Targets) > 0 && it.V != MethodGateway && !hasKind(k.Targets, it.V):
			c.bad(it.At, r.Method.At.path(), quote(it.V), "a method that one of the targets has",
				"add a target such as "+quote(targetExamples[it.V])+", or leave the method out")
		}
		k.Methods = append(k.Methods, it.V)
	}
	for _, it := range r.Targets.V {
		t, _, ok := readTarget(it.V)
		kind, _ := SplitTarget(t)
		if ok && len(k.Methods) > 0 && !slices.Contains(k.Methods, kind) && k.Methods[0] != MethodNone {
			c.bad(it.At, r.Targets.At.path(), quote(it.V), "a target of the methods "+oneOf(k.Methods), "it is probed by "+kind+": add it to method")
			k.Targets = slices.DeleteFunc(k.Targets, func(s string) bool { return s == t })
		}
	}
}

func hasKind(targets []string, kind string) bool {
	return slices.ContainsFunc(targets, func(t string) bool { return strings.HasPrefix(t, kind+":") })
}

var targetExamples = map[string]string{
	MethodICMP: "223.5.5.5",
	MethodTCP:  "223.5.5.5:53",
	MethodDNS:  "dns:223.5.5.5",
	MethodHTTP: "http://223.5.5.5/resolve?short=1&name=baidu.com",
}

const wantTarget = `an address (icmp), address:port (tcp), "dns:" and an address, or a http:// URL with an address`

// target reads one target as "KIND:ADDRESS".
func (c *checker) target(it item) (string, bool) {
	t, hint, ok := readTarget(it.V)
	if !ok {
		return "", c.bad(it.At, "uplink.check.targets", quote(it.V), wantTarget, hint)
	}
	return t, true
}

// readTarget settles the kind of a target: by its prefix, else by its form.
func readTarget(s string) (target, hint string, ok bool) {
	kind, rest, found := strings.Cut(s, ":")
	switch {
	case found && kind == "https":
		return "", "a plain http:// URL: TLS needs a clock that is right, which a box without battery has only once it is online", false
	case found && kind == MethodHTTP && strings.HasPrefix(rest, "//"):
		kind, rest = MethodHTTP, s
	case found && slices.Contains([]string{MethodICMP, MethodTCP, MethodDNS, MethodHTTP}, kind):
	case s == MethodGateway || found && kind == MethodGateway:
		return "", "write \"gateway\" as a method; its address is known", false
	default:
		kind, rest = MethodICMP, s
		if strings.Count(s, ":") == 1 {
			kind = MethodTCP
		}
	}
	address, hint, ok := targetAddress(kind, rest)
	return kind + ":" + address, hint, ok
}

// targetAddress checks the address of a target of that kind.
func targetAddress(kind, s string) (address, hint string, ok bool) {
	switch kind {
	case MethodHTTP:
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return "", "such as " + quote(targetExamples[MethodHTTP]), false
		}
		hint, ok = probeAddr(u.Hostname())
		if p := u.Port(); ok && p != "" {
			if _, err := netip.ParseAddrPort(u.Hostname() + ":" + p); err != nil {
				return "", "the port is a number from 1 to 65535", false
			}
		}
		return s, hint, ok
	case MethodICMP:
		hint, ok = probeAddr(s)
		return s, hint, ok
	}
	host, port, found := strings.Cut(s, ":")
	if !found && kind == MethodTCP {
		return "", "a tcp target needs its port: " + quote(s+":53"), false
	}
	if !found {
		port = "53"
	}
	if hint, ok = probeAddr(host); !ok {
		return "", hint, false
	}
	ap, err := netip.ParseAddrPort(host + ":" + port)
	if err != nil || ap.Port() == 0 {
		return "", "the port is a number from 1 to 65535", false
	}
	return ap.String(), "", true
}

// probeAddr checks the literal address of a target.
func probeAddr(host string) (hint string, ok bool) {
	a, err := netip.ParseAddr(host)
	switch {
	case err != nil && strings.ContainsFunc(host, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }) && !strings.Contains(host, ":"):
		return "a name needs DNS, and DNS needs an uplink that works: write its address", false
	case err != nil:
		return addrHint(host), false
	case !a.Is4():
		return "IPv6 targets come with a later version", false
	}
	hint = unusable(a)
	return hint, hint == ""
}
