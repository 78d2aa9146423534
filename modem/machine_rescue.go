package modem

import "time"

// Bytes that arrive are a living connection, whatever the prober says: nothing
// is reset then. Fewer than livingBytes in living are not taken for life: the
// ARP and ICMP answers of the modem itself arrive over a dead path, too.
const (
	living      = 30 * time.Second
	livingBytes = 2048
)

// rescueFacts are about the recovery that is under way.
type rescueFacts struct {
	trouble Trouble
	since   time.Time
	rung    Rung      // being climbed, while until is to come
	until   time.Time // the modem may be away so long
	key     dueKey
	at      time.Time // when the next rung is due
	next    Rung
	any     bool
	waited  time.Time

	bytes   uint64 // last seen
	counted bool
	sum     uint64 // since sumAt
	sumAt   time.Time
	alive   time.Time // when sum last was enough
}

// dueKey is what a due time was reckoned from.
type dueKey struct {
	trouble Trouble
	since   time.Time
	ended   int64
	can     int
}

// expect says that the modem may be away for a while.
func (r *rescueFacts) expect(rung Rung, now time.Time) { r.rung, r.until = rung, now.Add(enumerateMax) }

// resetting reports whether a reset is under way.
func (r *rescueFacts) resetting(now time.Time) bool { return now.Before(r.until) }

// watchBytes follows the counter of received bytes.
func (m *Machine) watchBytes() {
	r := &m.rescue
	n := m.level.Received
	if r.counted && n > r.bytes {
		if m.now.Sub(r.sumAt) > living {
			r.sum, r.sumAt = 0, m.now
		}
		if r.sum += n - r.bytes; r.sum >= livingBytes {
			r.alive, r.sum, r.sumAt = m.now, 0, m.now
		}
	}
	r.bytes, r.counted = n, true
}

// alive reports whether bytes arrive.
func (m *Machine) alive() bool {
	a := m.rescue.alive
	return !a.IsZero() && m.now.Sub(a) < living
}

// mind keeps the clock of the trouble, and the ladder's calm.
func (m *Machine) mind() {
	r := &m.rescue
	if t := m.want.trouble; t != r.trouble {
		r.trouble, r.since = t, m.now
	}
	if r.trouble != NoTrouble || m.want.state != Connected {
		m.ladder.trouble()
		return
	}
	helped, anew := m.ladder.calm(m.now)
	if helped != "" {
		m.tell("modem", "connected again after: "+helped, false, "rung", helped)
	}
	if m.ladder.progress() > 0 {
		m.alarm(m.ladder.since.Add(stable))
	}
	if anew {
		m.saveLadder(func() {})
	}
}

// spared reports whether nothing may be interrupted: bytes arrive, or the
// prober says that the path lives although an AT port does not.
func (m *Machine) spared() bool {
	if m.alive() {
		return true
	}
	return m.data.state == dataUp && m.level.Addr.IsValid() && m.rescue.trouble == TroublePort && m.level.Path != PathDead
}

// climb climbs the next rung if it is due.
func (m *Machine) climb() {
	r := &m.rescue
	if r.trouble == NoTrouble || !m.level.Enabled && r.trouble != TroublePort && r.trouble != TroubleGone {
		return
	}
	can := 0
	for i := range rungCount {
		if m.can(i) {
			can |= 1 << i
		}
	}
	key := dueKey{r.trouble, r.since, m.ladder.Ended, can}
	if key != r.key {
		r.key = key
		r.next, r.at, r.any = m.ladder.due(r.trouble, r.since, m.can, m.rng)
	}
	switch {
	case !r.any || m.alarm(r.at):
	case rungs[r.next].reset && m.spared():
		m.wait()
	default:
		m.perform(r.trouble, r.next, func(error) {})
		m.again()
	}
}

// wait does what can be done while nothing may be interrupted: a port that is
// stuck is tried again.
func (m *Machine) wait() {
	r := &m.rescue
	if m.alarm(r.waited.Add(living)) {
		return
	}
	r.waited = m.now
	m.alarm(m.now.Add(living))
	if r.trouble == TroublePort {
		m.act(r.trouble, RungReopen, func(error) {})
		m.again()
	}
}

// can reports whether the modem has a rung.
func (m *Machine) can(r Rung) bool {
	speaks := m.ports.main != ""
	switch r {
	case RungConfirm:
		return speaks
	case RungRenew:
		return m.data.plan.Kind == DataNetdev && !m.profile.Static
	case RungNextAPN:
		return false // the choice of the APN has its own clock
	case RungReattach:
		return speaks && m.set.PLMN == ""
	case RungRadio:
		return speaks
	case RungSoftReset:
		return speaks && len(m.profile.Reset) > 0
	case RungRebind:
		return m.devices.present && m.device.VID != 0
	case RungPortPower:
		return m.set.HubPower && m.set.Port == "" && m.devices.seen
	case RungPower:
		return m.set.Power
	}
	return m.devices.present
}

// perform climbs a rung. What interrupts is noted on disk before, so that a
// crash cannot make a loop of resets.
func (m *Machine) perform(t Trouble, r Rung, then func(error)) {
	m.ladder.climbed(t, r, m.now)
	if t != NoTrouble {
		m.tell("modem", "recovery from "+string(t)+": "+r.String(), true, "rung", r.String(), "cause", string(t))
	}
	if r >= RungRedial && !m.data.auth {
		m.data.refused, m.data.context = "", m.data.context && m.data.state != dataOff
	}
	act := func() { m.act(t, r, then) }
	if rungs[r].every == 0 {
		act()
		return
	}
	m.want = want{state: Recovering, code: CodeRecovering, cause: r.String() + " for: " + string(t)}
	m.rescue.rung = r
	m.saveLadder(act)
}

// saveLadder makes the ladder durable. That it cannot be is no reason not to recover.
func (m *Machine) saveLadder(then func()) {
	mem := m.modemMemory()
	mem.Ladder = m.ladder.Saved()
	m.setModemMemory(mem)
	m.save(func(error) { then() })
}

// adoptLadder takes over what is remembered of this modem.
func (m *Machine) adoptLadder(imei string) {
	old := loadLadder(m.mem.Modems[imei].Ladder, m.now)
	for i := range old.Last {
		m.ladder.Last[i] = max(m.ladder.Last[i], old.Last[i])
	}
	if m.ladder.Ended < old.Ended {
		m.ladder.Ended, m.ladder.Rung = old.Ended, old.Rung
		m.ladder.For = old.For
	}
	for t, i := range old.At {
		if _, ok := m.ladder.At[t]; !ok {
			m.ladder.At[t], m.ladder.Count[t] = i, old.Count[t]
		}
	}
	m.ladder.Dark = m.ladder.Dark || old.Dark
	if m.ladder.Helped == "" {
		m.ladder.Helped = old.Helped
	}
}

// act does what a rung is.
func (m *Machine) act(t Trouble, r Rung, then func(error)) {
	done := func() { then(nil) }
	switch r {
	case RungConfirm:
		m.polls.suspect = m.now
		m.askNetwork(func() { m.readBearer(func(b Bearer, known bool) { m.bearerPolled(b, known); done() }) })
	case RungRenew:
		m.do(Release{Why: string(t), Cycle: true})
		done()
	case RungRedial:
		m.redial()
		done()
	case RungReattach:
		m.reattach(done)
	case RungRadio:
		m.stopData()
		m.radioOff(func() { m.pause(radioRest, func() { m.radioOn(done) }) })
	case RungReopen:
		m.closePorts()
		m.ports.dead, m.ports.binary, m.ports.error, m.ports.looked = nil, nil, nil, false
		done()
	case RungSoftReset:
		m.softReset(then)
	case RungRebind:
		m.lever(LeverRebind, r, then)
	case RungPortPower:
		m.lever(LeverHub, r, then)
	case RungPower:
		m.lever(LeverPower, r, then)
	}
}

// reattach leaves the network and comes back.
func (m *Machine) reattach(done func()) {
	pair := []string{"+COPS=2", "+COPS=0"}
	if m.net.reg.Registered() {
		pair = []string{"+CGATT=0", "+CGATT=1"}
	}
	m.stopData()
	m.text(pair[0], func(r Reply) {
		if silent(r.Err) {
			return
		}
		m.text(pair[1], func(Reply) {
			since := m.net.since
			m.net = netFacts{since: since}
			done()
		})
	})
}

// softReset has the modem start anew. A lost answer is success: the port
// vanishes in place of it.
func (m *Machine) softReset(then func(error)) {
	m.stopData()
	m.rescue.expect(RungSoftReset, m.now)
	m.attempt(m.profile.Commands(m.profile.Reset, m.values()), func(r Reply) {
		then(nil)
		if !m.devices.present {
			return
		}
		m.pause(radioRest, func() {
			if m.devices.present {
				m.lost()
			}
		})
	})
}

// lever closes everything, then pulls a lever from outside: with a descriptor
// open the names would move, and some host controllers die of a netdev that is up.
func (m *Machine) lever(l Lever, r Rung, then func(error)) {
	waits := m.data.state != dataOff
	m.lost()
	pull := func(Reply) {
		m.pull(l, func(err error) {
			if err != nil {
				m.tell("modem", r.String()+": "+err.Error(), true)
			} else {
				m.rescue.expect(r, m.now)
			}
			then(err)
		})
	}
	if !waits {
		pull(Reply{})
		return
	}
	m.pending = append(m.pending, pending{id: m.nextID(), data: true, keep: true, until: m.now.Add(dialInterval), then: pull})
}
