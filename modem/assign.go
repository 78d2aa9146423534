package modem

import (
	"slices"
	"strings"

	"luatnetd/internal/order"
)

// Claim is an uplink that wants a modem on USB.
type Claim struct {
	Uplink string
	Match  Match
	Has    string // path of the device that it drives now, "" for none
}

// Assign gives each claim at most one device and each device to at most one
// claim, by path. What a claim has it keeps while that still matches: a modem
// that is plugged in later takes nothing away. Then those that ask for most
// choose first, else in the order given. imeis are the IMEIs that are known so
// far, by path; a device of unknown IMEI is given to a claim with an IMEI only
// to find out. One that a profile knows is a modem even where no driver has its
// ttys yet: new_id comes later.
func Assign(devices []Device, claims []Claim, imeis map[string]string, ps Profiles) map[string]Device {
	given := map[string]Device{}
	taken := map[string]bool{}
	give := func(c Claim, d Device) {
		given[c.Uplink], taken[d.Path] = d, true
	}
	ordered := slices.Clone(claims)
	order.Stable(ordered, func(a, b Claim) int { return b.Match.weight() - a.Match.weight() })
	for _, c := range ordered {
		for _, d := range devices {
			if d.Path == c.Has && !taken[d.Path] && c.Match.fits(d, imeis[d.Path], true) {
				give(c, d)
			}
		}
	}
	for _, unknown := range []bool{false, true} {
		for _, c := range ordered {
			if _, ok := given[c.Uplink]; ok {
				continue
			}
			i := slices.IndexFunc(devices, func(d Device) bool {
				return !taken[d.Path] && (c.Match.named() || d.plausible() || ps.Known(d)) && c.Match.fits(d, imeis[d.Path], unknown)
			})
			if i >= 0 {
				give(c, devices[i])
			}
		}
	}
	return given
}

// plausible tells a modem from a serial adapter or a network card: nobody
// asked for it by name.
func (d Device) plausible() bool {
	return len(d.Control) > 0 || len(d.Ports) > 0 && len(d.Nets) > 0 || len(d.Ports) > 1
}

// weight orders matches: the narrower first.
func (m Match) weight() (n int) {
	if m.IMEI != "" {
		n += 4
	}
	if m.Path != "" {
		n += 2
	}
	if m.VID != 0 || m.PID != 0 {
		n++
	}
	return n
}

// named reports whether m says which device it means, whatever that looks like.
func (m Match) named() bool { return m.Path != "" || m.VID != 0 || m.PID != 0 }

// fits reports whether m chooses d, whose IMEI may be unknown ("").
func (m Match) fits(d Device, imei string, unknown bool) bool {
	if m.Path != "" && !pathEnds(d.Path, m.Path) {
		return false
	}
	if (m.VID != 0 || m.PID != 0) && (m.VID != d.VID || m.PID != d.PID) {
		return false
	}
	return m.IMEI == "" || m.IMEI == imei || imei == "" && unknown
}

// pathEnds reports whether path ends with want, from a slash on.
func pathEnds(path, want string) bool {
	want = strings.Trim(strings.TrimPrefix(want, "/sys/devices/"), "/")
	return want != "" && (path == want || strings.HasSuffix(path, "/"+want))
}
