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

// DialPort is the port to dial on, of those that speak AT; false if there is
// none. It is the one the profile names, else the last of the list that is not
// the main port, else the main port itself.
func (p Profile) DialPort(speaking []Port, main string) (Port, bool) {
	for _, port := range speaking {
		if port.Interface == p.PPP || slices.ContainsFunc(p.PPPProtocol, func(n int) bool { return vendorPort(port, n) }) {
			return port, true
		}
	}
	for _, port := range slices.Backward(speaking) {
		if port.Path != main {
			return port, true
		}
	}
	if len(speaking) > 0 {
		return speaking[0], true
	}
	return Port{}, false
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
