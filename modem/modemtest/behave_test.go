package modemtest

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLineDiscipline(t *testing.T) {
	scene(t, "quectel-qc", func(o *on) {
		for _, tt := range []struct{ name, in, want string }{
			{"echo as received", "ATE1\r", "\r\nOK\r\n"},
			{"echo", "aT+csq\r", "aT+csq\r\r\n+CSQ: 24,99\r\n\r\nOK\r\n"},
			{"no echo", "ATE0\r", "ATE0\r\r\nOK\r\n"},
			{"LF is nothing", "A\nT\n\r\n", "\r\nOK\r\n"},
			{"blank line", "\r", ""},
			{"not a command", "hello\r", ""},
			{"several commands", "AT+CMEE?;+CSQ;E0V1\r", "\r\n+CMEE: 1\r\n+CSQ: 24,99\r\n\r\nOK\r\n"},
			{"the first error ends it", "AT+NOSUCH;+CSQ\r", "\r\nERROR\r\n"},
			{"semicolon in quotes", `AT+CGDCONT=3,"IP","a;b";+CMEE?` + "\r", "\r\n+CMEE: 1\r\n\r\nOK\r\n"},
			{"ESC forgets", "AT+CS\x1bAT\r", "\r\nOK\r\n"},
			{"backspace", "AT+CSQQ\x08\r", "\r\n+CSQ: 24,99\r\n\r\nOK\r\n"},
			{"again", "A/\r", "\r\n+CSQ: 24,99\r\n\r\nOK\r\n"},
			{"quiet", "ATQ1\r", ""},
			{"still quiet", "AT+CSQ\r", "\r\n+CSQ: 24,99\r\n"},
			{"loud", "ATQ0\r", "\r\nOK\r\n"},
			{"numbers", "ATV0\r", "0\r"},
			{"words", "ATV1\r", "\r\nOK\r\n"},
			{"test", "AT+CMEE=?\r", "\r\n+CMEE: (0-2)\r\n\r\nOK\r\n"},
		} {
			o.h.take()
			o.h.send(tt.in)
			time.Sleep(time.Second)
			if got := o.h.take(); got != tt.want {
				o.Errorf("%s: %q gave %q, want %q", tt.name, tt.in, got, tt.want)
			}
		}
		if c := o.m.Counters(); c.Stray != 1 {
			o.Errorf("%d stray lines", c.Stray)
		}
	})
}

func TestErrorLevels(t *testing.T) {
	scene(t, "quectel-qc", func(o *on) {
		o.fault("no-sim")
		for level, want := range []string{"ERROR", "+CME ERROR: 10", "+CME ERROR: SIM not inserted"} {
			o.h.want("AT+CMEE="+string(rune('0'+level)), "OK")
			o.h.want("AT+CPIN?", want)
		}
	})
}

// A port waits for its own slow command only.
func TestPortsAreIndependent(t *testing.T) {
	scene(t, "quectel-qc", func(o *on) {
		other := plug(o.T, o.m, 3)
		o.h.send("AT+COPS=?\r")
		other.has("AT+CSQ", "+CSQ: 24,99")
		if got := o.h.take(); got != "" {
			o.Errorf("too early: %q", got)
		}
		time.Sleep(40 * time.Second)
		want := `+COPS: (2,"CHINA MOBILE","CMCC","46000",7),(1,"CHN-UNICOM","UNICOM","46001",7),(3,"CHN-CT","CT","46011",7),,(0,1,2,3,4),(0,1,2)`
		if got := lines(o.h.take(), ""); !slices.Equal(got, []string{want, "OK"}) {
			o.Errorf("got %q", got)
		}
		if got := other.raw("ATE1", time.Second); got != "ATE1\r\r\nOK\r\n" {
			o.Errorf("its echo is its own: %q", got)
		}
		o.wantWire("AT", "\r\nOK\r\n")
	})
}

// A modem leaves its log port to itself: frames, no answer.
func TestLogPort(t *testing.T) {
	scene(t, "air780-at", func(o *on) {
		l := plug(o.T, o.m, 4)
		if got := l.take(); len(got) < 512 || got[0] != 0x7e {
			o.Errorf("%d bytes at the start", len(got))
		}
		if got := l.raw("AT", time.Second); got != "" {
			o.Errorf("answered %q", got)
		}
	})
}

func TestSMS(t *testing.T) {
	scene(t, "air780-at", func(o *on) {
		o.h.want("AT+CNMI=2,1,0,1,0", "OK")
		o.m.Receive("+8613800000001", "hi")
		o.heard(`+CMTI: "SM",1`, 0)
		got := o.h.ask("AT+CMGR=1")
		// coded by hand: SMSC 0, DELIVER, 13 digits international, UCS-2, 4 octets "hi"
		if len(got) != 3 || got[0] != "+CMGR: 0,,24" || !strings.HasPrefix(got[1], "00040D91683108000000F10008") || !strings.HasSuffix(got[1], "0400680069") {
			o.Errorf("got %q", got)
		}
		o.h.has("AT+CMGR=1", "+CMGR: 1,,24")
		o.m.Receive("10086", strings.Repeat("好", 150)) // three parts
		if stored, _ := o.m.Stored(); stored != 4 {
			o.Errorf("%d in the store", stored)
		}
		list := o.h.ask("AT+CMGL=4")
		if len(list) != 9 || !strings.HasPrefix(list[2], "+CMGL: 2,0,,") || !strings.Contains(list[3], "050003020301") {
			o.Errorf("list %q", list)
		}
		o.h.want("AT+CMGD=1", "OK")
		o.h.want("AT+CMGR=1", "+CMS ERROR: invalid memory index")

		o.h.want("AT+CMGS=12", ">")
		o.h.send("0001000A8131000000000000C8\x1a")
		o.heard("+CMGS: 1", 2*time.Second)
		if sent := o.m.Sent(); !slices.Equal(sent, []string{"0001000A8131000000000000C8"}) {
			o.Errorf("sent %q", sent)
		}
		o.h.want("AT+CMGS=12", ">")
		o.h.send("00\x1b")
		o.heard("OK", time.Second)
		if sent := o.m.Sent(); len(sent) != 1 {
			o.Errorf("sent after ESC: %q", sent)
		}
		// a prompt twice, a PDU twice: the second is a second message
		o.h.want("AT+CMGS=11", ">")
		o.h.send("0001000A8131000000000000C8\x1a")
		o.heard("+CMS ERROR: invalid PDU mode parameter", 2*time.Second)
	})
}

func TestUSSD(t *testing.T) {
	scene(t, "quectel-qc", func(o *on) {
		o.h.want(`AT+CUSD=1,"*100#",15`, "OK", `+CUSD: 0,"Balance: 12.50",15`)
		o.h.want(`AT+CUSD=1,"*9#",15`, "OK", "+CUSD: 4")
		o.h.want(`AT+CSCS="UCS2"`, "OK")
		o.m.SetUSSD("*1#", "余额")
		o.h.want(`AT+CUSD=1,"002A00310023",15`, "OK", `+CUSD: 0,"4F59989D",72`)
	})
	scene(t, "air780-at", func(o *on) { o.h.want(`AT+CUSD=1,"*100#",15`, "+CME ERROR: operation not supported") })
}

// A reset answers, leaves the bus, comes back and has forgotten what is not in
// flash: echo, error level, the PIN.
func TestReset(t *testing.T) {
	scene(t, "quectel-qc", func(o *on) {
		o.fault("pin-required", "1234")
		time.Sleep(time.Second)
		o.h.has("AT+CPIN=1234", "OK")
		o.h.want(`AT+CGDCONT=1,"IPV4V6","iot"`, "OK")
		o.wantSoon("AT+CFUN=1,1", 200*time.Millisecond)
		o.returns(5 * time.Second)
		if err := <-o.h.done; err != ErrVanished {
			o.Errorf("Serve: %v", err)
		}
		h := plug(o.T, o.m, 2)
		time.Sleep(time.Second)
		if got := h.raw("AT", time.Second); got != "AT\r\r\nOK\r\n" {
			o.Errorf("echo: %q", got)
		}
		h.want("AT+CMEE?", "+CMEE: 0", "OK")
		h.want("AT+CPIN?", "+CPIN: SIM PIN", "OK")
		h.has("AT+CGDCONT?", `+CGDCONT: 1,"IPV4V6","iot"`)
	})
}

func TestRadioCycle(t *testing.T) {
	scene(t, "quectel-qc", func(o *on) {
		o.fault("searching", "until=radio")
		o.h.want("AT+CFUN=4", "+CGEV: NW DETACH", "OK")
		o.h.want("AT+CFUN?", "+CFUN: 4", "OK")
		o.h.want("AT+CEREG?", "+CEREG: 0,0", "OK")
		if o.last().Up {
			o.Error("data up without a radio")
		}
		o.h.has("AT+CFUN=1", "OK")
		o.h.want("AT+CEREG?", "+CEREG: 0,1", "OK")
		if c := o.m.Counters(); c.Radio != 1 || len(o.m.Active()) != 0 {
			o.Errorf("counters %+v, faults %v", c, o.m.Active())
		}
	})
}

// What the host does ends a fault that waits for it; what is weaker does not.
func TestUntil(t *testing.T) {
	for _, tt := range []struct {
		until string
		do    func(*on)
		ends  bool
	}{
		{"data", func(o *on) { o.h.has("AT+CGACT=0,1", "OK") }, true},
		{"attach", func(o *on) { o.h.has("AT+CGACT=0,1", "OK") }, false},
		{"attach", func(o *on) { o.h.has("AT+COPS=2", "OK") }, true},
		{"radio", func(o *on) { o.h.has("AT+CGATT=0", "OK") }, false},
		{"radio", func(o *on) { o.h.has("AT+CFUN=4", "OK") }, true},
		{"reset", func(o *on) { o.h.has("AT+CFUN=4", "OK") }, false},
		{"reset", func(o *on) { o.h.has("AT+CFUN=1,1", "OK") }, true},
		{"rebind", func(o *on) { o.h.has("AT+CFUN=1,1", "OK") }, false},
		{"rebind", func(o *on) { o.m.Unplug() }, true},
		{"power", func(o *on) { o.m.Unplug() }, false},
		{"power", func(o *on) { o.m.Power(false) }, true},
	} {
		scene(t, "quectel-qc", func(o *on) {
			o.fault("data-dead", "until="+tt.until)
			tt.do(o)
			if ended := len(o.m.Active()) == 0; ended != tt.ends {
				o.Errorf("until=%s: ended %v, want %v", tt.until, ended, tt.ends)
			}
		})
	}
	scene(t, "quectel-qc", func(o *on) {
		o.fault("mute", "until=reopen", "port=2")
		o.wantWire("AT", "")
		_ = o.h.conn.Close()
		<-o.h.done
		plug(o.T, o.m, 2).has("AT", "OK")
	})
}

func TestFaultArguments(t *testing.T) {
	scene(t, "quectel-qc", func(o *on) {
		other := plug(o.T, o.m, 3)
		o.fault("mute", "port=3", "for=20s")
		o.wantWire("AT", "\r\nOK\r\n")
		if got := other.raw("AT", time.Second); got != "" {
			o.Errorf("port 3 answers %q", got)
		}
		time.Sleep(20 * time.Second)
		other.has("AT", "OK")
		o.fault("delay", "2s", "count=2")
		for _, d := range []time.Duration{2, 2, 0} {
			if got := o.wire("AT", d*time.Second+time.Millisecond); got != "\r\nOK\r\n" {
				o.Errorf("after %v: %q", d*time.Second, got)
			}
		}
		for _, bad := range [][]string{{"no-such"}, {"mute", "for=soon"}, {"mute", "count=x"}, {"mute", "until=never"}, {"dhcp-nak", "port=x"}} {
			if err := o.m.Fault(bad[0], bad[1:]...); err == nil {
				o.Errorf("%q was accepted", bad)
			}
		}
	})
}

// Which faults cannot happen to whom, and why.
func TestFaultsRefuse(t *testing.T) {
	for id, wants := range map[string]map[string]string{
		"air780-at":   {"cereg-as-cgreg": "its firmware does so anyway", "carrier-stuck": "RNDIS does so anyway", "mute": "", "ppp-auth": ""},
		"netonly":     {"mute": "has no port that speaks AT", "data-dead": "", "dhcp-nak": "", "ppp-auth": "has no port that dials", "vanish": ""},
		"generic-ppp": {"vanish": "a UART does not enumerate", "dhcp-nak": "has no netdev", "ppp-auth": "", "slow-reset": ""},
		"fibocom-mtk": {"dhcp-nak": "its netdev has no DHCP server: addresses come from the control channel"},
	} {
		m := New(personality(t, id), Options{Clock: frozen})
		for name, want := range wants {
			err := m.Fault(name)
			if (err == nil) != (want == "") || err != nil && !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%s on %s: %v, want %q", name, id, err, want)
			}
		}
	}
	n := 0
	for _, p := range Personalities() {
		for _, f := range Faults() {
			if f.Refuses == nil || f.Refuses(p) == "" {
				n++
			}
		}
	}
	if n < 500 {
		t.Errorf("only %d cells of personality and fault", n)
	}
}

// frozen is a clock that never strikes.
var frozen = Clock{AfterFunc: func(time.Duration, func()) func() bool { return func() bool { return true } }}

func TestPower(t *testing.T) {
	scene(t, "quectel-qc", func(o *on) {
		o.m.Power(false)
		if !o.h.closed() || o.m.Device() != nil {
			o.Error("still there")
		}
		time.Sleep(time.Hour)
		if o.back != 0 {
			o.Error("came back without power")
		}
		o.m.Power(true)
		time.Sleep(4900 * time.Millisecond)
		if o.m.Device() != nil {
			o.Error("back too early")
		}
		time.Sleep(200 * time.Millisecond)
		if o.m.Device() == nil || o.back != 1 || o.m.Counters().PowerCycles != 1 {
			o.Errorf("device %v, returned %d times", o.m.Device(), o.back)
		}
		plug(o.T, o.m, 2).has("AT", "OK")
	})
}

// A module on a UART keeps its port over a reset; it is deaf while it boots.
func TestUARTReset(t *testing.T) {
	scene(t, "generic-ppp", func(o *on) {
		o.wantSoon("AT+CFUN=1,1", 200*time.Millisecond)
		time.Sleep(time.Second)
		o.wantWire("AT", "")
		time.Sleep(5 * time.Second)
		o.wantWire("AT", "AT\r\r\nOK\r\n")
	})
}

func TestServeRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(personality(t, "quectel-qc"), Options{})
		plug(t, m, 2)
		for port, want := range map[int]error{2: ErrBusy, 9: ErrNoPort} {
			if err := m.Serve(t.Context(), port, nil); err == nil || !strings.Contains(err.Error(), want.Error()) {
				t.Errorf("port %d: %v", port, err)
			}
		}
		m.Power(false)
		if err := m.Serve(t.Context(), 3, nil); err != ErrVanished {
			t.Errorf("without power: %v", err)
		}
	})
}

// The log holds every command with its port and time.
func TestLog(t *testing.T) {
	scene(t, "quectel-qc", func(o *on) {
		at := time.Now()
		plug(o.T, o.m, 3).has("AT+CSQ", "+CSQ")
		log := o.m.Log()
		last := log[len(log)-1]
		if last.Port != 3 || last.Text != "AT+CSQ" || !last.At.Equal(at) {
			o.Errorf("last entry %+v", last)
		}
	})
}

// Air720: nothing binds until new_id.
func TestNewID(t *testing.T) {
	scene(t, "air720", func(o *on) {
		d := o.m.Device()
		if len(d.Ports) != 0 || len(d.Interfaces) != 4 || d.Interfaces[1].Driver != "" {
			o.Errorf("device %+v", d)
		}
		o.m.NewID()
		synctest.Wait()
		if d := o.m.Device(); len(d.Ports) != 3 || o.back != 1 {
			o.Errorf("device %+v", d)
		}
	})
}

// Two modems on one machine: other path, ttys and netdev, one serial number.
func TestTwoModems(t *testing.T) {
	p := personality(t, "air780-at")
	a, b := New(p, Options{Clock: frozen}), New(p, Options{Clock: frozen, Path: "pci0000:00/usb1/1-3", TTY: 3, Net: "usb1"})
	da, db := a.Device(), b.Device()
	if da.Path == db.Path || da.Serial != db.Serial || db.Ports[0].Path != "/dev/ttyACM3" || db.Nets[0].Name != "usb1" {
		t.Errorf("%+v\n%+v", da, db)
	}
}
