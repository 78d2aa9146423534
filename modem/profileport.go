package modem

import "slices"

// PortsInOrder lists the ports to try AT on: those that are known to speak it,
// then the others, and none that is to get no byte.
func (p Profile) PortsInOrder(ports []Port) []Port {
	var list []Port
	take := func(wanted func(Port) bool) {
		for _, port := range ports {
			if wanted(port) && !p.Shuns(port) && !slices.Contains(list, port) {
				list = append(list, port)
			}
		}
	}
	for _, n := range p.AT {
		take(func(port Port) bool { return port.Interface == n })
	}
	for _, n := range p.ATProtocol {
		take(func(port Port) bool { return vendorPort(port, n) })
	}
	take(func(port Port) bool { return true })
	return list
}

// Shuns reports whether the port is one that gets no byte: DIAG, log or NMEA.
func (p Profile) Shuns(port Port) bool {
	return slices.Contains(p.Avoid, port.Interface) ||
		slices.ContainsFunc(p.AvoidProtocol, func(n int) bool { return vendorPort(port, n) })
}

// DialPorts lists the ports to dial on, the best first: the one the profile
// names and no other, else those that are known to speak AT, the last first,
// else any, and the main port in the end.
func (p Profile) DialPorts(ports []Port, main string) []Port {
	for _, port := range ports {
		if port.Interface == p.PPP || slices.ContainsFunc(p.PPPProtocol, func(n int) bool { return vendorPort(port, n) }) {
			return []Port{port}
		}
	}
	list := slices.Clone(ports)
	slices.Reverse(list)
	rank := func(port Port) int {
		switch {
		case port.Path == main:
			return 2
		case slices.Contains(p.AT, port.Interface):
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b Port) int { return rank(a) - rank(b) })
	return list
}

// Netdev is the device that carries data, of those of the modem.
func (p Profile) Netdev(nets []Net) (Net, bool) {
	for _, n := range nets {
		if n.Interface == p.Net {
			return n, true
		}
	}
	if len(nets) > 0 {
		return nets[0], true
	}
	return Net{}, false
}

func vendorPort(port Port, protocol int) bool {
	return port.Class.Class == 0xff && int(port.Class.Protocol) == protocol
}

func (p *Profile) keepInterfaces(from Profile) {
	p.AT, p.Avoid, p.PPP, p.Net = from.AT, from.Avoid, from.PPP, from.Net
	p.ATProtocol, p.AvoidProtocol, p.PPPProtocol = from.ATProtocol, from.AvoidProtocol, from.PPPProtocol
	p.NewID, p.Configuration = from.NewID, from.Configuration
}
