package modemtest

import (
	"strings"
	"testing"
	"time"
)

// faultScenes shows for every fault that it can be seen on the wire, or where
// it is not one of the wire, at the callbacks. "id" is the personality.
var faultScenes = map[string]struct {
	id string
	f  func(*on)
}{
	"no-sim": {"quectel-qc", func(o *on) {
		o.fault("no-sim")
		o.h.want("AT+CPIN?", "+CME ERROR: 10")
		o.h.want("AT+CEREG?", "+CEREG: 0,0", "OK")
	}},
	"sim-failure": {"quectel-qc", func(o *on) { o.fault("sim-failure"); o.h.want("AT+CPIN?", "+CME ERROR: 13") }},
	"sim-removed": {"quectel-qc", func(o *on) {
		o.fault("sim-removed")
		o.heard("+CPIN: NOT INSERTED", 0)
		o.h.want("AT+CPIN?", "+CME ERROR: 10")
		if o.last().Up {
			o.Error("data still up")
		}
		o.m.Clear("sim-removed")
		o.heard("+CPIN: READY", 2*time.Second)
		if !o.last().Up {
			o.Error("data not up with the card back")
		}
	}},
	"sim-busy": {"quectel-qc", func(o *on) {
		o.fault("sim-busy", "7")
		o.h.want("AT+CPIN?", "+CME ERROR: 14")
		time.Sleep(5 * time.Second)
		o.h.has("AT+CPIN?", "+CPIN: READY")
	}},
	"pin-required": {"quectel-qc", func(o *on) {
		o.fault("pin-required", "2468")
		time.Sleep(time.Second)
		o.h.take()
		o.h.want("AT+CPIN?", "+CPIN: SIM PIN", "OK")
		o.h.want("AT+CPIN=2468", "OK", "+CPIN: READY", "+CGEV: ME PDN ACT 1")
	}},
	"pin-wrong": {"quectel-qc", func(o *on) {
		o.fault("pin-wrong")
		time.Sleep(time.Second)
		o.h.want("AT+CPIN=1234", "+CME ERROR: 16")
		o.h.want("AT+CPIN=1234", "+CME ERROR: 16")
		o.h.want("AT+CPIN=1234", "+CME ERROR: 12")
		o.h.want("AT+CPIN?", "+CPIN: SIM PUK", "OK")
		if c := o.m.Counters(); c.WrongPINs != 3 {
			o.Errorf("counters %+v", c)
		}
	}},
	"pin-no-counter": {"quectel-qc", func(o *on) {
		o.fault("pin-no-counter")
		for _, cmd := range []string{"AT+QPINC?", "AT+CPINR", `AT+CSIM=10,"0020000100"`} {
			o.h.want(cmd, "ERROR")
		}
	}},
	"puk":    {"quectel-qc", func(o *on) { o.fault("puk"); time.Sleep(time.Second); o.h.has("AT+CPIN?", "+CPIN: SIM PUK") }},
	"ph-net": {"quectel-qc", func(o *on) { o.fault("ph-net"); time.Sleep(time.Second); o.h.has("AT+CPIN?", "+CPIN: PH-NET PIN") }},

	"searching": {"quectel-qc", func(o *on) {
		o.h.want("AT+CEREG=1", "OK")
		o.fault("searching")
		o.heard("+CEREG: 2", 0)
		o.h.want("AT+CEREG?", "+CEREG: 1,2", "OK")
		o.h.want("AT+CSQ", "+CSQ: 99,99", "OK")
		if !o.m.Data().Up || o.m.Data().Forwards {
			o.Errorf("within the grace: %+v", o.m.Data())
		}
		o.heard("+CGEV: NW DETACH", 31*time.Second)
	}},
	"denied": {"quectel-qc", func(o *on) {
		o.h.want("AT+CEREG=3", "OK")
		o.fault("denied", "15")
		o.h.has("AT+CEREG?", "+CEREG: 3,3,,,,0,15")
	}},
	"roaming": {"quectel-qc", func(o *on) {
		o.fault("roaming")
		time.Sleep(2 * time.Second)
		o.h.want("AT+CEREG?", "+CEREG: 0,5", "OK")
		o.h.has("AT+COPS?", `+COPS: 0,2,"46001",7`)
	}},
	"emergency": {"quectel-qc", func(o *on) { o.fault("emergency"); o.h.want("AT+CEREG?", "+CEREG: 0,8", "OK") }},
	"csq-99": {"quectel-qc", func(o *on) {
		o.fault("csq-99")
		o.h.want("AT+CSQ", "+CSQ: 99,99", "OK")
		o.h.want("AT+CESQ", "+CESQ: 99,99,255,255,255,255", "OK")
	}},
	"cereg-as-cgreg": {"quectel-qc", func(o *on) { o.fault("cereg-as-cgreg"); o.h.want("AT+CEREG?", "+CGREG: 0,1", "OK") }},
	"text-errors": {"quectel-qc", func(o *on) {
		o.fault("text-errors")
		o.fault("no-sim")
		o.h.want("AT+CPIN?", "+CME ERROR: SIM not inserted")
	}},
	"pdp-reject": {"quectel-qc", func(o *on) {
		o.fault("pdp-reject", "134", "apn=good")
		o.h.want("AT+CGACT=1,1", "+CME ERROR: 134")
		o.h.want(`AT+CGDCONT=1,"IP","good"`, "OK")
		o.h.want("AT+CGACT=1,1", "+CGEV: ME PDN ACT 1", "OK")
	}},
	"pdp-type": {"quectel-qc", func(o *on) {
		o.fault("pdp-type", "51")
		o.h.want("AT+CGACT=1,1", "+CME ERROR: 132")
		o.h.want(`AT+CGDCONT=1,"IPV6",""`, "OK")
		o.h.has("AT+CGACT=1,1", "OK")
	}},
	"ipv6-only": {"quectel-qc", func(o *on) {
		o.h.want(`AT+CGDCONT=1,"IPV4V6",""`, "OK")
		o.fault("ipv6-only")
		o.h.want("AT+CGPADDR=1", `+CGPADDR: 1,"2001:db8:1400:2::1"`, "OK")
	}},
	"pdp-dropped": {"quectel-qc", func(o *on) {
		o.fault("pdp-dropped")
		o.heard("+CGEV: NW PDN DEACT 1", 0)
		o.h.want("AT+CGACT?", "+CGACT: 1,0", "OK")
		if o.last().Up {
			o.Error("data still up")
		}
	}},
	"address-changed": {"quectel-qc", func(o *on) {
		before := o.m.Data().Addr4
		o.fault("address-changed")
		if got := o.h.take(); got != "" {
			o.Errorf("not silent: %q", got)
		}
		if o.last().Addr4 == before {
			o.Error("address is the same")
		}
		o.fault("address-changed", "tell=1")
		o.heard("+CGEV: ME PDN ACT 1", 0)
	}},
	"data-dead": {"quectel-qc", func(o *on) {
		o.fault("data-dead")
		if d := o.last(); !d.Up || d.Forwards {
			o.Errorf("data plane %+v", d)
		}
		o.h.want("AT+CGACT?", "+CGACT: 1,1", "OK")
	}},
	"clock-nonsense": {"quectel-qc", func(o *on) { o.fault("clock-nonsense"); o.h.has("AT+CCLK?", `+CCLK: "70/01/01`) }},

	"urc-storm": {"quectel-qc", func(o *on) {
		o.fault("urc-storm", "3000")
		if n := len(lines(o.h.take(), "")); n != 3000 {
			o.Errorf("%d lines", n)
		}
	}},
	"urc-inside": {"quectel-qc", func(o *on) {
		o.fault("urc-inside")
		o.wantWire("AT+CSQ", "\r\n+CSQ: 24,99\r\n\r\n+CGEV: NW MODIFY 1,0\r\n\r\nOK\r\n")
	}},
	"urc-in-prompt": {"quectel-qc", func(o *on) { o.fault("urc-in-prompt"); o.wantWire("AT+CMGS=17", "\r\n> \r\n+CGEV: NW MODIFY 1,0\r\n") }},
	"double-prompt": {"quectel-qc", func(o *on) { o.fault("double-prompt"); o.wantWire("AT+CMGS=17", "\r\n> \r\n> ") }},
	"data-after-ok": {"quectel-qc", func(o *on) {
		o.fault("data-after-ok")
		o.wantWire("AT", "\r\nOK\r\n\r\n+EEMLTESVC: 1120, 2, 17, 6342, 81, 1650, 1650, 3, 5\r\n")
	}},
	"echo-on": {"quectel-qc", func(o *on) {
		o.fault("echo-on")
		o.wantWire("ATE0", "ATE0\r\r\nOK\r\n")
		o.wantWire("AT", "AT\r\r\nOK\r\n")
	}},
	"echo-off":        {"quectel-qc", func(o *on) { o.h.want("ATE1", "OK"); o.fault("echo-off"); o.wantWire("AT", "\r\nOK\r\n") }},
	"crcrlf":          {"quectel-qc", func(o *on) { o.fault("crcrlf"); o.wantWire("AT+CSQ", "\r\r\n+CSQ: 24,99\r\r\n\r\r\nOK\r\r\n") }},
	"no-leading-crlf": {"quectel-qc", func(o *on) { o.fault("no-leading-crlf"); o.wantWire("AT+CSQ", "+CSQ: 24,99\r\nOK\r\n") }},
	"numeric": {"quectel-qc", func(o *on) {
		o.fault("numeric")
		o.wantWire("AT", "0\r")
		o.wantWire("AT+CSQ", "+CSQ: 24,99\r\n0\r")
		o.wantWire("ATV1", "\r\nOK\r\n")
	}},
	"fragments": {"quectel-qc", func(o *on) {
		o.fault("fragments", "10ms")
		if got := o.wire("AT", 25*time.Millisecond); got != "\r\nO" {
			o.Errorf("after 25 ms: %q", got)
		}
		if got := o.wire("", time.Second); got != "K\r\n" {
			o.Errorf("the rest: %q", got)
		}
	}},
	"bursts": {"quectel-qc", func(o *on) {
		o.fault("bursts")
		if got := o.wire("AT", 299*time.Millisecond); got != "" {
			o.Errorf("early: %q", got)
		}
		time.Sleep(time.Second)
		o.h.send("AT+CSQ\r")
		time.Sleep(100 * time.Millisecond)
		o.m.Deactivate(false)
		time.Sleep(201 * time.Millisecond)
		if got := o.h.take(); !strings.Contains(got, "+CSQ") || !strings.Contains(got, "+CGEV") {
			o.Errorf("burst: %q", got)
		}
	}},
	"delay": {"quectel-qc", func(o *on) {
		o.fault("delay", "5s")
		if got := o.wire("AT", 4900*time.Millisecond); got != "" {
			o.Errorf("early: %q", got)
		}
		o.heard("OK", 200*time.Millisecond)
	}},
	"late": {"quectel-qc", func(o *on) {
		o.fault("late", "6s")
		if got := o.wire("AT+CSQ", 3*time.Second); got != "" {
			o.Errorf("early: %q", got)
		}
		if got := o.wire("AT+CGSN", 3500*time.Millisecond); !strings.HasPrefix(got, "\r\n+CSQ: 24,99\r\n\r\nOK\r\n\r\n860000000000061") {
			o.Errorf("the next answer: %q", got)
		}
	}},
	"urc-truncated": {"quectel-qc", func(o *on) {
		o.fault("urc-truncated")
		o.m.Deactivate(false)
		if got := o.h.take(); got != "\r\n+CGEV: NW PDN " {
			o.Errorf("got %q", got)
		}
	}},
	"garbage": {"quectel-qc", func(o *on) {
		o.fault("garbage")
		if got := o.wire("AT", time.Second); len(got) != 2+25+4 || !strings.HasSuffix(got, "\xffOK\r\n") {
			o.Errorf("got %q", got)
		}
	}},
	"nul": {"quectel-qc", func(o *on) { o.fault("nul"); o.wantWire("AT", "\r\n\x00\x00\x00OK\r\n") }},
	"ff":  {"quectel-qc", func(o *on) { o.fault("ff"); o.wantWire("AT", "\r\n\xff\xff\xfeOK\r\n") }},
	"flood": {"quectel-qc", func(o *on) {
		o.fault("flood")
		if got := o.h.take(); len(got) != 65536 || strings.ContainsAny(got, "\r\n") {
			o.Errorf("%d bytes", len(got))
		}
	}},
	"command-not-support": {"quectel-qc", func(o *on) {
		o.fault("command-not-support")
		o.h.want("AT+NOSUCH", "COMMAND NOT SUPPORT")
		o.h.want("AT", "OK")
	}},

	"diag": {"quectel-qc", func(o *on) {
		o.fault("diag")
		if got := o.h.take(); len(got) < 512 || got[0] != 0x7e {
			o.Errorf("%d bytes", len(got))
		}
		o.wantWire("AT", "")
	}},
	"mute": {"quectel-qc", func(o *on) {
		o.fault("mute", "until=reopen")
		o.wantWire("AT", "")
		if got := o.m.Commands("AT"); got[len(got)-1] != "AT" {
			o.Errorf("it did not read: %q", got)
		}
	}},
	"stuck": {"quectel-qc", func(o *on) {
		o.fault("stuck")
		_ = o.h.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
		if n, err := o.h.conn.Write([]byte("AT\r")); err == nil {
			o.Errorf("took %d bytes", n)
		}
		o.m.Clear("stuck")
		o.wantWire("AT", "\r\nOK\r\n")
	}},
	"eio": {"quectel-qc", func(o *on) {
		o.fault("eio", "count=1")
		o.h.send("AT\r")
		if !o.h.closed() {
			o.Error("the port is still open")
		}
		if err := <-o.h.done; err != nil {
			o.Errorf("Serve: %v", err)
		}
		again := plug(o.T, o.m, 2)
		again.want("AT", "OK")
	}},

	"vanish": {"quectel-qc", func(o *on) { o.fault("vanish"); o.returns(5 * time.Second) }},
	"vanish-tty": {"quectel-qc", func(o *on) {
		before := o.m.Device().Ports[2].Path
		o.fault("vanish-tty", "4")
		o.returns(5 * time.Second)
		if d := o.m.Device(); before != "/dev/ttyUSB2" || d.Ports[2].Path != "/dev/ttyUSB6" || d.Ports[2].Interface != 2 {
			o.Errorf("%s, then %+v", before, d.Ports)
		}
	}},
	"vanish-ids": {"quectel-qc", func(o *on) {
		o.fault("vanish-ids")
		o.returns(5 * time.Second)
		if d := o.m.Device(); d.ID() != "05c6:9008" || len(d.Ports) != 0 {
			o.Errorf("device %+v", d)
		}
	}},
	"vanish-imei": {"quectel-qc", func(o *on) {
		o.fault("vanish-imei", "860000000000999")
		o.returns(5 * time.Second)
		plug(o.T, o.m, 2).has("AT+CGSN", "860000000000999")
	}},
	"same-serial": {"quectel-qc", func(o *on) {
		before := o.m.Device().Serial
		o.fault("same-serial")
		if s := o.m.Device().Serial; before == s || s != "000000000001" {
			o.Errorf("serial %q", s)
		}
	}},
	"slow-reset": {"quectel-qc", func(o *on) {
		o.fault("slow-reset", "20s")
		o.wantSoon("AT+CFUN=1,1", 300*time.Millisecond)
		o.returns(20 * time.Second)
	}},
	"double-enum": {"quectel-qc", func(o *on) {
		o.fault("double-enum")
		o.h.want("AT+CFUN=1,1", "OK")
		time.Sleep(3 * time.Second)
		if d := o.m.Device(); d == nil || d.ID() == "2c7c:0125" || len(d.Ports) != 0 {
			o.Errorf("first as %+v", d)
		}
		time.Sleep(4 * time.Second)
		if d := o.m.Device(); d == nil || d.ID() != "2c7c:0125" || o.back != 2 || o.gone != 2 {
			o.Errorf("then as %+v, vanished %d times, returned %d times", d, o.gone, o.back)
		}
	}},
	"brown-out": {"quectel-qc", func(o *on) {
		o.fault("brown-out", "30s")
		time.Sleep(110 * time.Second) // 30 + 5, 30 + 5, 30 + 5
		if o.gone != 3 || o.back != 3 {
			o.Errorf("vanished %d times, returned %d times", o.gone, o.back)
		}
	}},
	"carrier-stuck": {"quectel-qc", func(o *on) {
		o.fault("carrier-stuck")
		o.m.Deactivate(true)
		if d := o.last(); d.Up || !d.Carrier {
			o.Errorf("data plane %+v", d)
		}
	}},
	"net-first": {"quectel-qc", func(o *on) {
		o.fault("net-first")
		if d := o.m.Device(); len(d.Ports) != 0 || len(d.Nets) != 1 {
			o.Errorf("device %+v", d)
		}
	}},

	"sms-full": {"air780-at", func(o *on) {
		o.fault("sms-full")
		o.h.want("AT+CPMS?", `+CPMS: "SM",10,10,"SM",10,10,"SM",10,10`, "OK")
		o.m.Receive("+8613800000000", "hello")
		if _, waiting := o.m.Stored(); waiting != 1 {
			o.Errorf("%d wait", waiting)
		}
		o.h.want("AT+CMGD=3", "OK", `+CMTI: "SM",3`)
	}},
	"sms-no-index": {"quectel-qc", func(o *on) {
		o.fault("sms-no-index")
		o.m.Receive("+8613800000000", "hello")
		if got := o.h.take(); got != "" {
			o.Errorf("heard %q", got)
		}
		o.h.has("AT+CMGL=4", "+CMGL: 1,0,,")
	}},
	"sms-rejected": {"quectel-qc", func(o *on) {
		o.fault("sms-rejected")
		o.h.raw("AT+CMGS=12", time.Second)
		o.h.send("0001000A8131000000000000C8\x1a")
		o.heard("+CMS ERROR: 500", 3*time.Second)
	}},

	"dhcp-absent": {"quectel-qc", func(o *on) { o.fault("dhcp-absent"); o.dhcp(DHCPNone) }},
	"dhcp-slow": {"quectel-qc", func(o *on) {
		o.fault("dhcp-slow", "12")
		o.dhcp(DHCPSlow)
		if d := o.last(); d.DHCPDelay != 12*time.Second {
			o.Errorf("delay %v", d.DHCPDelay)
		}
	}},
	"dhcp-subnet": {"quectel-qc", func(o *on) {
		o.fault("dhcp-subnet")
		o.dhcp(DHCPSubnet)
		if d := o.last(); d.Lease.String() != "192.168.77.2/24" {
			o.Errorf("lease %v", d.Lease)
		}
	}},
	"dhcp-early": {"quectel-qc", func(o *on) {
		o.m.Deactivate(true)
		o.fault("dhcp-early")
		o.dhcp(DHCPGood)
		if o.last().Up {
			o.Error("up")
		}
	}},
	"dhcp-nak": {"quectel-qc", func(o *on) { o.fault("dhcp-nak"); o.dhcp(DHCPNAK) }},

	"ppp-no-connect":  {"generic-ppp", func(o *on) { o.fault("ppp-no-connect"); o.h.want("ATD*99***1#", "NO CARRIER") }},
	"ppp-lcp-refused": {"generic-ppp", pppRefused},
	"ppp-auth":        {"generic-ppp", pppAuth},
	"ppp-no-echo":     {"generic-ppp", pppNoEcho},
	"ppp-hangup": {"generic-ppp", func(o *on) {
		o.h.has("ATD*99***1#", "CONNECT")
		o.fault("ppp-hangup")
		o.heard("NO CARRIER", 0)
		o.h.want("AT", "OK")
	}},
}

func TestFaults(t *testing.T) {
	for _, f := range Faults() {
		t.Run(f.Name, func(t *testing.T) {
			s, ok := faultScenes[f.Name]
			if !ok {
				t.Fatalf("no scene shows %q", f.Name)
			}
			scene(t, s.id, s.f)
		})
	}
	for name := range faultScenes {
		if _, ok := FaultByName(name); !ok {
			t.Errorf("scene %q is for no fault", name)
		}
	}
}
