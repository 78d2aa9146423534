package modem

// Numbers are those of the modem and its card, unmasked: for what a connection
// registers with, never for a log. They are empty while unknown.
func (m *Machine) Numbers() (imei, imsi, iccid string) { return m.ident.IMEI, m.sim.imsi, m.sim.iccid }

// Speaking are the ports that answer AT commands, the one that is used first.
func (m *Machine) Speaking() []string {
	var list []string
	for _, p := range []string{m.ports.main, m.ports.spare} {
		if p != "" && m.ports.open[p] {
			list = append(list, p)
		}
	}
	return list
}

// Severity is how a code stands in a status document: "notice" for what an
// operator wanted or what is just on its way, "warning" for what mends itself,
// "error" for what needs somebody.
func (c Code) Severity() string {
	switch c {
	case CodeRadioOff, CodeSearching, CodeRecovering:
		return "notice"
	case CodeNoSignal, CodeDenied, CodeNoAddress, CodePathDead, CodePortStuck, CodeUnregistered, CodeAbsent, CodeModeSwitch, CodePDPRefused:
		return "warning"
	}
	return "error"
}
