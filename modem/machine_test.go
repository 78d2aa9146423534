package modem

import (
	"math/rand/v2"
	"testing"
	"time"
)

// world makes a modem that is not yet started.
func world(t *testing.T, self bool, set Settings) *host {
	t.Helper()
	rng := rand.New(rand.NewPCG(11, 12))
	d := newToy(rng)
	d.self, d.given = self, "cmnet"
	device := quectel()
	if self {
		device = air780()
	}
	set.SIM.Roaming = true
	return newHost(rng, d, simProfiles(t), set, device)
}

// up makes one that is online and quiet.
func up(t *testing.T, self bool, set Settings) *host {
	t.Helper()
	h := world(t, self, set)
	if !h.until(time.Minute, h.online) {
		t.Fatal("not online", h.story())
	}
	h.run(2 * time.Minute)
	return h
}

// is waits for a state and code.
func (h *host) is(t *testing.T, d time.Duration, state State, code Code) {
	t.Helper()
	if !h.until(d, func() bool { s := h.m.Status(h.now()); return s.State == state && s.Code == string(code) }) {
		t.Fatalf("not %s, %q: %s", state, code, h.story())
	}
}

// A modem that answers at once is online as soon as its network lets it.
func TestStartIsFast(t *testing.T) {
	for _, self := range []bool{true, false} {
		h := world(t, self, Settings{})
		h.until(time.Minute, h.registered)
		registered := h.abs
		if !h.until(3*time.Second, h.online) {
			t.Fatalf("not online %v after the registration %s", h.abs-registered, h.story())
		}
		t.Logf("registered at %v, online at %v, %d commands", registered, h.abs, len(h.seen.commands))
	}
}

// A healthy day: at most 4 commands in any 30 s, 2 writes, nothing pulled.
func TestHealthyDay(t *testing.T) {
	for _, self := range []bool{true, false} {
		h := up(t, self, Settings{Power: true})
		h.run(time.Minute)
		h.saves, h.seen.commands = nil, nil
		h.run(24 * time.Hour)
		c := h.seen.commands
		if len(c) < 8000 {
			t.Errorf("only %d commands: does it poll?", len(c))
		}
		for i := 4; i < len(c); i++ {
			if c[i]-c[i-4] < 30*time.Second {
				t.Fatalf("five commands within %v", c[i]-c[i-4])
			}
		}
		if len(h.saves) > 2 || h.pulls > 0 || h.resets() > 0 {
			t.Errorf("%d writes, %d levers, %d resets", len(h.saves), h.pulls, h.resets())
		}
	}
}

// A stuck port is declared 10 s after the first unanswered command at the
// latest, the other one takes over, data flows on.
func TestStuckPort(t *testing.T) {
	for _, err := range []error{nil, ErrStuck, ErrUnsynced} {
		h := up(t, false, Settings{Power: true})
		main := h.m.ports.main
		if h.m.ports.spare == "" {
			t.Fatal("no spare port was found")
		}
		h.mute[main] = true
		h.broken = map[string]error{main: err}
		n := len(h.seen.commands)
		h.until(time.Minute, func() bool { return len(h.seen.commands) > n })
		began := h.abs
		h.until(time.Minute, func() bool { return h.m.Status(h.now()).Code == string(CodePortStuck) })
		if d := h.abs - began; d > 10*time.Second {
			t.Errorf("%v: declared after %v", err, d)
		}
		h.is(t, time.Second, Connected, CodePortStuck)
		if h.m.ports.main == main || !h.reaches() {
			t.Error("the spare port did not take over beside the data")
		}
		turned := h.turned
		h.run(3 * time.Hour)
		if h.turned != turned || h.resets() > 0 {
			t.Error("data was disturbed", h.story())
		}
		h.mute, h.broken = map[string]bool{}, nil
		h.is(t, 10*time.Minute, Connected, "")
	}
}

// The only port is stuck: it is tried again for ever, and nothing is reset
// while the session lives.
func TestAllPortsStuck(t *testing.T) {
	h := up(t, false, Settings{Power: true})
	h.muteAll = RungPower + 1
	h.is(t, 2*time.Minute, Degraded, CodePortStuck)
	h.run(6 * time.Hour)
	if h.resets() > 0 || !h.reaches() {
		t.Fatal("a session that lives was reset", h.story())
	}
	h.muteAll = -1
	h.is(t, 2*time.Minute, Connected, "")
}

// Attached but dead: the first repair comes 20 s after the verdict at the
// latest, also if the prober's targets alone are dead; then no reset comes.
func TestPathDead(t *testing.T) {
	for _, self := range []bool{true, false} {
		h := up(t, self, Settings{Power: true})
		h.deadData = RungRenew
		h.until(time.Minute, func() bool { return h.path() == PathDead })
		began := h.abs
		if !h.until(time.Minute, func() bool { return h.deadData < 0 }) || h.abs-began > 20*time.Second {
			t.Errorf("repaired after %v", h.abs-began)
		}
		h.is(t, time.Minute, Connected, "")
		if s := h.m.Status(h.now()); s.Helped != RungRenew.String() && s.Helped != RungConfirm.String() {
			t.Errorf("what helped: %q", s.Helped)
		}
	}
}

// The address changes behind the modem.
func TestAddressChange(t *testing.T) {
	for _, tt := range []struct {
		urc string
		max time.Duration
	}{{"", 35 * time.Second}, {"+CGEV: NW PDN ACT 1", 2 * time.Second}} {
		h := up(t, true, Settings{})
		h.addr = 77
		if tt.urc != "" {
			h.pop(tt.urc)
		}
		began := h.abs
		if !h.until(time.Minute, h.online) || h.abs-began > tt.max {
			t.Errorf("%q: new lease after %v", tt.urc, h.abs-began)
		}
	}
}

// A daemon that is killed finds the session and leaves it alone.
func TestAdoption(t *testing.T) {
	for _, self := range []bool{true, false} {
		h := up(t, self, Settings{Power: true})
		turned := h.turned
		for range 20 {
			h.crash()
			h.run(time.Duration(h.rng.Int64N(int64(20 * time.Second))))
		}
		h.is(t, time.Minute, Connected, "")
		h.run(10 * time.Minute)
		if h.turned != turned || h.resets() > 0 || len(h.seen.problems) > 0 {
			t.Error("the session was disturbed", h.seen.problems, h.story())
		}
	}
}

// The card is pulled, and comes back: nothing but +CPIN? is done, and a radio
// cycle every ten minutes.
func TestCardPulled(t *testing.T) {
	for _, told := range []bool{true, false} {
		h := up(t, false, Settings{Power: true})
		h.card.in = false
		if told {
			h.pop("+CPIN: NOT READY")
		}
		h.is(t, 2*time.Minute, SIMWait, CodeSIMMissing)
		cardBack(t, h)
	}
}

func cardBack(t *testing.T, h *host) {
	h.run(3 * time.Hour)
	if len(h.seen.soft)+len(h.seen.powers)+len(h.seen.rebinds) > 0 {
		t.Error("reset for a missing card")
	}
	if n := len(h.seen.radio); n < 10 || n > 18 {
		t.Errorf("%d radio cycles in three hours", n)
	}
	h.card.in = true
	if !h.until(2*time.Minute, h.online) {
		t.Fatal("not online again", h.story())
	}
}

// Locks are for a person: no ladder, no resets.
func TestLocks(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(h *host)
		code Code
	}{
		{"no PIN configured", func(h *host) { h.card.locked, h.card.pin = true, "1234" }, CodePINNeeded},
		{"PUK", func(h *host) { h.card.locked, h.card.tries = true, 0 }, CodePUK},
		{"two tries", func(h *host) { h.card.locked, h.card.pin, h.card.tries, h.set.SIM.PIN = true, "1234", 2, "1234" }, CodePINTries},
		{"the disk refuses", func(h *host) { h.card.locked, h.card.pin, h.set.SIM.PIN, h.badDisk = true, "1234", "1234", true }, CodeMemory},
		{"network lock", func(h *host) { h.says = map[string][]string{"+CPIN?": {"+CPIN: PH-NET PIN"}} }, CodeSIMLocked},
	} {
		h := world(t, false, Settings{Power: true})
		tt.set(h)
		h.m.Update(h.set)
		h.is(t, time.Minute, Failed, tt.code)
		h.run(5 * time.Hour)
		if h.resets() > 0 || h.seen.rightPINs > 0 || len(h.seen.wrongPINs) > 0 {
			t.Errorf("%s: %d resets", tt.name, h.resets())
		}
	}
}

// No signal: 5, 15, 60 minutes, then hourly.
func TestNoSignal(t *testing.T) {
	h := up(t, false, Settings{Power: true})
	h.signal = false
	began := h.abs
	h.is(t, 3*time.Minute, Searching, CodeNoSignal)
	h.run(8 * time.Hour)
	for _, c := range []struct {
		name  string
		times []time.Duration
		first time.Duration
		least int
	}{{"radio", h.seen.radio, 5 * time.Minute, 6}, {"soft", h.seen.soft, 15 * time.Minute, 6}, {"power", h.seen.powers, 60 * time.Minute, 6}} {
		if len(c.times) < c.least || c.times[0]-began < c.first || c.times[0]-began > c.first*3/2 {
			t.Errorf("%s: %v after %v", c.name, c.times, began)
		}
	}
	h.signal = true
	if !h.until(2*time.Minute, h.online) {
		t.Error("not online", h.story())
	}
}

func TestRoaming(t *testing.T) {
	h := up(t, false, Settings{})
	h.says = map[string][]string{"+CEREG?": {`+CEREG: 2,5,"1A2B","01C2D3E4",7`}}
	h.run(time.Minute)
	h.is(t, time.Minute, Connected, "")
	set := h.set
	set.SIM.Roaming = false
	h.m.Update(set)
	h.is(t, time.Minute, Registered, CodeRoamingOff)
	if h.dataOn {
		t.Error("data is on")
	}
	h.says = nil
	h.is(t, time.Minute, Connected, "")
}

// IPv6 only is never connected.
func TestIPv6Only(t *testing.T) {
	h := world(t, false, Settings{})
	h.says = map[string][]string{"+CGPADDR=1": {`+CGPADDR: 1,"2001:db8::1"`}}
	h.is(t, 2*time.Minute, Backoff, CodeIPv6Only)
	h.until(time.Hour, func() bool {
		if h.m.Status(h.now()).State == Connected {
			t.Fatal("connected")
		}
		return false
	})
}

// Another APN is tried on a refusal of the APN only.
func TestAPNRefused(t *testing.T) {
	h := world(t, false, Settings{})
	h.given, h.apn = "", "wrong"
	h.refuses = CMEError{Code: 133}
	h.until(time.Minute, func() bool { return h.apn != "wrong" })
	if h.apn == "wrong" || h.apn == "" {
		t.Fatalf("the APN is %q %s", h.apn, h.story())
	}
	h.refuses = nil
	if !h.until(2*time.Minute, h.online) {
		t.Fatal("not online", h.story())
	}
	worked := h.apn
	if got := h.m.mem.Cards[CardKey(h.card.iccid)].APN; got != worked {
		t.Errorf("remembered: %q, worked: %q", got, worked)
	}
	h.refuses, h.dialled, h.addr = CMEError{Code: 131}, false, 0
	h.run(20 * time.Minute)
	if h.apn != worked {
		t.Error("another APN was tried without a refusal of the APN")
	}
}

// User and password that are refused stand until the configuration changes.
func TestAuthRefused(t *testing.T) {
	h := world(t, false, Settings{SIM: SIMSettings{APN: "private", User: "u", Password: "p"}})
	h.apn = "private"
	h.refuses = CMEError{Code: 149}
	h.is(t, time.Minute, Failed, CodeAuth)
	n := h.count("+QNETDEVCTL=1,1,1")
	h.run(3 * time.Hour)
	if h.count("+QNETDEVCTL=1,1,1") != n || h.resets() > 0 {
		t.Error("tried again")
	}
	h.refuses = nil
	set := h.set
	set.SIM.Password = "q"
	h.m.Update(set)
	if !h.until(time.Minute, h.online) {
		t.Error("not online", h.story())
	}
}

// A new configuration leaves a session alone whose settings are the same.
func TestUpdate(t *testing.T) {
	h := up(t, false, Settings{})
	turned := h.turned
	set := h.set
	set.Power, set.HubPower = true, true
	h.m.Update(set)
	h.run(time.Minute)
	if h.turned != turned {
		t.Error("the session was disturbed")
	}
	set.SIM.APN = "other"
	h.m.Update(set)
	h.run(time.Minute)
	if h.apn != "other" || !h.online() {
		t.Error("the new APN is not used", h.story())
	}
}

func TestMatchIMEI(t *testing.T) {
	h := world(t, false, Settings{Match: Match{IMEI: "866000000000002"}})
	h.is(t, time.Minute, Failed, CodeNotOurs)
	h.run(time.Hour)
	if h.dataOn || len(h.open) > 0 || h.count("+CFUN?") > 0 {
		t.Error("another modem was used")
	}
}

// The USB mode is written once per modem, over crashes and power cuts.
func TestUSBMode(t *testing.T) {
	h := world(t, false, Settings{USBMode: "ecm"})
	h.says = map[string][]string{`+QCFG="usbnet"`: {`+QCFG: "usbnet",0`}} // and it stays so
	h.run(5 * time.Minute)
	for range 5 {
		h.cut()
		h.run(5 * time.Minute)
	}
	if n := h.count(`+QCFG="usbnet",1`); n != 1 {
		t.Errorf("written %d times", n)
	}
	h.is(t, time.Minute, Connected, CodeModeSwitch)
}

// Data programs that are missing: PPP where there is a port.
func TestProgramMissing(t *testing.T) {
	h := world(t, false, Settings{})
	h.device.Nets[0].Driver, h.device.Control = "qmi_wwan", []string{"/dev/cdc-wdm0"}
	h.missing = map[DataKind]bool{DataQMI: true}
	h.until(time.Minute, func() bool { return h.plan.Kind == DataPPP })
	if h.plan.Kind != DataPPP || h.plan.Port != "/dev/ttyUSB3" || !h.plan.Dial.Dial || h.open["/dev/ttyUSB3"] {
		t.Fatalf("%+v %s", h.plan, h.story())
	}
	h.run(time.Minute)
	if h.open["/dev/ttyUSB3"] {
		t.Error("the port that carries data was opened", h.story())
	}
	h = world(t, false, Settings{})
	h.device.Nets[0].Driver, h.device.Control = "qmi_wwan", []string{"/dev/cdc-wdm0"}
	h.missing = map[DataKind]bool{DataQMI: true, DataPPP: true}
	h.is(t, time.Minute, Failed, CodeProgram)
}

// A port of its own for everything: while it carries data, status is frozen.
func TestOnePortPPP(t *testing.T) {
	h := world(t, false, Settings{Port: "/dev/ttyS1"})
	h.uart = true
	h.until(time.Minute, func() bool { return h.plan.Kind == DataPPP })
	if h.plan.Port != "/dev/ttyS1" || h.open["/dev/ttyS1"] {
		t.Fatalf("%+v %s", h.plan, h.story())
	}
	h.run(10 * time.Second)
	s := h.m.Status(h.now())
	if !s.Frozen || h.open["/dev/ttyS1"] {
		t.Errorf("%+v", s)
	}
	h.is(t, time.Minute, Connected, "")
	n := len(h.seen.commands)
	h.run(time.Hour)
	if len(h.seen.commands) != n {
		t.Error("commands on a port that carries data", h.story())
	}
	// the call ends: the port speaks AT again
	h.dataOn = false
	h.later(0, coming{e: DataChanged{Cause: DataPeer}, own: true})
	h.lease = 0
	h.until(time.Minute, func() bool { return len(h.seen.commands) > n+3 })
	if len(h.seen.commands) <= n+3 {
		t.Error("it does not speak again", h.story())
	}
}
