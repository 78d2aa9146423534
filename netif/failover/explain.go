package failover

import (
	"slices"
	"strconv"
)

// The rules' names in Line.Rule.
const (
	RuleUse    = "use"
	RuleState  = "state"
	RuleRank   = "rank"
	RuleGrace  = "grace"
	RuleDoubt  = "doubt"
	RuleWaived = "waived"
	RuleOpen   = "open"
	RuleHold   = "hold"
	RuleKill   = "kill"
)

// line adds a line to the explanation.
func (t *turn) line(uplink, rule, text string) {
	t.decision.Why = append(t.decision.Why, Line{Uplink: uplink, Rule: rule, Text: text})
}

// rankReason says why the first of usable is first.
func (t *turn) rankReason(usable []string) string {
	if usable[0] == t.in.Use {
		return usable[0] + " is usable and was chosen by the operator"
	}
	reason := usable[0] + " is the first usable uplink in the order of the configuration"
	if why := t.refusal(); why != "" {
		reason += "; " + why
	}
	return reason
}

// refusal says why the operator's choice is not followed, "" if it is or there is none.
func (t *turn) refusal() string {
	if t.in.Use == "" {
		return ""
	}
	u, ok := t.uplink(t.in.Use)
	switch {
	case !ok:
		return "the operator's choice " + t.in.Use + " is not configured: automatic choice"
	case !u.usable():
		return "the operator's choice " + t.in.Use + " is not usable (" + u.Verdict.Reason + "): automatic choice"
	}
	return ""
}

// explain puts the inputs and what the rules made of them into lines: first
// one per uplink, then those of the rules.
func (t *turn) explain() {
	rules := t.decision.Why
	t.decision.Why = make([]Line, 0, len(rules)+2*len(t.in.Uplinks)+2)
	switch why := t.refusal(); {
	case why != "":
		t.line(t.in.Use, RuleUse, why)
	case t.in.Use != "":
		t.line(t.in.Use, RuleUse, "chosen by the operator, so it goes first")
	}
	for _, u := range t.in.Uplinks {
		t.line(u.Name, RuleState, u.describe())
	}
	t.decision.Why = append(t.decision.Why, rules...)
	if !t.decision.Hold {
		for i, name := range t.decision.Main {
			t.line(name, RuleRank, t.place(i, name))
		}
	}
	for _, name := range t.decision.Kill {
		t.line(name, RuleKill, "it is dead and another uplink passed its last check: its flows are reset")
	}
}

// describe puts an uplink's inputs into words.
func (u Uplink) describe() string {
	text := u.Verdict.State.String()
	switch {
	case !u.Enabled:
		return text + ", closed by the operator"
	case u.Verdict.Usable && u.Verdict.Verified:
		text += ", usable, passed its last check"
	case u.Verdict.Usable:
		text += ", usable, last check not passed"
	case u.Verdict.Failed:
		text += ", failed"
	default:
		text += ", not usable"
	}
	return text + ": " + u.Verdict.Reason
}

// place says where in main the uplink stands.
func (t *turn) place(i int, name string) string {
	switch {
	case i == 0 && t.opened:
		return "active, unverified: first in main"
	case i == 0:
		return "active: first in main"
	}
	return "in main at place " + strconv.Itoa(i+1) + ": the kernel uses it when those before it lose their carrier"
}

// Equal reports whether a and b ask for the same: who is active, what main
// holds and what is killed. Reasons and clocks are left out.
func (a Decision) Equal(b Decision) bool {
	return a.Active == b.Active && a.Hold == b.Hold && slices.Equal(a.Main, b.Main) && slices.Equal(a.Kill, b.Kill)
}
