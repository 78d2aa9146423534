package failover

import (
	"slices"
	"time"

	"luatnetd/netif/health"
)

// usable reports whether traffic may use the uplink.
func (u Uplink) usable() bool { return u.Enabled && u.Verdict.Usable }

// verified reports whether it may carry the flows of another one.
func (u Uplink) verified() bool { return u.usable() && u.Verdict.Verified }

// recovering reports whether it answers but sits out its hold-down.
func (u Uplink) recovering() bool {
	return u.Enabled && u.HasAddr && u.Carrier && u.Verdict.Verified && !u.Verdict.Usable
}

// pending reports whether it may still become usable without anything being
// repaired: it has a cable, and its checks have not failed.
func (u Uplink) pending() bool { return u.Enabled && u.Carrier && !u.usable() && !u.Verdict.Failed }

// connected reports LuatOS's IP_READY: carrier and address.
func (u Uplink) connected() bool { return u.Enabled && u.Carrier && u.HasAddr }

// dead reports whether flows on the uplink are beyond hope. Not yet knowing is
// not death: an uplink whose checks or lease have only begun is left alone
// (late says that the start-up grace is over).
func (u Uplink) dead(late bool) bool {
	switch {
	case u.usable() || u.recovering():
		return false
	case !u.Enabled || u.Verdict.Failed || !u.Carrier:
		return true
	}
	return !u.HasAddr && late
}

// uplink returns the uplink called name.
func (t *turn) uplink(name string) (Uplink, bool) {
	i := slices.IndexFunc(t.in.Uplinks, func(u Uplink) bool { return u.Name == name })
	if i < 0 {
		return Uplink{}, false
	}
	return t.in.Uplinks[i], true
}

// names lists the uplinks for which keep holds, in configuration order.
func (t *turn) names(keep func(Uplink) bool) []string {
	var list []string
	for _, u := range t.in.Uplinks {
		if keep(u) {
			list = append(list, u.Name)
		}
	}
	return list
}

// ranked is names with the operator's choice first.
func (t *turn) ranked(keep func(Uplink) bool) []string {
	list := t.names(keep)
	if i := slices.Index(list, t.in.Use); i > 0 {
		list = slices.Insert(slices.Delete(list, i, i+1), 0, t.in.Use)
	}
	return list
}

// enter makes list the content of main and its first entry active.
func (t *turn) enter(list []string, reason string) {
	t.decision.Active, t.decision.Main, t.decision.Reason = list[0], list, reason
}

// hold leaves main as it is.
func (t *turn) hold(reason, rule string) {
	t.decision.Hold, t.decision.Main, t.decision.Reason = true, slices.Clone(t.state.Main), reason
	t.line("", rule, reason)
}

// wake asks for another Step at that time.
func (t *turn) wake(at time.Time) {
	if t.decision.Next.IsZero() || at.Before(t.decision.Next) {
		t.decision.Next = at
	}
}

// kill names the dead uplinks, while another one can carry their flows. One
// that is named stays named as long as another is usable at all: a backup that
// misses a round makes no second kill.
func (t *turn) kill() {
	if !t.policy.AutoSocketSwitch || t.decision.Hold {
		return
	}
	end := t.state.Start.Add(t.policy.StartupGrace)
	late := !t.now.Before(end)
	for _, u := range t.in.Uplinks {
		if !u.dead(late) {
			if !late && u.Enabled && u.Carrier && !u.HasAddr {
				t.wake(end)
			}
			continue
		}
		can := Uplink.verified
		if slices.Contains(t.state.Kill, u.Name) {
			can = Uplink.usable
		}
		if slices.ContainsFunc(t.in.Uplinks, func(o Uplink) bool { return o.Name != u.Name && can(o) }) {
			t.decision.Kill = append(t.decision.Kill, u.Name)
		}
	}
}

// finish writes the explanation and what the next Step has to know.
func (t *turn) finish() {
	s, d := &t.state, &t.decision
	if s.Active != d.Active || s.Since.IsZero() {
		s.Active, s.Since = d.Active, t.now
	}
	d.Since = s.Since
	s.Open = t.opened || d.Hold && s.Open
	if !d.Hold {
		s.Chosen = true
		s.Main, s.Gone = slices.Clone(d.Main), time.Time{}
	}
	s.Kill = slices.Clone(d.Kill)
	t.explain()
}

// settled reports whether the uplink's first check has ended.
func (u Uplink) settled() bool { return u.Verdict.State != health.Connecting }
