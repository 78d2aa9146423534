package modem

// stageInit sets the modem up as spec 3.1 says, once per port, and learns
// what it is.
func (m *Machine) stageInit() bool {
	switch {
	case m.ports.none, m.ports.main == "", m.ports.initialised:
		return true
	}
	m.want.state = Probing
	if m.ident.Model != "" {
		m.setUp(m.profile.InitSteps())
		return false
	}
	m.learn()
	return false
}

// learn asks for the names, by which the profile is refined.
func (m *Machine) learn() {
	f := &m.ident
	m.text("+CGMI", func(r Reply) {
		f.Manufacturer = ParseText(r.Lines)
		m.text("+CGMM", func(r Reply) {
			f.Model = ParseText(r.Lines)
			m.text("+CGMR", func(r Reply) {
				f.Revision = ParseText(r.Lines)
				if silent(r.Err) {
					return
				}
				if f.Model == "" {
					f.Model = "?"
				}
				m.profile = m.profiles.Refine(m.profile, m.device, f.Words())
				m.setUp(m.profile.InitSteps())
			})
		})
	})
}

// setUp sends the steps; one that is refused is no failure, one that is not
// answered starts again.
func (m *Machine) setUp(steps [][]Command) {
	if len(steps) == 0 {
		m.ports.initialised = true
		return
	}
	m.attempt(steps[0], func(r Reply) {
		if silent(r.Err) {
			return
		}
		if r.Err != nil && len(steps[0]) > 0 && steps[0][0].Name() == "+CNMI" {
			m.sms.poll = true
		}
		m.setUp(steps[1:])
	})
}
