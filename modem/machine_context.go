package modem

import (
	"errors"
	"strings"
)

// apnCandidate is an APN that may be tried, and where it comes from.
type apnCandidate struct {
	access DataAccess
	origin string
}

// stageContext has the context in the module as wanted. It is read before it is
// written: writing it has some modems attach anew.
func (m *Machine) stageContext() bool {
	f := &m.data
	switch {
	case f.context, f.state != dataOff:
		return true
	case f.refused != "" && !f.waitUntil.IsZero():
		return m.troubled()
	case m.ports.none, m.ports.main == "":
		s := m.access()
		f.access = DataAccess{APN: s.APN, User: s.User, Password: s.Password, Auth: s.Auth, PDPType: s.PDPType}
		f.context = true
		return true
	}
	m.want.state = Attaching
	m.text("+CGDCONT?", func(r Reply) {
		if !silent(r.Err) {
			m.chooseContext(ParseCGDCONT(r.Lines))
		}
	})
	return false
}

// chooseContext chooses the APN and writes it where it is another.
func (m *Machine) chooseContext(have []Context) {
	f := &m.data
	c := m.nextAPN(have)
	f.access, f.origin = c.access, c.origin
	if f.pdpType != "" {
		f.access.PDPType = f.pdpType
	}
	for _, h := range have {
		if h.CID == m.profile.CID && strings.EqualFold(h.APN, f.access.APN) && h.Type == pdpType(f.access.PDPType) {
			f.context = true
			return
		}
	}
	m.text(m.profile.Expand(`+CGDCONT={cid},"{pdp}","{apn}"`, m.values()), func(r Reply) {
		switch {
		case silent(r.Err):
		case r.Err != nil:
			m.refusal(r.Err)
		default:
			f.context = true
			m.attachAnew()
		}
	})
}

// attachAnew has a changed attach context take effect: on LTE the network is
// told of it at the attach only.
func (m *Machine) attachAnew() {
	if m.set.PLMN != "" {
		return
	}
	m.text("+CGATT=0", func(r Reply) {
		if silent(r.Err) {
			return
		}
		m.text("+CGATT=1", func(Reply) { m.net = netFacts{} })
	})
}

// nextAPN is the APN to try.
func (m *Machine) nextAPN(have []Context) apnCandidate {
	s := m.access()
	a := DataAccess{APN: s.APN, User: s.User, Password: s.Password, Auth: s.Auth, PDPType: s.PDPType}
	if s.APN != "" {
		return apnCandidate{a, "configured"}
	}
	for _, h := range have {
		if h.CID == m.profile.CID && h.APN != "" {
			a.APN = h.APN
			return apnCandidate{a, "module"}
		}
	}
	return apnCandidate{a, "network"}
}

// refusal notes why the network refused the data call.
func (m *Machine) refusal(err error) {
	var e CMEError
	code, cause := CodePDPRefused, err.Error()
	if errors.As(err, &e) {
		switch e.Code {
		case 132, 133, 134, 148, 127:
			code = CodeAPNRefused
		case 129, 149:
			code = CodeAuth
		}
	}
	m.giveUp(code, cause)
}

// remember notes the APN that has worked.
func (m *Machine) remember() {}
