package modem

import (
	"net/netip"
	"slices"
	"time"
)

// The clocks of the data call.
const (
	addressPoll  = time.Second // +CGPADDR after the start, until there is an address
	addressWait  = 30 * time.Second
	leaseWait    = 10 * time.Second // from the data plane's start to an address on the netdev
	upGuard      = 4 * time.Minute  // StartData without DataChanged
	dialInterval = 5 * time.Second  // two starts are at least so far apart
)

// dataState is where the data call is.
type dataState int

const (
	dataOff dataState = iota
	dataStarting
	dataUp
)

// dataFacts are about the data call.
type dataFacts struct {
	state      dataState
	plan       DataPlan
	since      time.Time // of the state
	first      bool      // the machine has just started: what lives is adopted
	adopted    bool
	context    bool // the context is as wanted
	access     DataAccess
	origin     APNOrigin
	choice     *APNChoice
	round      time.Time // no APN of the round is left until then
	remembered bool      // the APN that works has been noted
	bearer     Bearer    // as the modem or the data plane last said
	refused    Code      // why the network refused it, "" it did not
	cause      string
	missing    map[DataKind]bool
	dialled    time.Time // the last start
	auth       bool      // refused for good: until the configuration changes

	undialled map[string]bool // ports that have not dialled in this round
}

// port is the tty that carries data, "" for none.
func (f dataFacts) port() string {
	if f.state == dataOff || f.plan.Kind != DataPPP {
		return ""
	}
	return f.plan.Port
}

// stageAllowed ends the session where the operator wants none.
func (m *Machine) stageAllowed() bool {
	if m.level.Enabled {
		return true
	}
	m.stopData()
	return m.hold(Stopped, "", "stopped by the operator")
}

// stopData ends the data plane.
func (m *Machine) stopData() {
	if m.data.state == dataOff && !m.inherited() {
		return
	}
	m.do(StopData{})
	m.data.first = false
	m.data.state, m.data.context, m.data.bearer, m.data.adopted = dataOff, false, Bearer{}, false
	m.data.since = m.now
}

// inherited reports whether a predecessor has left a session that the machine
// has not yet taken over or ended.
func (m *Machine) inherited() bool { return m.data.first && m.level.Addr.IsValid() }

// plane chooses how data flows: what the configuration says, else the first of
// the profile that the device offers.
func (m *Machine) plane() (DataPlan, bool) {
	kinds := m.profile.Planes
	if m.set.Data != "" && m.set.Data != "auto" {
		kinds = []DataKind{DataKind(m.set.Data)}
	}
	for _, k := range kinds {
		if m.data.missing[k] {
			continue
		}
		if plan, ok := m.offers(k); ok {
			return plan, true
		}
	}
	if plan, ok := m.offers(DataPPP); ok && len(m.data.missing) > 0 && !m.data.missing[DataPPP] {
		return plan, true // the program for the wanted plane is missing
	}
	return DataPlan{}, false
}

// offers makes the plan of a kind, if the device has what it takes.
func (m *Machine) offers(k DataKind) (DataPlan, bool) {
	plan := DataPlan{Kind: k}
	switch k {
	case DataNetdev:
		n, ok := m.profile.Netdev(slices.DeleteFunc(slices.Clone(m.device.Nets), func(n Net) bool {
			return n.Driver == "qmi_wwan" || n.Driver == "cdc_mbim"
		}))
		plan.Netdev = n.Name
		return plan, ok
	case DataQMI, DataMBIM:
		driver := map[DataKind]string{DataQMI: "qmi_wwan", DataMBIM: "cdc_mbim"}[k]
		for _, n := range m.device.Nets {
			if n.Driver == driver && len(m.device.Control) > 0 {
				plan.Netdev, plan.Control = n.Name, m.device.Control[0]
				return plan, true
			}
		}
		return plan, false
	case DataPPP:
		port, ok := m.dialPort()
		if !ok || m.profile.Dial == "" {
			return plan, false
		}
		plan.Port, plan.Netdev = port, m.set.Netdev
		return plan, true
	}
	return plan, false
}

// dialPort is the first port that may dial and has not refused to.
func (m *Machine) dialPort() (string, bool) {
	ports := slices.DeleteFunc(m.profile.PortsInOrder(m.device.Ports), func(p Port) bool { return m.ports.binary[p.Path] })
	for _, p := range m.profile.DialPorts(ports, m.ports.main) {
		if !m.data.undialled[p.Path] {
			return p.Path, true
		}
	}
	return "", false
}

// nextDialPort leaves a port that does not dial. It reports whether there is
// another one; a new round begins where there is none.
func (m *Machine) nextDialPort() bool {
	f := &m.data
	if f.undialled == nil {
		f.undialled = map[string]bool{}
	}
	f.undialled[f.plan.Port] = true
	if _, ok := m.dialPort(); ok {
		return true
	}
	f.undialled = nil
	return false
}

// stageData has the data call up.
func (m *Machine) stageData() bool {
	f := &m.data
	switch f.state {
	case dataUp:
		return true
	case dataStarting:
		if m.alarm(f.since.Add(upGuard)) {
			return m.hold(Connecting, "", "the data plane starts")
		}
		m.giveUp(CodePDPRefused, "the data plane did not come up")
		return m.troubled()
	}
	if f.refused != "" {
		return m.troubled()
	}
	plan, ok := m.plane()
	if !ok {
		code := CodeNoPlane
		if len(f.missing) > 0 {
			code = CodeProgram
		}
		return m.hold(Failed, code, f.cause)
	}
	if m.alarm(f.dialled.Add(dialInterval)) && !f.dialled.IsZero() {
		return m.hold(Connecting, "", "")
	}
	f.dialled = m.now
	m.want.state = Connecting
	m.start(plan)
	return false
}

// troubled holds while the network refuses the call: the ladder redials.
func (m *Machine) troubled() bool {
	f := &m.data
	if f.auth {
		return m.hold(Failed, CodeAuth, f.cause)
	}
	return m.suffer(Backoff, f.refused, f.cause, TroubleRefused)
}

// giveUp notes that a start has failed; TroubleRefused has the clock of the next one.
func (m *Machine) giveUp(code Code, cause string) {
	m.stopData()
	m.data.refused, m.data.cause = code, cause
	m.data.auth = code == CodeAuth
	m.again()
}

// start starts the data call by the plan.
func (m *Machine) start(plan DataPlan) {
	f := &m.data
	plan.Settings = f.access
	switch {
	case plan.Kind == DataPPP:
		m.startPPP(plan)
	case plan.Kind == DataNetdev && !m.ports.none && m.ports.main != "":
		m.startNetdev(plan)
	default:
		m.begin(plan)
	}
}

// begin hands the plan to the data plane.
func (m *Machine) begin(plan DataPlan) {
	f := &m.data
	f.plan, f.state, f.since = plan, dataStarting, m.now
	f.adopted = m.inherited()
	f.first = false
	m.do(StartData{Plan: plan})
}

// values fill the profile's commands.
func (m *Machine) values() Values {
	return Values{CID: m.profile.CID, Access: m.data.access}
}

// startPPP frees the port to dial on and hands it over.
func (m *Machine) startPPP(plan DataPlan) {
	plan.Dial = m.profile.Command(m.profile.Dial, m.values())
	m.authenticate(func() {
		switch plan.Port {
		case m.ports.main:
			m.closePort(plan.Port)
			m.ports.main, m.ports.spare = m.ports.spare, ""
		case m.ports.spare:
			m.closePort(plan.Port)
			m.ports.spare = ""
		default:
			m.closePort(plan.Port)
		}
		m.begin(plan)
	})
}

// authenticate gives the module the credentials of its context.
func (m *Machine) authenticate(then func()) {
	if m.data.access.User == "" && m.data.access.Password == "" || m.profile.Auth == "" {
		then()
		return
	}
	m.run(m.profile.Commands([]string{m.profile.Auth}, m.values()), func(err error) {
		if !silent(err) {
			then()
		}
	})
}

// startNetdev dials where the module does not do it by itself, and is not
// already connected: a session that lives is not touched.
func (m *Machine) startNetdev(plan DataPlan) {
	switch {
	case m.profile.Check == "" && m.inherited():
		m.resume(plan)
		return
	case m.profile.Check == "":
		m.dial(plan)
		return
	}
	m.text(m.profile.Check, func(r Reply) {
		if silent(r.Err) {
			return
		}
		if up, ok := ParseDialled(r.Lines, m.profile.CID); ok && r.Err == nil && up {
			m.prompt(plan)
			return
		}
		m.dial(plan)
	})
}

// resume leaves a session alone that a predecessor has left and of which no
// command tells but the one that shows its address.
func (m *Machine) resume(plan DataPlan) {
	m.readBearer(func(b Bearer, known bool) {
		if known && b.Addr4.IsValid() {
			m.awaitBearer(plan, m.now.Add(addressWait))
			return
		}
		m.dial(plan)
	})
}

// dial sends the profile's start commands.
func (m *Machine) dial(plan DataPlan) {
	m.authenticate(func() {
		if len(m.profile.Start) == 0 {
			m.prompt(plan)
			return
		}
		m.startBy(m.profile.Start, plan)
	})
}

func (m *Machine) startBy(start []string, plan DataPlan) {
	m.run(m.profile.Commands(start, m.values()), func(err error) {
		switch {
		case err == nil:
			m.awaitBearer(plan, m.now.Add(addressWait))
		case !silent(err):
			m.refusal(err)
		}
	})
}

// prompt has a module that dials itself do so, if it has not: some do not
// come back after the network has ended the call.
func (m *Machine) prompt(plan DataPlan) {
	m.readBearer(func(b Bearer, known bool) {
		if known && !b.Addr4.IsValid() && !b.Addr6.IsValid() {
			m.startBy([]string{"+CGACT=1,{cid}"}, plan)
			return
		}
		m.awaitBearer(plan, m.now.Add(addressWait))
	})
}

// awaitBearer waits for the address that the network gives.
func (m *Machine) awaitBearer(plan DataPlan, until time.Time) {
	m.readBearer(func(b Bearer, known bool) {
		switch {
		case known && b.Addr4.IsValid() || !known:
			m.data.bearer = b
			m.withDNS(plan)
		case known && b.Addr6.IsValid() && !m.now.Before(until):
			m.giveUp(CodeIPv6Only, "")
		case m.now.Before(until):
			m.pause(addressPoll, func() { m.awaitBearer(plan, until) })
		default:
			m.refusal(ErrError)
		}
	})
}

// withDNS completes the bearer of a netdev without DHCP, and begins.
func (m *Machine) withDNS(plan DataPlan) {
	if !m.profile.Static {
		m.begin(plan)
		return
	}
	plan.Bearer = m.data.bearer
	if !plan.Bearer.Gateway4.IsValid() {
		plan.Bearer.Gateway4 = firstHost(plan.Bearer.Addr4)
	}
	command := m.profile.DNS
	if command == "" {
		command = "+CGCONTRDP=" + number64(uint64(max(m.profile.CID, 0)))
	}
	m.text(command, func(r Reply) {
		if silent(r.Err) {
			return
		}
		for _, c := range ParseCGCONTRDP(r.Lines) {
			plan.Bearer.DNS = append(plan.Bearer.DNS, c.Bearer.DNS...)
			plan.Bearer.MTU = max(plan.Bearer.MTU, c.Bearer.MTU)
		}
		m.begin(plan)
	})
}

// firstHost is x.x.x.1, the gateway of modules that give their address without one.
func firstHost(a netip.Addr) netip.Addr {
	if !a.Is4() {
		return netip.Addr{}
	}
	b := a.As4()
	b[3] = 1
	return netip.AddrFrom4(b)
}

// readBearer reads the address of the context; known is false where the modem
// cannot tell.
func (m *Machine) readBearer(then func(b Bearer, known bool)) {
	m.text("+CGPADDR="+number64(uint64(max(m.profile.CID, 0))), func(r Reply) {
		if silent(r.Err) {
			return
		}
		b, ok := ParseCGPADDR(r.Lines, m.profile.CID)
		then(b, ok && r.Err == nil)
	})
}
