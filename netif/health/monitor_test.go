package health

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// X1, X2: a failed uplink is probed for ever, at most ping_time (10 s) apart.
func TestDEV09FailedUplinkIsProbedForEver(t *testing.T) {
	for _, before := range []string{"dead while running", "dead before the start (X2)"} {
		t.Run(before, func(t *testing.T) {
			w := newWorld(t, basic(tcpA, tcpB))
			w.observe(upLevel())
			if before == "dead while running" {
				w.run(time.Minute)
			}
			w.alive = nobody
			w.run(30 * time.Second)
			from := len(w.asked)
			w.run(2 * time.Hour)
			for i := from + 1; i < len(w.asked); i++ {
				if gap := w.asked[i].at - w.asked[i-1].at; gap > 10*time.Second {
					t.Fatalf("%v without a probe", gap)
				}
			}
			if n := w.count(from)[tcpA]; n < 715 || n > 725 {
				t.Errorf("%d probes of %v in 2 h, want 720", n, tcpA)
			}
			w.alive = all
			bound := w.m.policy.RecoverBound() + time.Second
			if took := w.until(bound, usable); took < w.m.policy.HoldDown {
				t.Errorf("usable after %v, before its hold-down", took)
			}
		})
	}
}

// X3, DEV-10: a silent death is noticed without any error event, in time.
func TestDEV10SilentDeathIsNoticed(t *testing.T) {
	for _, timeout := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second} {
		for at := range 50 { // fifty moments between two rounds
			p := basic(tcpA, tcpB, tcpC, pingA)
			p.Timeout = timeout
			w := settled(t, p)
			w.run(time.Duration(at) * 100 * time.Millisecond)
			w.alive = nobody
			took := w.until(time.Minute, unusable)
			limit := time.Duration(p.FailAfter)*p.Interval + time.Second
			if took > limit || took > p.DetectBound()+20*time.Millisecond {
				t.Fatalf("timeout %v, moment %d: left after %v, want %v and the bound %v", timeout, at, took, limit, p.DetectBound())
			}
		}
	}
}

// DEV-13, X4, X6: a healthy day has no transition at all.
func TestDEV13HealthyDayHasNoTransition(t *testing.T) {
	w := settled(t, basic(tcpA, tcpB, pingA))
	w.log = nil
	from := len(w.asked)
	w.run(24 * time.Hour)
	if len(w.log) != 0 {
		t.Errorf("transitions: %v", w.log)
	}
	// 17,280 rounds of two questions: pings are left out while TCP answers.
	if d := cmp.Diff(map[Target]int{tcpA: 17280, tcpB: 17280}, w.count(from)); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
}

// X5, DEV-15: errors of applications ask, and do not demote; a flood of them
// makes one round per second.
func TestDEV15HintsNeverDemote(t *testing.T) {
	w := settled(t, basic(tcpA, tcpB))
	w.log = nil
	w.run(3 * time.Second)
	from := len(w.asked)
	w.m.Hint(w.now, "socket error")
	w.run(30 * time.Millisecond)
	if n := len(w.asked) - from; n != 2 {
		t.Fatalf("%d requests right after a hint, want 2", n)
	}
	for range 1000 {
		w.m.Hint(w.now, "socket error")
		w.run(10 * time.Millisecond)
	}
	if rounds := (len(w.asked) - from) / 2; rounds < 10 || rounds > 12 {
		t.Errorf("%d rounds in 10 s of hints, want one per second", rounds)
	}
	if len(w.log) != 0 {
		t.Errorf("transitions: %v", w.log)
	}
}

// A hint wakes a dead uplink from its ten-second pause.
func TestHintWakesADeadUplink(t *testing.T) {
	w := settled(t, basic(tcpA))
	w.alive = nobody
	w.run(10 * time.Minute)
	w.until(11*time.Second, func(Verdict) bool { return len(w.queue) == 0 && w.m.next.Sub(w.now) > 5*time.Second })
	w.alive = all
	w.m.Hint(w.now, "modem registered again")
	if took := w.until(time.Second, func(v Verdict) bool { return v.Verified }); took > 100*time.Millisecond {
		t.Errorf("answered %v after the hint", took)
	}
}

// DEV-06, X13: only the answer to a request of ours counts, and only in time.
func TestDEV06OnlyOwnAnswersCount(t *testing.T) {
	p := basic(pingA, pingB)
	fresh := func() (*Monitor, []Request, *world) {
		w := newWorld(t, p)
		w.m.Observe(w.now, upLevel())
		return w.m, w.m.Due(w.now), w
	}
	tests := []struct {
		name string
		res  func(r Request) Result
		late time.Duration
		ok   bool
	}{
		{"own", func(r Request) Result { return Result{Target: r.Target, Seq: r.Seq, OK: true} }, 0, true},
		{"unknown seq", func(r Request) Result { return Result{Target: r.Target, Seq: r.Seq + 100, OK: true} }, 0, false},
		{"seq of another target", func(r Request) Result { return Result{Target: pingB, Seq: r.Seq, OK: true} }, 0, false},
		{"same address, another kind", func(r Request) Result { return Result{Target: Target{Gateway, r.Target.Address}, Seq: r.Seq, OK: true} }, 0, false},
		{"after it was given up", func(r Request) Result { return Result{Target: r.Target, Seq: r.Seq, OK: true} }, 3 * time.Second, false},
		{"sub-millisecond answer", func(r Request) Result { return Result{Target: r.Target, Seq: r.Seq, OK: true, RTT: 1} }, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, reqs, w := fresh()
			if tt.late > 0 {
				m.Due(w.now.Add(tt.late))
			}
			m.Result(w.now.Add(tt.late), tt.res(reqs[0]))
			if got := m.Verdict().Usable; got != tt.ok {
				t.Errorf("usable %v, want %v", got, tt.ok)
			}
		})
	}
	t.Run("sent before the carrier was lost", func(t *testing.T) {
		m, reqs, w := fresh()
		down := upLevel()
		down.Carrier = false
		m.Observe(w.now, down)
		m.Observe(w.now, upLevel())
		m.Result(w.now, Result{Target: reqs[0].Target, Seq: reqs[0].Seq, OK: true})
		if m.Verdict().Usable {
			t.Error("an answer over the old link made the new one usable")
		}
	})
	t.Run("the same answer twice", func(t *testing.T) {
		m, reqs, w := fresh()
		for range 3 {
			m.Result(w.now, Result{Target: reqs[0].Target, Seq: reqs[0].Seq, OK: true})
		}
		if st := m.Verdict().Targets[0]; st.Answered != 1 || st.Asked != 1 {
			t.Errorf("counted %d of %d", st.Answered, st.Asked)
		}
	})
}

// DEV-07: gateway checks follow the lease's gateway, and can be unset.
func TestDEV07GatewayFollowsTheLease(t *testing.T) {
	w := settled(t, basic(gate))
	other := upLevel()
	other.Gateway = netip.MustParseAddr("198.51.100.254")
	w.observe(other)
	if v := w.m.Verdict(); !v.Usable || v.Verified || v.Targets[0].Seen {
		t.Fatalf("new gateway: %+v", v)
	}
	if reqs := w.m.Due(w.now); len(reqs) != 1 || reqs[0].Target != gate {
		t.Fatalf("the new gateway is not asked at once: %v", reqs)
	}
	w.m.SetPolicy(w.now, basic(tcpA)) // X14: local_network_mode can be cleared
	w.alive = only(TCP)
	w.run(time.Minute)
	if v := w.m.Verdict(); !v.Usable || !v.Verified || v.Deciding != TCP {
		t.Errorf("after unsetting: %+v", v)
	}
	none := upLevel()
	none.Gateway = netip.Addr{}
	w.m.SetPolicy(w.now, basic(gate))
	w.observe(none)
	if reqs := w.m.Due(w.now); len(reqs) != 0 || !w.m.Next().IsZero() {
		t.Errorf("asked a gateway that does not exist: %v", reqs)
	}
}

// DEV-08: need_ping=false is usable at IP_READY, is never probed, and is per uplink.
func TestDEV08TrustIsNeverProbed(t *testing.T) {
	p := basic(tcpA)
	p.Trust = true
	w := newWorld(t, p)
	other := newWorld(t, basic(tcpA))
	for _, x := range []*world{w, other} {
		x.alive = nobody
		x.observe(upLevel())
		x.run(time.Hour)
	}
	if v := w.m.Verdict(); !v.Usable || !v.Verified || v.State != Connected || len(w.asked) != 0 {
		t.Errorf("trusted: %+v, %d probes", v, len(w.asked))
	}
	if other.m.Verdict().Usable || len(other.asked) == 0 { // X14: the options of one are not the other's
		t.Error("a checked uplink beside a trusted one is trusted")
	}
	w.m.SetPolicy(w.now, basic(tcpA)) // asked for checks: believed until they decide
	if v := w.m.Verdict(); !v.Usable || v.Verified {
		t.Errorf("right after asking for checks: %+v", v)
	}
	if took := w.until(20*time.Second, unusable); took > 10*time.Second {
		t.Errorf("dead but believed for %v", took)
	}
}

// DEV-02, X17: one uplink is not probed and still reports up and down.
func TestDEV02SingleUplink(t *testing.T) {
	w := newWorld(t, basic(tcpA))
	l := upLevel()
	l.Single = true
	for range 3 {
		w.observe(l)
		w.run(time.Hour)
		down := l
		down.Carrier = false
		w.observe(down)
		w.run(time.Hour)
	}
	if len(w.asked) != 0 {
		t.Errorf("%d probes of a single uplink", len(w.asked))
	}
	want := []string{"SINGLE_NETWORK+", "SINGLE_NETWORK", "SINGLE_NETWORK+", "SINGLE_NETWORK", "SINGLE_NETWORK+", "SINGLE_NETWORK"}
	if d := cmp.Diff(want, w.log); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// A second uplink is configured (LuatOS db71e1de7: single mode stayed on):
	// probing begins, and the running uplink keeps its traffic meanwhile.
	w.observe(l)
	w.log, w.last = nil, ""
	w.observe(upLevel())
	w.run(time.Minute)
	if d := cmp.Diff([]string{"CONNECTED+"}, w.log); d != "" || len(w.asked) == 0 {
		t.Errorf("%d probes (-want +got):\n%s", len(w.asked), d)
	}
}

// DEV-12: recover_after good rounds in a row and hold_down; a miss starts over.
func TestDEV12RecoveryNeedsRoundsAndHoldDown(t *testing.T) {
	tests := []struct {
		name    string
		rounds  int
		hold    time.Duration
		atLeast time.Duration
	}{
		{"hold-down rules", 3, 10 * time.Second, 10 * time.Second},
		{"rounds rule", 4, 0, 3 * time.Second},
		{"neither", 1, 0, 0},
		{"long hold-down", 2, time.Minute, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := basic(tcpA, tcpB)
			p.RecoverAfter, p.HoldDown = tt.rounds, tt.hold
			w := settled(t, p)
			w.alive = nobody
			w.run(5 * time.Minute)
			w.alive = all
			first := w.until(11*time.Second, func(v Verdict) bool { return v.Verified })
			took := w.until(2*time.Minute, usable)
			if took < tt.atLeast || took > tt.atLeast+200*time.Millisecond {
				t.Errorf("usable %v after the first answer (%v), want %v", took, first, tt.atLeast)
			}
			if first+took > p.RecoverBound()+200*time.Millisecond {
				t.Errorf("%v in all, bound %v", first+took, p.RecoverBound())
			}
		})
	}
	t.Run("a miss starts over", func(t *testing.T) {
		w := settled(t, basic(tcpA))
		w.alive = nobody
		w.run(5 * time.Minute)
		w.alive = all
		w.until(11*time.Second, func(v Verdict) bool { return v.Verified })
		w.run(8 * time.Second)
		w.alive = nobody
		w.until(10*time.Second, func(v Verdict) bool { return !v.Verified })
		w.alive = all
		if took := w.until(time.Minute, usable); took < 10*time.Second {
			t.Errorf("usable %v after a miss in its hold-down", took)
		}
	})
}

// Carrier lost: not usable at once; back after 2 s with the address kept: asked
// at once, and usable after its hold-down only.
func TestCarrierBump(t *testing.T) {
	w := settled(t, basic(tcpA, tcpB))
	down := upLevel()
	down.Carrier = false
	w.observe(down)
	if v := w.m.Verdict(); v.Usable || v.State != Opened || !v.Failed || v.Reason != reasonCarrier {
		t.Fatalf("no carrier: %+v", v)
	}
	from := len(w.asked)
	w.run(2 * time.Second)
	if len(w.asked) != from {
		t.Error("probes without carrier")
	}
	w.observe(upLevel())
	if len(w.m.Due(w.now)) == 0 {
		t.Error("not asked at once when the carrier is back")
	}
	w = settled(t, basic(tcpA, tcpB))
	w.observe(down)
	w.run(2 * time.Second)
	w.log = nil
	w.observe(upLevel())
	if took := w.until(time.Minute, usable); took < 10*time.Second || took > 10*time.Second+200*time.Millisecond {
		t.Errorf("usable %v after the carrier", took)
	}
	if d := cmp.Diff([]string{"CONNECTING", "CONNECTED+"}, w.log); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// DEV-29: a lost lease or NAK is seen at once; another address is checked while
// the uplink keeps its traffic.
func TestDEV29LostAndChangedAddress(t *testing.T) {
	w := settled(t, basic(tcpA))
	l := upLevel()
	l.Addr = netip.MustParsePrefix("203.0.113.9/24")
	w.observe(l)
	if v := w.m.Verdict(); !v.Usable || v.Verified {
		t.Fatalf("new address: %+v", v)
	}
	w.run(time.Second)
	if v := w.m.Verdict(); !v.Usable || !v.Verified {
		t.Fatalf("new address after a second: %+v", v)
	}
	l.Addr = netip.Prefix{}
	w.observe(l)
	if v := w.m.Verdict(); v.Usable || v.State != Opened || v.Reason != reasonAddress {
		t.Errorf("no address: %+v", v)
	}
}

// A reload that changes numbers disturbs nothing; one that changes targets
// checks again while the uplink keeps its traffic.
func TestSetPolicyDisturbsNothing(t *testing.T) {
	w := settled(t, basic(tcpA, tcpB))
	w.log = nil
	p := basic(tcpA, tcpB)
	p.Interval = 10 * time.Minute // metered now
	w.m.SetPolicy(w.now, p)
	from := len(w.asked)
	w.run(time.Hour)
	if n := len(w.asked) - from; n < 12 || n > 14 {
		t.Errorf("%d requests in a metered hour, want 12", n)
	}
	w.m.SetPolicy(w.now, basic(tcpC))
	w.run(time.Minute)
	if len(w.log) != 0 {
		t.Errorf("transitions: %v", w.log)
	}
	w.m.SetPolicy(w.now, basic(pingA))
	w.alive = nobody
	w.until(10*time.Second, unusable)
}

// Zero and absurd policies neither spin nor crash.
func TestAbsurdPolicies(t *testing.T) {
	for _, p := range []Policy{{}, {Targets: []Target{tcpA}}, {Targets: []Target{tcpA, gate}, Interval: 1, MissInterval: -1, Timeout: -1, FailAfter: -3, HoldDown: -1}} {
		w := newWorld(t, p)
		w.observe(upLevel())
		w.run(time.Microsecond)
		w.alive = nobody
		w.observe(Level{})
		w.observe(upLevel())
		if r := w.m.Verdict().Reason; strings.TrimSpace(r) == "" {
			t.Errorf("%+v: no reason", p)
		}
	}
}

// Slow answers within the timeout are answers: latency alone is never down.
func TestSlowIsNotDead(t *testing.T) {
	w := settled(t, basic(tcpA, tcpB, tcpC))
	w.log, w.rtt = nil, 1900*time.Millisecond
	w.run(time.Hour)
	if len(w.log) != 0 {
		t.Errorf("1.9 s with a timeout of 2 s: %v", w.log)
	}
	w.rtt = 2100 * time.Millisecond
	w.run(time.Minute)
	if w.m.Verdict().Usable {
		t.Error("answers after the timeout count")
	}
}

// The verdict is a value: what the caller does to it does not come back.
func TestVerdictIsACopy(t *testing.T) {
	w := settled(t, basic(tcpA, tcpB))
	a := w.m.Verdict()
	want := slices.Clone(a.Targets)
	a.Targets[0].Seen = false
	if d := cmp.Diff(want, w.m.Verdict().Targets); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
