package health

import (
	"testing"
	"time"
)

// TestDEV04Table goes through LuatOS's table of states row by row. Where we
// differ on purpose the row says which defect it removes.
func TestDEV04Table(t *testing.T) {
	noAddr := upLevel()
	noAddr.Addr = Level{}.Addr
	noCarrier := upLevel()
	noCarrier.Carrier = false
	absent := Level{Enabled: true}
	closed := upLevel()
	closed.Enabled = false
	single := upLevel()
	single.Single = true
	singleDown := single
	singleDown.Carrier = false

	connected := func(w *world) { w.observe(upLevel()); w.run(time.Second) }
	tests := []struct {
		row  string
		from func(w *world)
		do   func(w *world)
		want State
		ok   bool // usable afterwards
	}{
		{"DISCONNECTED, bring-up, multi: OPENED", func(w *world) { w.observe(absent) }, func(w *world) { w.observe(noAddr) }, Opened, false},
		{"DISCONNECTED, bring-up, single: SINGLE_NETWORK", func(w *world) { w.observe(absent) }, func(w *world) { w.observe(single) }, SingleNetwork, true},
		{"SINGLE_NETWORK is terminal but reports down (X17)", func(w *world) { w.observe(single) }, func(w *world) { w.observe(singleDown) }, SingleNetwork, false},
		{"LWIP_GP entry: waits for its address like any other (LuatOS: CONNECTING)", func(*world) {}, func(w *world) { w.observe(noAddr) }, Opened, false},
		{"airlink_4G entry: probed like the rest, DEV-25 (LuatOS: CONNECTED unseen)", func(w *world) { w.alive = nobody }, func(w *world) { w.observe(upLevel()) }, Connecting, false},
		{"STOPPED, opened again: OPENED", func(w *world) { w.observe(closed) }, func(w *world) { w.observe(noAddr) }, Opened, false},
		{"STOPPED, opened again, single: SINGLE_NETWORK", func(w *world) { w.observe(closed) }, func(w *world) { w.observe(single) }, SingleNetwork, true},
		{"OPENED, IP_READY: CONNECTING", func(w *world) { w.observe(noAddr) }, func(w *world) { w.observe(upLevel()) }, Connecting, false},
		{"CONNECTING, probe ok: CONNECTED", func(w *world) { w.observe(upLevel()) }, func(w *world) { w.run(time.Second) }, Connected, true},
		{"CONNECTING, probe failed: OPENED", func(w *world) { w.alive = nobody; w.observe(upLevel()) }, func(w *world) { w.run(2100 * time.Millisecond) }, Opened, false},
		{"OPENED after a failed probe is probed again (X1)", func(w *world) { w.alive = nobody; w.observe(upLevel()); w.run(2100 * time.Millisecond) },
			func(w *world) { w.alive = all; w.run(2500 * time.Millisecond) }, Connected, true},
		{"CONNECTED, socket error: stays CONNECTED, checked again (X5)", connected, func(w *world) { w.m.Hint(w.now, "socket error"); w.note() }, Connected, true},
		{"CONNECTED, check_network_status sweep: stays CONNECTED (X4, X6)", connected, func(w *world) { w.run(time.Minute) }, Connected, true},
		{"CONNECTED, IP_LOSE: OPENED", connected, func(w *world) { w.observe(noAddr) }, Opened, false},
		{"CONNECTED, link down: OPENED", connected, func(w *world) { w.observe(noCarrier) }, Opened, false},
		{"CONNECTING, IP_LOSE: OPENED", func(w *world) { w.observe(upLevel()) }, func(w *world) { w.observe(noAddr) }, Opened, false},
		{"any, foreign echo reply: nothing (X13)", func(w *world) { w.observe(upLevel()) },
			func(w *world) { w.m.Result(w.now, Result{Target: tcpA, Seq: 4711, OK: true}); w.note() }, Connecting, false},
		{"any, close: STOPPED", connected, func(w *world) { w.observe(closed) }, Stopped, false},
		{"any, device gone: DISCONNECTED", connected, func(w *world) { w.observe(absent) }, Disconnected, false},
	}
	for _, tt := range tests {
		t.Run(tt.row, func(t *testing.T) {
			w := newWorld(t, basic(tcpA, tcpB))
			tt.from(w)
			tt.do(w)
			if v := w.m.Verdict(); v.State != tt.want || v.Usable != tt.ok {
				t.Errorf("got %v usable=%v, want %v usable=%v (%s)", v.State, v.Usable, tt.want, tt.ok, v.Reason)
			}
			if v := w.m.Verdict(); v.Reason == "" {
				t.Error("no reason")
			}
		})
	}
}

// TestDEV04Names fixes the names and LuatOS's numbers.
func TestDEV04Names(t *testing.T) {
	for i, want := range []string{"DISCONNECTED", "CONNECTING", "CONNECTED", "OPENED", "SINGLE_NETWORK", "STOPPED", "STATE_6"} {
		if got := State(i).String(); got != want {
			t.Errorf("state %d: %q, want %q", i, got, want)
		}
		var s State
		if err := s.UnmarshalText([]byte(want)); (err == nil) != (i < 6) || err == nil && s != State(i) {
			t.Errorf("unmarshal %q: %v, %v", want, s, err)
		}
	}
}
