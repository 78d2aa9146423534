package failover

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"luatnetd/netif"
	"luatnetd/netif/health"
)

var policy = Policy{StartupGrace: 10 * time.Second, FailOpen: true, AutoSocketSwitch: true}

// at is a time after boot.
func at(seconds float64) time.Time { return netif.Boot(time.Duration(seconds * float64(time.Second))) }

// Uplinks in the situations that matter.
func up(name string) Uplink {
	return Uplink{Name: name, Carrier: true, HasAddr: true, Enabled: true,
		Verdict: health.Verdict{State: health.Connected, Usable: true, Verified: true, Reason: "tcp answers", LastGood: at(0)}}
}

func with(u Uplink, change func(*Uplink)) Uplink { change(&u); return u }

func fresh(name string) Uplink {
	return with(up(name), func(u *Uplink) {
		u.Verdict = health.Verdict{State: health.Connecting, Reason: "being checked for the first time"}
	})
}

func dead(name string) Uplink { // silent: carrier and address, checks failed
	return with(up(name), func(u *Uplink) {
		u.Verdict = health.Verdict{State: health.Opened, Failed: true, Reason: "tcp does not answer"}
	})
}

func cut(name string) Uplink { // no carrier, address kept
	return with(up(name), func(u *Uplink) {
		u.Carrier = false
		u.Verdict = health.Verdict{State: health.Opened, Failed: true, Reason: "no carrier"}
	})
}

func gone(name string) Uplink { // no device
	return Uplink{Name: name, Enabled: true, Verdict: health.Verdict{State: health.Disconnected, Reason: "the device does not exist"}}
}

func back(name string) Uplink { // answers again, in hold-down
	return with(up(name), func(u *Uplink) {
		u.Verdict = health.Verdict{State: health.Connecting, Failed: true, Verified: true, Reason: "answers again"}
	})
}

func leased(name string) Uplink { // carrier, waits for its address
	return with(up(name), func(u *Uplink) {
		u.HasAddr = false
		u.Verdict = health.Verdict{State: health.Opened, Reason: "no address"}
	})
}

func doubtful(name string) Uplink { // usable, but missed its last round
	return with(up(name), func(u *Uplink) { u.Verdict.Verified = false })
}

func closed(name string) Uplink {
	return with(gone(name), func(u *Uplink) {
		u.Enabled = false
		u.Verdict = health.Verdict{State: health.Stopped, Reason: "closed by the operator"}
	})
}

func adopted(u Uplink) Uplink { u.Adopted = true; return u }

// beat is one call of Step in a story, and what must come of it.
type beat struct {
	at      float64
	uplinks []Uplink
	use     string
	active  string
	main    string // names with blanks between
	hold    bool
	kill    string
	reason  string  // substring
	next    float64 // 0: none
}

func play(t *testing.T, p Policy, story []beat) {
	t.Helper()
	var s State
	for i, b := range story {
		var d Decision
		in := Input{Uplinks: b.uplinks, Use: b.use}
		s, d = Step(p, s, in, at(b.at))
		want := Decision{Active: b.active, Main: strings.Fields(b.main), Hold: b.hold, Kill: strings.Fields(b.kill)}
		if !want.Equal(d) {
			t.Errorf("beat %d at %v s: active=%q main=%v hold=%v kill=%v (%s), want active=%q main=%v hold=%v kill=%v",
				i, b.at, d.Active, d.Main, d.Hold, d.Kill, d.Reason, want.Active, want.Main, want.Hold, want.Kill)
		}
		if !strings.Contains(d.Reason, b.reason) || d.Reason == "" {
			t.Errorf("beat %d: reason %q, want %q", i, d.Reason, b.reason)
		}
		if (b.next == 0) != d.Next.IsZero() || b.next != 0 && !d.Next.Equal(at(b.next)) {
			t.Errorf("beat %d: next %v, want %v s", i, d.Next, b.next)
		}
		again, d2 := Step(p, s, in, at(b.at))
		if diff := cmp.Diff(d, d2) + cmp.Diff(s, again); diff != "" {
			t.Errorf("beat %d: not the same decision for the same input:\n%s", i, diff)
		}
	}
}

func TestStories(t *testing.T) {
	type U = []Uplink
	strict := policy
	strict.FailOpen = false
	lenient := policy
	lenient.AutoSocketSwitch = false
	tests := []struct {
		name   string
		policy Policy
		story  []beat
	}{
		{"DEV01 first of the healthy ones is active", policy, []beat{
			{at: 1, uplinks: U{up("a"), up("b"), up("c")}, active: "a", main: "a b c", reason: "first usable"},
		}},
		{"DEV01 order of the file is the order of main", policy, []beat{
			{at: 1, uplinks: U{up("c"), up("a")}, active: "c", main: "c a"},
			{at: 2, uplinks: U{up("a"), up("c")}, active: "a", main: "a c"},
		}},
		{"DEV12 DEV14 failover and pre-emptive failback", policy, []beat{
			{at: 1, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
			{at: 20, uplinks: U{cut("a"), up("b")}, active: "b", main: "b", kill: "a"},
			{at: 22, uplinks: U{back("a"), up("b")}, active: "b", main: "b"},
			{at: 33, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
		}},
		{"DEV16 auto_socket_switch=false kills nothing", lenient, []beat{
			{at: 1, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
			{at: 20, uplinks: U{dead("a"), up("b")}, active: "b", main: "b"},
		}},
		{"DEV27 closed by the operator", policy, []beat{
			{at: 1, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
			{at: 20, uplinks: U{closed("a"), up("b")}, active: "b", main: "b", kill: "a"},
			{at: 30, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
		}},
		{"DEV03 grace: the backup waits for the preferred uplink", policy, []beat{
			{at: 1, uplinks: U{leased("a"), up("b")}, hold: true, reason: "start-up grace", next: 11},
			{at: 5, uplinks: U{fresh("a"), up("b")}, hold: true, next: 11},
			{at: 6, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
		}},
		{"DEV03 grace ends by time", policy, []beat{
			{at: 1, uplinks: U{leased("a"), up("b")}, hold: true, next: 11},
			{at: 11, uplinks: U{leased("a"), up("b")}, active: "b", main: "b", kill: "a"},
		}},
		{"DEV03 grace ends at once without carrier", policy, []beat{
			{at: 1, uplinks: U{cut("a"), up("b")}, active: "b", main: "b", kill: "a"},
		}},
		{"DEV21 first uplink missing: others come up, hot-plug works later (X9)", policy, []beat{
			{at: 1, uplinks: U{gone("a"), fresh("b")}, hold: true, next: 11},
			{at: 2, uplinks: U{gone("a"), up("b")}, active: "b", main: "b", kill: "a"},
			{at: 60, uplinks: U{fresh("a"), up("b")}, active: "b", main: "b"},
			{at: 61, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
		}},
		{"DEV03 grace ends when the checks failed", policy, []beat{
			{at: 1, uplinks: U{fresh("a"), up("b")}, hold: true, next: 11},
			{at: 7, uplinks: U{dead("a"), up("b")}, active: "b", main: "b", kill: "a"},
		}},
		{"a grace that has ended does not begin again", policy, []beat{
			{at: 1, uplinks: U{gone("a"), up("b")}, active: "b", main: "b", kill: "a"},
			{at: 2, uplinks: U{fresh("a"), up("b")}, active: "b", main: "b"},
		}},
		{"a closed uplink is not waited for", policy, []beat{
			{at: 1, uplinks: U{closed("a"), up("b")}, active: "b", main: "b", kill: "a"},
		}},
		{"adopted: the start demotes and kills nothing", policy, []beat{
			{at: 1, uplinks: U{fresh("a"), adopted(doubtful("b"))}, active: "b", main: "b"},
			{at: 2, uplinks: U{fresh("a"), up("b")}, active: "b", main: "b"},
			{at: 3, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
		}},
		{"adopted and dead: left for one that was checked", policy, []beat{
			{at: 1, uplinks: U{adopted(doubtful("a")), fresh("b")}, active: "a", main: "a"},
			{at: 2, uplinks: U{doubtful("a"), up("b")}, active: "a", main: "a b"},
			{at: 8, uplinks: U{dead("a"), up("b")}, active: "b", main: "b", kill: "a"},
		}},
		{"the start kills nothing while a lease is awaited", policy, []beat{
			{at: 1, uplinks: U{up("a"), leased("b")}, active: "a", main: "a", next: 11},
			{at: 11, uplinks: U{up("a"), leased("b")}, active: "a", main: "a", kill: "b"},
		}},
		{"no alternative: main is held, nothing killed", policy, []beat{
			{at: 1, uplinks: U{up("a"), dead("b")}, active: "a", main: "a", kill: "b"},
			{at: 20, uplinks: U{dead("a"), dead("b")}, main: "a", hold: true, reason: "no uplink is usable"},
			{at: 1000, uplinks: U{dead("a"), dead("b")}, main: "a", hold: true},
		}},
		{"cable out for 2 s while the backup is dead: nothing moves", policy, []beat{
			{at: 1, uplinks: U{up("a"), dead("b")}, active: "a", main: "a", kill: "b"},
			{at: 20, uplinks: U{cut("a"), dead("b")}, main: "a", hold: true},
			{at: 22, uplinks: U{with(back("a"), func(u *Uplink) { u.Verdict.Verified = false }), dead("b")}, main: "a", hold: true},
			{at: 22.1, uplinks: U{back("a"), dead("b")}, active: "a", main: "a", reason: "hold-down is waived"},
			{at: 32, uplinks: U{up("a"), dead("b")}, active: "a", main: "a", kill: "b"},
		}},
		{"hold-down is waived for another one only when main's has been silent", policy, []beat{
			{at: 1, uplinks: U{up("a"), dead("b")}, active: "a", main: "a", kill: "b"},
			{at: 20, uplinks: U{with(dead("a"), func(u *Uplink) { u.Verdict.LastGood = at(15) }), back("b")}, main: "a", hold: true, next: 25},
			{at: 25, uplinks: U{with(dead("a"), func(u *Uplink) { u.Verdict.LastGood = at(15) }), back("b")}, active: "b", main: "b"},
		}},
		{"waived: what main rests on stays first", policy, []beat{
			{at: 1, uplinks: U{dead("a"), up("b")}, active: "b", main: "b", kill: "a"},
			{at: 20, uplinks: U{dead("a"), dead("b")}, main: "b", hold: true},
			{at: 30, uplinks: U{back("a"), back("b")}, active: "b", main: "b a"},
		}},
		{"fail open: nothing ever answered", policy, []beat{
			{at: 1, uplinks: U{fresh("a"), fresh("b")}, hold: true, next: 11},
			{at: 5, uplinks: U{dead("a"), dead("b")}, hold: true, next: 11},
			{at: 11, uplinks: U{dead("a"), dead("b"), cut("c")}, active: "a", main: "a b", reason: "fail_open"},
			{at: 12, uplinks: U{cut("a"), dead("b"), dead("c")}, active: "a", main: "a b c"},
			{at: 13, uplinks: U{dead("a"), up("b"), dead("c")}, active: "b", main: "b", kill: "a c"},
			{at: 14, uplinks: U{dead("a"), dead("b"), dead("c")}, main: "b", hold: true},
		}},
		{"fail open waits for a first check", policy, []beat{
			{at: 1, uplinks: U{leased("a")}, hold: true, next: 11},
			{at: 12, uplinks: U{fresh("a")}, hold: true},
			{at: 13, uplinks: U{dead("a")}, active: "a", main: "a"},
		}},
		{"fail open after the adopted uplink's device went away", policy, []beat{
			{at: 1, uplinks: U{adopted(doubtful("a"))}, active: "a", main: "a"},
			{at: 8, uplinks: U{dead("a")}, main: "a", hold: true},
			{at: 60, uplinks: U{gone("a")}, hold: true, next: 62},
			{at: 61, uplinks: U{gone("a")}, hold: true, next: 62},
			{at: 71, uplinks: U{gone("a")}, hold: true},
			{at: 80, uplinks: U{dead("a")}, active: "a", main: "a", reason: "fail_open"},
			{at: 81, uplinks: U{gone("a")}, hold: true},
			{at: 82, uplinks: U{dead("a")}, active: "a", main: "a"},
		}},
		{"adopted: nothing leaves main before anybody has answered", policy, []beat{
			{at: 1, uplinks: U{adopted(doubtful("a")), adopted(doubtful("b"))}, active: "a", main: "a b"},
			{at: 7, uplinks: U{doubtful("a"), dead("b")}, active: "a", main: "a b", hold: true},
			{at: 7.1, uplinks: U{dead("a"), dead("b")}, main: "a b", hold: true},
		}},
		{"adopted: its lease is confirmed while a backup is usable already", policy, []beat{
			{at: 1, uplinks: U{adopted(leased("a")), up("b")}, main: "a", hold: true, next: 11},
			{at: 2, uplinks: U{adopted(doubtful("a")), up("b")}, active: "a", main: "a b"},
			{at: 3, uplinks: U{adopted(leased("a")), up("b")}, active: "b", main: "b", next: 11},
			{at: 11, uplinks: U{adopted(leased("a")), up("b")}, active: "b", main: "b", kill: "a"},
		}},
		{"adopted backup without lease does not hold up the preferred uplink", policy, []beat{
			{at: 1, uplinks: U{up("a"), adopted(leased("b"))}, active: "a", main: "a", next: 11},
		}},
		{"fail_open=false enters nothing", strict, []beat{
			{at: 1, uplinks: U{dead("a")}, hold: true},
			{at: 100, uplinks: U{dead("a")}, hold: true},
		}},
		{"use: the operator's choice goes first", policy, []beat{
			{at: 1, uplinks: U{up("a"), up("b"), up("c")}, use: "b", active: "b", main: "b a c", reason: "chosen by the operator"},
			{at: 2, uplinks: U{up("a"), up("b"), up("c")}, active: "a", main: "a b c"},
		}},
		{"use: one that is not usable is no black hole", policy, []beat{
			{at: 1, uplinks: U{up("a"), dead("b")}, use: "b", active: "a", main: "a", kill: "b", reason: "b is not usable (tcp does not answer): automatic"},
			{at: 2, uplinks: U{up("a"), up("b")}, use: "b", active: "b", main: "b a"},
			{at: 3, uplinks: U{up("a"), up("b")}, use: "x", active: "a", main: "a b", reason: "x is not configured"},
		}},
		{"use: the grace is for the operator's choice", policy, []beat{
			{at: 1, uplinks: U{up("a"), fresh("b")}, use: "b", hold: true, reason: "b is preferred", next: 11},
			{at: 2, uplinks: U{up("a"), up("b")}, use: "b", active: "b", main: "b a"},
		}},
		{"no kill without an alternative that passed its last check", policy, []beat{
			{at: 1, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
			{at: 20, uplinks: U{dead("a"), doubtful("b")}, active: "a", main: "a b", hold: true, reason: "b is usable but did not pass"},
			{at: 21, uplinks: U{dead("a"), up("b")}, active: "b", main: "b", kill: "a"},
			{at: 22, uplinks: U{dead("a"), doubtful("b")}, active: "b", main: "b", kill: "a"},
			{at: 23, uplinks: U{dead("a"), dead("b")}, main: "b", hold: true},
		}},
		{"both dying of one cause: nothing moves", policy, []beat{
			{at: 1, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
			{at: 20, uplinks: U{dead("a"), doubtful("b")}, active: "a", main: "a b", hold: true},
			{at: 21, uplinks: U{dead("a"), dead("b")}, main: "a b", hold: true},
		}},
		{"a cut cable waits for nobody", policy, []beat{
			{at: 1, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
			{at: 20, uplinks: U{cut("a"), doubtful("b")}, active: "b", main: "b"},
		}},
		{"an uplink taken out of the file leaves main", policy, []beat{
			{at: 1, uplinks: U{up("a"), up("b")}, active: "a", main: "a b"},
			{at: 2, uplinks: U{up("b")}, active: "b", main: "b"},
			{at: 3, uplinks: nil, hold: true, next: 5},
		}},
		{"no uplinks at all", policy, []beat{{at: 1, hold: true, next: 11}, {at: 20, hold: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { play(t, tt.policy, tt.story) })
	}
}

// Since belongs to Active and does not move with anything else.
func TestSinceIsOfTheActiveUplink(t *testing.T) {
	var s State
	var d Decision
	for i, us := range [][]Uplink{{up("a"), up("b")}, {up("a"), dead("b")}, {up("a"), up("b")}} {
		s, d = Step(policy, s, Input{Uplinks: us}, at(float64(i+1)))
	}
	if !d.Since.Equal(at(1)) {
		t.Errorf("since %v, want 1 s", d.Since)
	}
	if _, d = Step(policy, s, Input{Uplinks: []Uplink{dead("a"), up("b")}}, at(9)); !d.Since.Equal(at(9)) {
		t.Errorf("since %v, want 9 s", d.Since)
	}
}

// The explanation names every uplink with its reason, and the rules that acted.
func TestExplain(t *testing.T) {
	_, d := Step(policy, State{}, Input{Uplinks: []Uplink{dead("a"), up("b"), up("c")}, Use: "a"}, at(1))
	want := []Line{
		{"a", RuleUse, "the operator's choice a is not usable (tcp does not answer): automatic choice"},
		{"a", RuleState, "OPENED, failed: tcp does not answer"},
		{"b", RuleState, "CONNECTED, usable, passed its last check: tcp answers"},
		{"c", RuleState, "CONNECTED, usable, passed its last check: tcp answers"},
		{"b", RuleRank, "active: first in main"},
		{"c", RuleRank, "in main at place 2: the kernel uses it when those before it lose their carrier"},
		{"a", RuleKill, "it is dead and another uplink passed its last check: its flows are reset"},
	}
	if diff := cmp.Diff(want, d.Why); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, us := range map[string][]Uplink{RuleGrace: {fresh("a"), up("b")}, RuleHold: {fresh("a")}, RuleWaived: {back("a")}} {
		_, d := Step(policy, State{}, Input{Uplinks: us}, at(1))
		if !slices.ContainsFunc(d.Why, func(l Line) bool { return l.Rule == name && l.Text != "" }) {
			t.Errorf("no line about %s in %v", name, d.Why)
		}
	}
}

// X16 is the emitter's duty; the content is LuatOS's: name, or nil and -1.
func TestChanged(t *testing.T) {
	tests := []struct {
		from, to string
		name     string
		id       int
		text     string
	}{
		{"", "a", "a", 0, "uplink a is active: why"},
		{"a", "b", "b", 0, "uplink b is active instead of a: why"},
		{"a", "", "nil", -1, "no uplink is active, it was a: why"},
	}
	for _, tt := range tests {
		c, ok := Changed(Decision{Active: tt.from}, Decision{Active: tt.to, Reason: "why"})
		name, id := c.Status()
		if !ok || name != tt.name || id != tt.id || c.Text != tt.text {
			t.Errorf("%q to %q: %v %q %d %q", tt.from, tt.to, ok, name, id, c.Text)
		}
	}
	if _, ok := Changed(Decision{Active: "a", Main: []string{"a"}}, Decision{Active: "a"}); ok {
		t.Error("a change of main alone is an event")
	}
}

func TestEvents(t *testing.T) {
	addr := func(u Uplink, s string) Uplink { u.Addr = netip.MustParsePrefix(s); return u }
	a1, a2 := addr(up("a"), "192.0.2.1/24"), addr(up("a"), "192.0.2.9/24")
	tests := []struct {
		name       string
		prev, next []Uplink
		want       string
	}{
		{"first", nil, []Uplink{a1, gone("b")}, "IP_READY a"},
		{"nothing", []Uplink{a1}, []Uplink{a1}, ""},
		{"failed checks are no IP_LOSE", []Uplink{a1}, []Uplink{addr(dead("a"), "192.0.2.1/24")}, ""},
		{"carrier", []Uplink{a1, up("b")}, []Uplink{addr(cut("a"), "192.0.2.1/24"), up("b")}, "IP_LOSE a"},
		{"address", []Uplink{a1}, []Uplink{leased("a")}, "IP_LOSE a"},
		{"another address", []Uplink{a1}, []Uplink{a2}, "IP_LOSE a, IP_READY a"},
		{"losses first", []Uplink{cut("a"), up("b")}, []Uplink{up("a"), cut("b")}, "IP_LOSE b, IP_READY a"},
		{"removed from the file", []Uplink{up("a"), cut("b")}, nil, "IP_LOSE a"},
		{"closed", []Uplink{up("a")}, []Uplink{closed("a")}, "IP_LOSE a"},
	}
	for _, tt := range tests {
		var got []string
		for _, e := range Events(tt.prev, tt.next) {
			if !strings.HasPrefix(e.Text, e.Uplink+" ") {
				t.Errorf("%s: text %q", tt.name, e.Text)
			}
			got = append(got, e.Kind+" "+e.Uplink)
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, s, tt.want)
		}
	}
}

// Any history of any situations keeps the invariants of one decision.
func TestInvariantsOfEveryDecision(t *testing.T) {
	makers := []func(string) Uplink{up, fresh, dead, cut, gone, back, leased, doubtful, closed}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := Policy{StartupGrace: time.Duration(r.IntN(3)) * 5 * time.Second, FailOpen: r.IntN(2) == 0, AutoSocketSwitch: r.IntN(4) > 0}
		names := []string{"a", "b", "c"}[:1+r.IntN(3)]
		var s State
		now := at(1)
		for range 60 {
			var us []Uplink
			for _, n := range names {
				u := makers[r.IntN(len(makers))](n)
				u.Adopted = r.IntN(4) == 0
				us = append(us, u)
			}
			use := []string{"", "", "a", "b", "x"}[r.IntN(5)]
			var d Decision
			prev := s
			s, d = Step(p, s, Input{us, use}, now)
			check(t, seed, p, prev, us, d, now)
			now = now.Add(time.Duration(r.IntN(8000)) * time.Millisecond)
		}
	}
}

func check(t *testing.T, seed uint64, p Policy, prev State, us []Uplink, d Decision, now time.Time) {
	t.Helper()
	byName := map[string]Uplink{}
	usable, verified := 0, 0
	for _, u := range us {
		byName[u.Name] = u
		if u.Verdict.Usable && u.Enabled {
			usable++
			if u.Verdict.Verified {
				verified++
			}
		}
	}
	bad := func(what string) { t.Helper(); t.Errorf("seed %d: %s: %+v of %+v", seed, what, d, us) }
	graced := d.Hold && usable > 0
	doubted := graced && verified == 0 && slices.ContainsFunc(d.Main, func(n string) bool {
		return !byName[n].Verdict.Usable && byName[n].connected()
	})
	if graced && !doubted && (prev.Chosen || d.Next.IsZero()) {
		bad("a usable uplink is not used outside of the start-up grace")
	}
	if usable > 0 && !graced {
		if d.Active == "" || !byName[d.Active].Verdict.Usable {
			bad("no usable uplink is active")
		}
		for _, n := range d.Main {
			if !byName[n].Verdict.Usable {
				bad("main holds an unusable uplink")
			}
		}
		if len(d.Main) != usable {
			bad("main lacks a usable uplink")
		}
	}
	if !d.Hold && (len(d.Main) == 0 || d.Main[0] != d.Active) {
		bad("active is not first in main")
	}
	if d.Hold && (d.Active != "" && !doubted || len(d.Kill) > 0) {
		bad("held but active or killing")
	}
	for _, n := range d.Kill {
		u := byName[n]
		other := verified > 0 || slices.Contains(prev.Kill, n)
		if u.Verdict.Usable && u.Enabled || usable == 0 || !other || !p.AutoSocketSwitch {
			bad("kill of " + n)
		}
	}
	if !d.Next.IsZero() && !d.Next.After(now) {
		bad("next is not in the future")
	}
}
