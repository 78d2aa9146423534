package config

import "net/netip"

// CheckLeased reports that the subnet which a network has leased to an uplink
// overlaps a LAN: such a lease is refused, the LAN stays. It returns nil where
// there is no overlap, and for an uplink that cfg does not have.
func CheckLeased(cfg *Config, uplink string, leased netip.Prefix) *Problem {
	u := cfg.Uplink(uplink)
	if u == nil || !leased.IsValid() {
		return nil
	}
	for i := range cfg.LANs {
		l := &cfg.LANs[i]
		if !l.Address.Overlaps(leased) {
			continue
		}
		hint := "the network of this uplink uses the addresses of " + l.where() + ": give the LAN another address"
		if p, ok := freeSubnet(cfg, leased); ok {
			hint += ", such as " + quote(p.String())
		}
		return &Problem{
			File: cfg.File, Line: u.Pos.Line, Col: u.Pos.Col, Key: "uplink.address", Value: "a lease of " + leased.String(),
			Want: "a subnet that does not overlap " + l.Address.Masked().String(), Hint: hint, Scope: ScopeLease, Entry: u.Name,
		}
	}
	return nil
}
