package modem

import (
	"slices"
	"strings"
)

// Profiles are all that are known, those of the user first.
type Profiles struct{ list []Profile }

// All lists the profiles in order of precedence.
func (ps Profiles) All() []Profile { return slices.Clone(ps.list) }

// ByID returns the profile with that id.
func (ps Profiles) ByID(id string) (Profile, bool) {
	for _, p := range ps.list {
		if p.ID == id {
			return p, true
		}
	}
	return Profile{}, false
}

// The fallbacks, by id.
const (
	genericNet = "generic-net"
	netOnly    = "netonly"
	genericPPP = "generic-ppp"
)

// For chooses the profile for a device: the match with the most conditions,
// else one of the fallbacks. Refine betters it once the modem has said its name.
func (ps Profiles) For(d Device) Profile {
	best, score := Profile{}, 0
	for _, p := range ps.list {
		for _, m := range p.Match {
			if n := m.score(d); n > score && !p.Silent {
				best, score = p, n
			}
		}
	}
	if score > 0 {
		return best
	}
	return ps.fallback(d)
}

// Known reports whether a profile other than a fallback is for the device.
func (ps Profiles) Known(d Device) bool {
	return slices.ContainsFunc(ps.list, func(p Profile) bool { return p.fits(d) })
}

func (p Profile) fits(d Device) bool {
	return slices.ContainsFunc(p.Match, func(m USBMatch) bool { return m.score(d) > 0 })
}

func (ps Profiles) fallback(d Device) Profile {
	id := genericPPP
	switch {
	case len(d.Nets) > 0 && len(d.Ports) == 0 && !unbound(d):
		id = netOnly
	case len(d.Nets) > 0:
		id = genericNet
	}
	p, _ := ps.ByID(id)
	p.NewID = unbound(d)
	return p
}

// unbound reports whether an interface of the vendor's class, which may well
// be an AT port, has no driver. Class ff/42 is ADB, the debug port of Android.
func unbound(d Device) bool {
	return slices.ContainsFunc(d.Interfaces, func(i Interface) bool {
		return i.Driver == "" && i.Class.Class == 0xff && i.Class.Sub != 0x42
	})
}

// score counts the conditions that agree; 0 if one does not.
func (m USBMatch) score(d Device) int {
	if d.VID == 0 || m.VID != d.VID || !m.AnyPID && m.PID != d.PID {
		return 0
	}
	n := 1
	if !m.AnyPID {
		n += 4 // outweighs all the others
	}
	if m.Class != nil {
		if !slices.ContainsFunc(d.Interfaces, func(i Interface) bool { return i.Number == 0 && i.Class == *m.Class }) {
			return 0
		}
		n++
	}
	if m.Product != "" {
		if !holds(d.Product+"\n"+d.Manufacturer, m.Product) {
			return 0
		}
		n++
	}
	return n
}

// Refine chooses again with the modem's own words (ATI, +CGMM): one USB id
// serves several families. A profile found by its words only, on a device or a
// UART of which it does not know the interfaces, keeps the interfaces of p.
func (ps Profiles) Refine(p Profile, d Device, model string) Profile {
	known := ps.Known(d)
	best, length := p, p.named(model)
	for _, c := range ps.list {
		if c.Silent || known && !c.fits(d) {
			continue
		}
		if n := c.named(model); n > length {
			best, length = c, n
		}
	}
	if best.ID != p.ID && !best.fits(d) {
		best.keepInterfaces(p)
	}
	return best
}

// named is the length of the longest word of Models in the modem's own words.
func (p Profile) named(model string) int {
	length := 0
	for _, word := range p.Models {
		if len(word) > length && holds(model, word) {
			length = len(word)
		}
	}
	return length
}

// WithoutAT chooses again when no port has spoken AT.
func (ps Profiles) WithoutAT(p Profile, d Device) Profile {
	for _, c := range ps.list {
		if c.Silent && c.fits(d) {
			return c
		}
	}
	if c, ok := ps.ByID(netOnly); ok && len(d.Nets) > 0 {
		return c
	}
	return p
}

// holds reports whether text has the part, in any case.
func holds(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
