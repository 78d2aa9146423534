package data

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"luatnetd/modem"
)

// umbim is OpenWrt's tool. Its calls share one open device (-n leaves it open)
// and count their transactions.
type umbim struct{}

func (umbim) program() string { return "umbim" }

// umbimSteps come before a connection, as in OpenWrt's mbim.sh.
var umbimSteps = []string{"caps", "subscriber", "registration", "attach"}

func (u umbim) up(ctx context.Context, m *wdm) (bearer modem.Bearer, calls []call, err error) {
	tid := 2 // the first one opens
	next := func() string { tid++; return strconv.Itoa(tid) }
	for i, step := range umbimSteps {
		args := []string{"-n", "-t", next(), step}
		if i == 0 {
			args = []string{"-n", step}
		}
		if _, err := m.run(ctx, anyCall, args...); err != nil {
			return bearer, nil, err
		}
	}
	if _, err := m.run(ctx, dialCall, "-n", "-t", next(), "connect", mbimType(m)+":"+m.plan.Settings.APN, "none", "", ""); err != nil {
		return bearer, []call{{Client: next()}}, err
	}
	calls = []call{{Client: next()}}
	bearer, err = u.settings(ctx, m, calls)
	return bearer, calls, err
}

func (u umbim) settings(ctx context.Context, m *wdm, calls []call) (modem.Bearer, error) {
	out, err := m.run(ctx, anyCall, "-n", "-t", calls[0].Client, "config")
	return parseUMBIM(out), err
}

func (u umbim) down(ctx context.Context, m *wdm, calls []call) error {
	_, err := m.run(ctx, anyCall, "-t", calls[0].Client, "disconnect")
	return err
}

// mbimType is the PDP type in the words of both tools.
func mbimType(m *wdm) string {
	if f := m.families(); len(f) == 1 {
		return f[0]
	}
	return "ipv4v6"
}

// parseUMBIM reads what "config" prints.
func parseUMBIM(out string) (b modem.Bearer) {
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		addMBIM(&b, key, strings.TrimSpace(value))
	}
	return b
}

func addMBIM(b *modem.Bearer, key, value string) {
	switch key {
	case "ipv4address":
		p, _ := netip.ParsePrefix(value)
		b.Addr4 = first(b.Addr4, p.Addr().String())
	case "ipv6address":
		if p, err := netip.ParsePrefix(value); err == nil {
			setPrefix6(b, p.Addr().String(), p.Bits())
		}
	case "ipv4gateway":
		b.Gateway4 = first(b.Gateway4, value)
	case "ipv4dnsserver", "ipv6dnsserver":
		addDNS(b, value)
	case "ipv4mtu", "ipv6mtu":
		if n, _ := strconv.Atoi(value); n > 0 && (b.MTU == 0 || n < b.MTU) {
			b.MTU = n
		}
	}
}

// mbimcli is libmbim's tool, of Debian's libmbim-utils. Its calls share one open
// device, by the number of the last transaction.
type mbimcli struct{}

func (mbimcli) program() string { return "mbimcli" }

func (c mbimcli) up(ctx context.Context, m *wdm) (bearer modem.Bearer, calls []call, err error) {
	out, err := m.run(ctx, anyCall, "--query-subscriber-ready-status", "--no-close")
	if err != nil {
		return bearer, nil, err
	}
	for _, step := range []string{"--query-registration-state", "--attach-packet-service"} {
		if out, err = m.run(ctx, anyCall, step, "--no-open="+field(out, "TRID"), "--no-close"); err != nil {
			return bearer, nil, err
		}
	}
	apn := "apn='" + m.plan.Settings.APN + "',ip-type=" + mbimType(m)
	last := field(out, "TRID")
	if out, err = m.run(ctx, dialCall, "--connect="+apn, "--no-open="+last, "--no-close"); err != nil {
		return bearer, []call{{Client: last}}, err
	}
	return parseMBIMCLI(out), []call{{Client: field(out, "TRID")}}, nil
}

func (c mbimcli) settings(ctx context.Context, m *wdm, calls []call) (modem.Bearer, error) {
	out, err := m.run(ctx, anyCall, "--query-ip-configuration", "--no-open="+calls[0].Client, "--no-close")
	return parseMBIMCLI(out), err
}

func (c mbimcli) down(ctx context.Context, m *wdm, calls []call) error {
	_, err := m.run(ctx, anyCall, "--disconnect", "--no-open="+calls[0].Client)
	return err
}

// parseMBIMCLI reads what "--query-ip-configuration" and "--connect" print: one
// part for each family.
func parseMBIMCLI(out string) (b modem.Bearer) {
	family := ""
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		value = strings.Trim(strings.TrimSpace(value), "'")
		switch {
		case strings.HasSuffix(key, "IPv4 configuration available"):
			family = "ipv4"
		case strings.HasSuffix(key, "IPv6 configuration available"):
			family = "ipv6"
		case strings.HasPrefix(key, "IP ["):
			addMBIM(&b, family+"address", value)
		case strings.HasPrefix(key, "DNS ["):
			addMBIM(&b, family+"dnsserver", value)
		case key == "Gateway":
			addMBIM(&b, family+"gateway", value)
		case key == "MTU":
			addMBIM(&b, family+"mtu", value)
		}
	}
	return b
}
