package data

import (
	"fmt"
	"strings"

	"luatnetd/modem"
)

// How long a silent link lasts: three echoes of five seconds. pppd ends then.
const (
	echoInterval = 5
	echoFailures = 3
)

// options are the lines of pppd's options file (pppd(8)). All that the system's
// /etc/ppp/options may say otherwise is said, too: Debian's has "auth",
// "crtscts" and "lock". none is the path of no file: the system's ip-up would
// rewrite /etc/resolv.conf.
func options(plan modem.DataPlan, name, none string) (string, error) {
	lines := []string{
		"nodetach", "nopersist", "maxfail 1", "nolock",
		"local", "nocrtscts", // no carrier line on most; the echoes tell
		"noauth", "hide-password", "noipdefault", "nodefaultroute", "usepeerdns",
		"novj", "noccp", "nobsdcomp", "nodeflate",
		fmt.Sprintf("lcp-echo-interval %d", echoInterval), fmt.Sprintf("lcp-echo-failure %d", echoFailures),
		"lcp-max-terminate 1", // a dead link does not answer the second one, either: 3 s less
	}
	words := []struct{ option, value string }{
		{"ipparam", name}, {"ip-up-script", none}, {"ip-down-script", none},
		{"ifname", plan.Netdev}, {"user", plan.Settings.User}, {"password", plan.Settings.Password},
	}
	for _, w := range words {
		if w.value == "" {
			continue
		}
		q, err := quote(w.value)
		if err != nil {
			return "", fmt.Errorf("pppd's %s: %w", w.option, err)
		}
		lines = append(lines, w.option+" "+q)
	}
	switch plan.Settings.PDPType {
	case "IPV6":
		lines = append(lines, "noip", "+ipv6")
	case "IPV4V6":
		lines = append(lines, "+ipv6")
	default:
		lines = append(lines, "noipv6")
	}
	lines = append(lines, refused(plan.Settings.Auth)...)
	return strings.Join(lines, "\n") + "\n", nil
}

// refused are the options against the ways to authenticate that are not wanted.
func refused(auth string) []string {
	pap, chap := []string{"refuse-pap"}, []string{"refuse-chap", "refuse-mschap", "refuse-mschap-v2", "refuse-eap"}
	switch auth {
	case "none":
		return append(pap, chap...)
	case "pap":
		return chap
	case "chap":
		return pap
	}
	return nil
}

// quote writes a word for an options file: in quotes, where a backslash makes
// the next character an ordinary one. The value may be a secret, so an error
// does not show it.
func quote(s string) (string, error) {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return "", fmt.Errorf("it has a control character")
		}
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, nil
}
