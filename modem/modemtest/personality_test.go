package modemtest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// talks are what each personality is known for: a command and a line of its
// answer, from the sources that it names, with the emulator's own values.
var talks = map[string][][2]string{
	"air780-at": {
		{"ATI", "AirM2M_780EPV_V1011_LTE_AT"}, {"AT+CEREG?", "+CGREG: 0,1"}, {"AT+CBC", "+CBC: 3864"},
		{"AT+RNDISCALL?", "+RNDISCALL:1"}, {"AT+CEER", "+CME ERROR: operation not supported"}, {"AT+CPMS?", `+CPMS: "SM",0,10,"SM",0,10,"SM",0,10`},
	},
	"air724ug": {
		{"ATI", "LuatOS-Air_V4032_RDA8910_TTS_NOLVGL_FLOAT"}, {"AT+CGMI", `+CGMI: ""`}, {"AT+CGMM", `+CGMM: "Air724UG"`},
		{"AT+CGACT?", "+CGACT: 5, 1"}, {"AT+CGPADDR=5", `+CGPADDR: 5,"IPV4:10.32.140.11"`}, {"AT+CBC", "+CBC: 1,84,3864"},
		{"AT+SETUSB?", "mode: 2"}, {"AT+SETUSB?", "Vid: 0x1782"}, {"AT+EEMGINFO?", "+EEMLTESVC: 1120, 2, 17, 6699, 81, 1650, 1650, 3, 5, 169552957, 65535, 51, 20, 6"},
		{"AT+CCED=0,1", "+CCED:LTE current cell:460,00,460000000000017,0,3,n100,1650,169552957,51,20,6699,3,81"},
		{"AT+CCED", "+CME ERROR: 3"}, {"AT+CPMS?", `+CPMS: "SM",0,40,"SM",0,40,"SM",0,40`}, {"AT+CESQ", "+CESQ: 99,99,255,255,20,51"},
		{"AT+COPS?", `+COPS: 0,2,"46000",7`}, {"AT+ICCID", "+ICCID: 89860000000000000017"},
	},
	"air720":    {{"AT+CGMM", "Air720SL"}, {"AT+RNDISCALL?", "+RNDISCALL: 1"}},
	"ec618-ref": {{"AT+ECNETDEVCTL?", "+ECNETDEVCTL: 0,1,1,0"}, {"AT+ECPCFG?", `+ECPCFG: "faultAction":0,"usbCtrl":0,"usbNet":0`}, {"AT+ICCID", "+CME ERROR: 4"}, {"AT+CCID", "+CCID: 89860000000000000017"}},
	"quectel-qc": {
		{`AT+QENG="servingcell"`, `+QENG: "servingcell","NOCONN","LTE","FDD",460,00,A1B2C3D,81,1650,3,5,5,1A2B,-90,-10,-65,171,-`},
		{"AT+QTEMP", "+QTEMP: 38,35,34"}, {"AT+QCFG=\"usbnet\"", `+QCFG: "usbnet",1`}, {"AT+QPINC?", `+QPINC: "SC",3,10`}, {"AT+QCCID", "+QCCID: 89860000000000000017"},
		{"AT+QNETDEVCTL?", "+QNETDEVCTL: 0,1,1,1"},
	},
	"quectel-ec200":     {{"AT+QNETDEVCTL?", "+QNETDEVCTL: 0,1,1,0"}, {"AT+QNETDEVCTL=?", "+QNETDEVCTL: (0-3),(1-15),(0,1)"}, {"AT+QTEMP", `+QTEMP: "soc_therm","38"`}},
	"simcom-7600":       {{"AT+CPSI?", "+CPSI: LTE,Online,460-00,0x1A2B,169552957,81,EUTRAN-BAND3,1650,5,5,-100,-900,-650,14"}, {"AT+CUSBPIDSWITCH?", "+CUSBPIDSWITCH: 9001"}, {"AT+CBC", "+CBC: 3.864V"}, {"AT+CPMUTEMP", "+CPMUTEMP: 38"}},
	"simcom-7600-rndis": {{"AT+CUSBPIDSWITCH?", "+CUSBPIDSWITCH: 9011"}, {"AT+CICCID", "+ICCID: 89860000000000000017"}},
	"simcom-7600-ecm":   {{"AT+CUSBPIDSWITCH?", "+CUSBPIDSWITCH: 9018"}},
	"simcom-a76xx":      {{"AT+DIALMODE?", "+DIALMODE: 0"}, {"AT$MYCONFIG?", `$MYCONFIG: "usbnetmode",0`}},
	"fibocom-l610":      {{"AT+GTRNDIS?", "+GTRNDIS: 0"}, {"AT+GTUSBMODE?", "+GTUSBMODE: 32"}, {"AT+MTSM=1", "+MTSM: 38"}, {"AT+CPINR", "ERROR"}, {"AT+GTCCINFO?", "1,4,460,00,1A2B,0A1B2C3D,1650,81,3,100,28,51,51,20"}},
	"fibocom-qc":        {{"AT+GTUSBMODE?", "+GTUSBMODE: 18"}, {"AT+CGMM", "FM150-AE-00"}},
	"fibocom-mtk":       {{"AT+GTDNS=0", `+GTDNS: 0,"192.0.2.53","192.0.2.54"`}, {"AT+CGACT?", "+CGACT: 1,1"}},
	"huawei-ndis": {
		{"AT^NDISSTATQRY?", `^NDISSTATQRY: 0,,,"IPV4",0,,,"IPV6"`}, {"AT^CPIN?", "^CPIN: READY,,10,3,10,3"}, {"AT^HCSQ?", `^HCSQ: "LTE",56,51,171,20`},
		{"AT^ICCID?", "^ICCID: 89860000000000000017"}, {"AT^CHIPTEMP?", "^CHIPTEMP: 380,380,65535,35,65535"}, {"AT^MONSC", "^MONSC: LTE,460,00,1650,A1B2C3D,51,1A2B,-90,-10,-65"},
	},
	"generic-net": {{"AT+CEREG?", "+CEREG: 0,1"}, {"AT+CPINR", "+CPINR: SIM PIN,3,3"}, {"AT+QCFG=\"usbnet\"", "ERROR"}},
	"generic-ppp": {{"AT+CEREG?", "+CEREG: 0,1"}, {"AT+CCID", "+CCID: 89860000000000000017"}},
}

func TestPersonalitiesTalkAsTheySay(t *testing.T) {
	for _, p := range Personalities() {
		t.Run(p.ID, func(t *testing.T) {
			if !p.AT() {
				return
			}
			if len(talks[p.ID]) == 0 {
				t.Fatal("nothing is known of it")
			}
			scene(t, p.ID, func(o *on) {
				for _, talk := range talks[p.ID] {
					if got := o.h.ask(talk[0]); !slices.Contains(got, talk[1]) {
						o.Errorf("%s: got %q, want %q", talk[0], got, talk[1])
					}
				}
			})
		})
	}
}

// starts are the commands that bring data up where it does not come by itself.
var starts = map[string]string{
	"ec618-ref": "AT+ECNETDEVCTL=3,1,1", "quectel-ec200": "AT+QNETDEVCTL=1,1,1", "simcom-7600": "AT$QCRMCALL=1,1",
	"fibocom-l610": "AT+GTRNDIS=1,1", "fibocom-qc": "AT+GTRNDIS=1,1", "fibocom-mtk": "AT+CGACT=1,0", "huawei-ndis": `AT^NDISDUP=1,1,"cmnet"`,
}

var stops = map[string]string{
	"ec618-ref": "AT+ECNETDEVCTL=0,1", "quectel-ec200": "AT+QNETDEVCTL=0,1,0", "simcom-7600": "AT$QCRMCALL=0,1",
	"fibocom-l610": "AT+GTRNDIS=0,1", "fibocom-qc": "AT+GTRNDIS=0,1", "fibocom-mtk": "AT+CGACT=0,0", "huawei-ndis": "AT^NDISDUP=1,0",
	"air724ug": "AT+RNDISCALL=0,0", "simcom-a76xx": "AT+DIALMODE=1",
}

// Every personality with a netdev gets data up by what its vendor says, down by
// its stop command, and only the self-dialling ones without a command.
func TestPersonalitiesBringDataUp(t *testing.T) {
	for _, p := range Personalities() {
		if p.Driver() == "" {
			continue
		}
		t.Run(p.ID, func(t *testing.T) {
			scene(t, p.ID, func(o *on) {
				time.Sleep(5 * time.Second)
				start, commanded := starts[p.ID]
				if up := o.m.Data().Up; up == commanded {
					o.Fatalf("up without a command: %v", up)
				}
				if commanded {
					o.h.has(start, "OK")
				}
				d := o.m.Data()
				if !d.Up || !d.Forwards || !d.Carrier || !d.Addr4.IsValid() {
					o.Fatalf("data plane %+v", d)
				}
				if want := p.Compositions[0].AddressStatic; (d.DHCP == DHCPNone) != want {
					o.Errorf("DHCP %q, static %v", d.DHCP, want)
				}
				if stop := stops[p.ID]; stop != "" {
					o.h.has(stop, "OK")
					if o.last().Up {
						o.Error("still up")
					}
				}
			})
		})
	}
}

// The tables agree with themselves: ids, ports, classes, sets.
func TestPersonalitiesAreWhole(t *testing.T) {
	imei := map[string]string{}
	for _, p := range Personalities() {
		if other := imei[p.IMEI]; other != "" || len(p.IMEI) != 15 {
			t.Errorf("%s: IMEI %q, also of %q", p.ID, p.IMEI, other)
		}
		imei[p.IMEI] = p.ID
		if p.Source == "" || len(p.Compositions) == 0 {
			t.Errorf("%s: no source or no composition", p.ID)
		}
		for _, set := range p.Sets {
			if vendorSets[set] == nil {
				t.Errorf("%s: no command set %q", p.ID, set)
			}
		}
		for key, words := range p.Answers {
			if strings.ContainsAny(key, "{}") || strings.Contains(words, "{") && !strings.Contains(words, "}") {
				t.Errorf("%s: %q: %q", p.ID, key, words)
			}
		}
		for _, c := range p.Compositions {
			seen := map[int]bool{}
			if c.Net.Driver != "" {
				seen[c.Net.Interface] = true
			}
			for _, port := range c.Ports {
				if seen[port.Interface] {
					t.Errorf("%s %s: interface %d twice", p.ID, c.Mode, port.Interface)
				}
				seen[port.Interface] = true
			}
			if c.Gateway != "" {
				netip.MustParseAddr(c.Gateway)
			}
		}
	}
	if len(Personalities()) != 18 {
		t.Errorf("%d personalities", len(Personalities()))
	}
}

// No {field} reaches the wire.
func TestAnswersHaveNoPlaceholderLeft(t *testing.T) {
	for _, p := range Personalities() {
		m := New(p, Options{Clock: frozen})
		for key, words := range p.Answers {
			m.lock()
			got := m.expandLocked(words)
			m.unlock()
			if strings.ContainsAny(got, "{}") {
				t.Errorf("%s: %s: %q", p.ID, key, got)
			}
		}
	}
}

// A mode switch is written, takes effect with the next boot, and changes what
// the bus shows.
func TestModeSwitchReenumerates(t *testing.T) {
	for _, tt := range []struct {
		id, cmd, reset, driver, device string
		ports                          []int
	}{
		{"quectel-qc", `AT+QCFG="usbnet",3`, "AT+CFUN=1,1", "rndis_host", "2c7c:0125", []int{2, 3, 4, 5}},
		{"air780-at", "", "AT+RESET", "rndis_host", "19d1:0001", []int{2, 4, 6}},
		{"air724ug", "AT+SETUSB=1", "AT+RESET", "rndis_host", "1782:4e00", []int{2, 3, 4}},
		{"ec618-ref", `AT+ECPCFG="usbNet",1`, "AT+ECRST", "cdc_ether", "19d1:0001", []int{2, 4, 6}},
		{"simcom-7600", "", "AT+CUSBPIDSWITCH=9011,1,1", "rndis_host", "1e0e:9011", []int{2, 3, 4, 5, 7}},
		{"simcom-a76xx", `AT$MYCONFIG="usbnetmode",1`, "AT+CRESET", "cdc_ether", "1e0e:9011", []int{2, 3, 4, 5}},
		{"fibocom-l610", "AT+GTUSBMODE=31", "AT+CFUN=15", "", "1782:4d10", []int{0, 1, 2, 3, 4, 5, 6}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			scene(t, tt.id, func(o *on) {
				before := o.m.Device()
				if tt.cmd != "" {
					o.h.has(tt.cmd, "OK")
				}
				if d := o.m.Device(); len(d.Ports) != len(before.Ports) || d.ID() != before.ID() {
					o.Errorf("changed before the reset: %+v", d)
				}
				o.h.send(tt.reset + "\r")
				time.Sleep(10 * time.Second)
				d := o.m.Device()
				var ports []int
				for _, p := range d.Ports {
					ports = append(ports, p.Interface)
				}
				driver := ""
				if len(d.Nets) > 0 {
					driver = d.Nets[0].Driver
				}
				if d.ID() != tt.device || driver != tt.driver || !slices.Equal(ports, tt.ports) {
					o.Errorf("device %s, netdev %q, ports %v", d.ID(), driver, ports)
				}
				if c := o.m.Counters(); c.Resets != 1 || o.back != 1 {
					o.Errorf("resets %d, returned %d times", c.Resets, o.back)
				}
			})
		})
	}
}
