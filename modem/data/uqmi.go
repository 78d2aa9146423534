package data

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"

	"luatnetd/modem"
)

// uqmi is OpenWrt's tool. The sequence is that of its qmi.sh; the radio, the
// PIN and the registration are the AT port's business.
type uqmi struct{}

func (uqmi) program() string { return "uqmi" }

// allCalls stands for every call, also those that the modem began by itself.
const allCalls = "0xffffffff"

func (u uqmi) up(ctx context.Context, m *wdm) (bearer modem.Bearer, calls []call, err error) {
	_, _ = m.run(ctx, firstCall, "-t", "3000", "--get-pin-status") // wakes it; its answer is of no interest
	_, _ = m.run(ctx, anyCall, "-s", "--stop-network", allCalls, "--autoconnect")
	_, _ = m.run(ctx, anyCall, "-s", "--wda-set-data-format", "802.3") // refused by newer modems
	format, err := m.run(ctx, anyCall, "-s", "--wda-get-data-format")
	if err != nil {
		return bearer, nil, err
	}
	if err := m.rawIP(strings.Contains(format, "raw-ip")); err != nil {
		return bearer, nil, err
	}
	var refusals []error
	for _, family := range m.families() {
		c, err := u.dial(ctx, m, family)
		if c.Client != "" {
			calls = append(calls, c)
		}
		if err != nil {
			refusals = append(refusals, err)
		}
	}
	if len(refusals) == len(m.families()) {
		return bearer, calls, errors.Join(refusals...)
	}
	bearer, err = u.settings(ctx, m, calls)
	return bearer, calls, err
}

func (u uqmi) dial(ctx context.Context, m *wdm, family string) (c call, err error) {
	c.Family = family
	out, err := m.run(ctx, anyCall, "-s", "--get-client-id", "wds")
	if err != nil {
		return c, err
	}
	if c.Client, err = number("uqmi", out); err != nil {
		return c, err
	}
	client := []string{"-s", "--set-client-id", "wds," + c.Client}
	if _, err := m.run(ctx, anyCall, append(client, "--set-ip-family", family)...); err != nil {
		return c, err
	}
	start := append(client, "--start-network")
	switch {
	case m.secret():
		start = append(start, "--profile", "1")
	case m.plan.Settings.APN != "":
		start = append(start, "--apn", m.plan.Settings.APN)
	}
	if out, err = m.run(ctx, dialCall, start...); err != nil {
		return c, err
	}
	c.Handle, err = number("uqmi", out)
	return c, err
}

func (u uqmi) settings(ctx context.Context, m *wdm, calls []call) (bearer modem.Bearer, err error) {
	for _, c := range calls {
		if c.Handle == "" {
			continue // refused
		}
		out, err := m.run(ctx, anyCall, "-s", "--set-client-id", "wds,"+c.Client, "--get-current-settings")
		if err != nil {
			return bearer, err
		}
		if err := parseUQMI(out, &bearer); err != nil {
			return bearer, err
		}
	}
	return bearer, nil
}

func (u uqmi) down(ctx context.Context, m *wdm, calls []call) error {
	var errs []error
	for _, c := range calls {
		client := []string{"-s", "--set-client-id", "wds," + c.Client}
		_, _ = m.run(ctx, anyCall, append(client, "--stop-network", allCalls, "--autoconnect")...)
		if c.Handle != "" {
			_, err := m.run(ctx, anyCall, append(client, "--stop-network", c.Handle)...)
			errs = append(errs, err)
		}
		_, err := m.run(ctx, anyCall, append(client, "--release-client-id", "wds")...)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// parseUQMI adds what "--get-current-settings" prints to a bearer: an object, or
// a sentence ("Out of call").
func parseUQMI(out string, b *modem.Bearer) error {
	var s struct {
		MTU  int `json:"mtu"`
		IPv4 struct {
			IP, Gateway, DNS1, DNS2 string
		} `json:"ipv4"`
		IPv6 struct {
			IP, DNS1, DNS2 string
			Bits           int `json:"ip-prefix-length"`
		} `json:"ipv6"`
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return refusedError{"uqmi", printable(strings.Trim(strings.TrimSpace(out), `"`))}
	}
	b.MTU = max(b.MTU, s.MTU)
	b.Addr4, b.Gateway4 = first(b.Addr4, s.IPv4.IP), first(b.Gateway4, s.IPv4.Gateway)
	setPrefix6(b, s.IPv6.IP, s.IPv6.Bits)
	for _, d := range []string{s.IPv4.DNS1, s.IPv4.DNS2, s.IPv6.DNS1, s.IPv6.DNS2} {
		addDNS(b, d)
	}
	return nil
}

// first is a, unless it is unset and s is an address.
func first(a netip.Addr, s string) netip.Addr {
	if n := address(s); !a.IsValid() && n.IsValid() && !n.IsUnspecified() {
		return n
	}
	return a
}

func setPrefix6(b *modem.Bearer, addr string, bits int) {
	if a := address(addr); a.Is6() && !a.IsUnspecified() && !b.Addr6.IsValid() {
		b.Addr6 = netip.PrefixFrom(a, bits) // invalid if the bits are
	}
}

// addDNS adds a server, unless the network has none to give and says 0.0.0.0,
// or gives one twice.
func addDNS(b *modem.Bearer, s string) {
	a := address(s)
	if !a.IsValid() || a.IsUnspecified() {
		return
	}
	for _, have := range b.DNS {
		if have == a {
			return
		}
	}
	b.DNS = append(b.DNS, a)
}
