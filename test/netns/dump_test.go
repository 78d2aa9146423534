package netns

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// volatile is what changes by itself in a dump: lifetimes, expiry, handles.
var volatile = regexp.MustCompile(`(valid_lft|preferred_lft|expires) \S+|\\\s*|^\d+: `)

// dump reads the whole network state of the gateway with foreign tools, line
// by line; keep (nil: every line) chooses.
func (b *box) dump(keep func(string) bool) []string {
	b.t.Helper()
	var lines []string
	for _, args := range [][]string{
		{"ip", "-o", "addr"}, {"ip", "-d", "rule"}, {"ip", "-6", "-d", "rule"},
		{"ip", "-N", "route", "show", "table", "all"}, {"nft", "-s", "list", "ruleset"}, {"ip", "-br", "link"},
	} {
		out := b.Gateway.MustRun(b.t, args[0], args[1:]...)
		if args[0] == "nft" {
			out = tables(out)
		}
		for line := range strings.SplitSeq(out, "\n") {
			line = strings.Join(strings.Fields(volatile.ReplaceAllString(line, " ")), " ")
			lines = append(lines, strings.Join(args, " ")+": "+line)
		}
	}
	lines = append(lines, b.sysctls()...)
	if keep != nil {
		lines = slices.DeleteFunc(lines, func(l string) bool { return !keep(l) })
	}
	slices.Sort(lines)
	return lines
}

// lineDiff returns the lines of one dump that the other lacks.
func lineDiff(before, after []string) string {
	var out []string
	for _, l := range before {
		if !slices.Contains(after, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}

// tables puts every table of a ruleset onto one line.
func tables(ruleset string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(ruleset, "\n}\n", "§"), "\n", " "), "§", " }\n")
}

// sysctls reads every setting of the gateway's devices, IPv4 and IPv6.
func (b *box) sysctls() (lines []string) {
	b.t.Helper()
	b.Gateway.MustDo(b.t, func() error {
		for _, dir := range []string{"ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh", "ipv4/ip_forward"} {
			err := filepath.WalkDir("/proc/sys/net/"+dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || filepath.Base(path) == "stable_secret" {
					return err
				}
				value, err := os.ReadFile(path)
				lines = append(lines, "sysctl "+strings.TrimPrefix(path, "/proc/sys/")+" = "+strings.TrimSpace(string(value)))
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return lines
}

// ours is how our own state is told from foreign state, by what foreign tools
// print: protocol 76, our tables, our addresses, our devices' sysctls that
// docs/datapath.md names, and the bridge.
var ours = regexp.MustCompile(`proto 76\b|table inet luatnetd|br-lan|192\.168\.[56]\.|100\.64\.|` +
	`sysctl .*/(wan1|wan2|lan1|lan2)/(ignore_routes_with_linkdown|rp_filter|arp_ignore|arp_announce|arp_evict_nocarrier|ndisc_evict_nocarrier|retrans_time(_ms)?|promote_secondaries|accept_ra|forwarding) `)

func (b *box) notOurs(line string) bool { return !ours.MatchString(line) }
