package health

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Kinds of evidence: who decides, and what it means when the rest differs.
func TestStrongestKindDecides(t *testing.T) {
	targets := []Target{pingA, pingB, dnsA, tcpA, tcpB}
	tests := []struct {
		name          string
		first, second func(Target) bool // who answers before and after
		kind          Kind
		ok            bool
		reason        string
	}{
		{"ping works, TCP does not", all, only(ICMP), TCP, false, "tcp does not answer, icmp does"},
		{"DNS works, TCP does not", all, only(DNS), TCP, false, "tcp does not answer, dns does"},
		{"nothing works", all, nobody, TCP, false, "tcp does not answer"},
		{"ping is filtered midway", all, only(TCP, DNS), TCP, true, "tcp answers"},
		{"one of two targets dies", all, func(t Target) bool { return t != tcpA }, TCP, true, "tcp answers"},
		{"TCP never worked here", only(ICMP), only(ICMP), ICMP, true, "icmp answers"},
		{"TCP never worked here, ping dies", only(ICMP), nobody, ICMP, false, "icmp does not answer"},
		{"TCP comes later and decides from then on", only(ICMP), only(ICMP, TCP), TCP, true, "tcp answers"},
		{"private network: nobody ever answers", nobody, nobody, "", false, "unverified: none of 5 targets has ever answered here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, basic(targets...))
			w.alive = tt.first
			w.observe(upLevel())
			w.run(2 * time.Minute)
			w.log, w.last = nil, ""
			w.alive = tt.second
			w.run(2 * time.Minute)
			v := w.m.Verdict()
			if v.Usable != tt.ok || v.Deciding != tt.kind || v.Reason != tt.reason {
				t.Errorf("usable=%v by %q: %q; want %v by %q: %q", v.Usable, v.Deciding, v.Reason, tt.ok, tt.kind, tt.reason)
			}
		})
	}
}

// A fault before the start is seen like one that comes later, once the targets
// of an earlier run are remembered.
func TestRememberedEvidence(t *testing.T) {
	w := settled(t, basic(pingA, tcpA))
	m := New(basic(pingA, tcpA, tcpB))
	m.Remember(w.m.Seen())
	next := newWorld(t, Policy{})
	next.m, next.alive = m, only(ICMP)
	next.observe(upLevel())
	next.run(30 * time.Second)
	if v := m.Verdict(); v.Usable || v.Reason != "tcp does not answer, icmp does" {
		t.Errorf("%+v", v)
	}
}

// Bytes: two questions while healthy, the others only when both stay silent.
func TestHealthyRoundAsksTwo(t *testing.T) {
	w := settled(t, basic(tcpA, tcpB, tcpC, pingA))
	from := len(w.asked)
	w.run(time.Hour)
	if n := w.count(from); n[pingA] != 0 || n[tcpA] != 720 || n[tcpB] != 720 || n[tcpC] != 60 {
		t.Errorf("requests in an hour: %v", n)
	}
	w.alive = func(x Target) bool { return x == tcpC }
	w.log = nil
	w.run(time.Hour)
	if len(w.log) != 0 {
		t.Errorf("two dead targets of three: %v", w.log)
	}
	if v := w.m.Verdict(); v.Loss < 0.2 || v.Loss > 0.8 || v.RTT != 20*time.Millisecond {
		t.Errorf("loss %v, rtt %v", v.Loss, v.RTT)
	}
}

// After a miss the only target that can decide is asked twice: a lossy line is
// not condemned by three lost packets.
func TestOnlyDecidingTargetIsAskedTwice(t *testing.T) {
	w := newWorld(t, basic(tcpA, tcpB, pingA))
	w.alive = func(x Target) bool { return x != tcpB }
	w.observe(upLevel())
	w.run(time.Minute)
	w.until(time.Minute, func(Verdict) bool { return !w.m.round.open && w.m.next.Sub(w.now) > time.Second })
	from := len(w.asked)
	w.alive = nobody
	w.until(15*time.Second, unusable)
	w.run(0)
	if n := w.count(from); n[tcpA]-n[tcpB] != 2 || n[tcpB] < 3 {
		t.Errorf("asked until condemned: %v, want the seen target twice in two of three rounds", n)
	}
}

// Adopt: believed until fail_after rounds say otherwise, also before Observe.
func TestAdopt(t *testing.T) {
	for _, early := range []bool{true, false} {
		for _, alive := range []bool{true, false} {
			w := newWorld(t, basic(tcpA, tcpB))
			if early {
				w.m.Adopt(w.now)
				w.observe(upLevel())
			} else {
				w.m.Observe(w.now, upLevel())
				w.m.Adopt(w.now)
				w.note()
			}
			want := []string{"CONNECTED+"}
			if !alive {
				w.alive = nobody
				want = append(want, "OPENED")
			}
			w.run(10 * time.Second)
			if d := cmp.Diff(want, w.log); d != "" {
				t.Errorf("early=%v alive=%v (-want +got):\n%s", early, alive, d)
			}
		}
	}
	w := newWorld(t, basic(tcpA))
	waits := upLevel() // the lease is confirmed only after the adoption
	waits.Addr = netip.Prefix{}
	w.observe(waits)
	w.m.Adopt(w.now)
	w.observe(waits)
	w.observe(upLevel())
	if d := cmp.Diff([]string{"OPENED", "CONNECTED+"}, w.log); d != "" {
		t.Errorf("lease confirmed late (-want +got):\n%s", d)
	}
	down := upLevel()
	down.Carrier = false
	w = newWorld(t, basic(tcpA))
	w.observe(down)
	w.m.Adopt(w.now)
	w.alive = nobody
	w.observe(upLevel())
	if w.m.Verdict().Usable {
		t.Error("adopted without carrier")
	}
}

// Suspicion asks everybody at once and shortens the way, but condemns nobody
// that answers, and nobody without two missed rounds.
func TestSuspicion(t *testing.T) {
	w := settled(t, basic(tcpA, tcpB, pingA))
	w.log = nil
	w.run(1500 * time.Millisecond)
	from := len(w.asked)
	for _, why := range []string{"no bytes received", "retransmissions", "dns timeouts", "no bytes received"} {
		w.m.Suspect(w.now, why)
	}
	w.run(50 * time.Millisecond)
	if n := len(w.asked) - from; n != 3 {
		t.Errorf("%d requests, want all 3 targets once", n)
	}
	w.run(time.Minute)
	if len(w.log) != 0 {
		t.Errorf("suspicion alone: %v", w.log)
	}
	w.alive = nobody
	for _, why := range []string{"a", "b", "c", "d"} {
		w.m.Suspect(w.now, why)
	}
	if took := w.until(time.Minute, unusable); took < 4*time.Second || took > 5500*time.Millisecond {
		t.Errorf("dead and suspected: left after %v, want two rounds", took)
	}
}
