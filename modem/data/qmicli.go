package data

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"luatnetd/modem"
)

// qmicli is libqmi's tool, of Debian's libqmi-utils.
type qmicli struct{}

func (qmicli) program() string { return "qmicli" }

func (q qmicli) up(ctx context.Context, m *wdm) (bearer modem.Bearer, calls []call, err error) {
	format, err := m.run(ctx, anyCall, "--wda-get-data-format")
	if err != nil {
		return bearer, nil, err
	}
	if err := m.rawIP(field(format, "Link layer protocol") == "raw-ip"); err != nil {
		return bearer, nil, err
	}
	var refusals []error
	for _, family := range m.families() {
		c, err := q.dial(ctx, m, family)
		if err != nil {
			refusals = append(refusals, err)
			continue
		}
		calls = append(calls, c)
	}
	if len(calls) == 0 {
		return bearer, nil, errors.Join(refusals...)
	}
	bearer, err = q.settings(ctx, m, calls)
	return bearer, calls, err
}

// dial starts a call; the client id that it is bound to is kept for its end.
// When it is refused qmicli releases that by itself.
func (q qmicli) dial(ctx context.Context, m *wdm, family string) (call, error) {
	args := "ip-type=" + strings.TrimPrefix(family, "ipv")
	switch {
	case m.secret():
		args = "3gpp-profile=1," + args
	case m.plan.Settings.APN != "":
		args = "apn='" + m.plan.Settings.APN + "'," + args
	}
	out, err := m.run(ctx, dialCall, "--wds-start-network="+args, "--client-no-release-cid")
	if err != nil {
		return call{}, err
	}
	c := call{Family: family}
	c.Handle, err = number("qmicli", field(out, "Packet data handle"))
	if err == nil {
		c.Client, err = number("qmicli", field(out, "CID"))
	}
	return c, err
}

func (q qmicli) settings(ctx context.Context, m *wdm, calls []call) (bearer modem.Bearer, err error) {
	for _, c := range calls {
		out, err := m.run(ctx, anyCall, "--wds-get-current-settings", "--client-cid="+c.Client, "--client-no-release-cid")
		if err != nil {
			return bearer, err
		}
		parseQMICLI(out, &bearer)
	}
	return bearer, nil
}

func (q qmicli) down(ctx context.Context, m *wdm, calls []call) error {
	var errs []error
	for _, c := range calls {
		_, err := m.run(ctx, anyCall, "--wds-stop-network="+c.Handle, "--client-cid="+c.Client)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// parseQMICLI adds what "--wds-get-current-settings" prints to a bearer.
func parseQMICLI(out string, b *modem.Bearer) {
	b.Addr4 = first(b.Addr4, field(out, "IPv4 address"))
	b.Gateway4 = first(b.Gateway4, field(out, "IPv4 gateway address"))
	addr, bits, _ := strings.Cut(field(out, "IPv6 address"), "/")
	n, _ := strconv.Atoi(bits)
	setPrefix6(b, addr, n)
	for _, family := range []string{"IPv4", "IPv6"} {
		addDNS(b, field(out, family+" primary DNS"))
		addDNS(b, field(out, family+" secondary DNS"))
	}
	mtu, _ := strconv.Atoi(field(out, "MTU"))
	b.MTU = max(b.MTU, mtu)
}

// field is the value of the first line "name: value" or "name: 'value'".
func field(out, name string) string {
	for line := range strings.Lines(out) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && key == name {
			return strings.Trim(strings.TrimSpace(value), "'")
		}
	}
	return ""
}
