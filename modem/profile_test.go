package modem

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func embedded(t *testing.T) Profiles {
	t.Helper()
	ps, err := LoadProfiles("", nil)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

// usb makes a device of an id and the classes of its interfaces; a tty or
// netdev is bound to those of which the driver is one.
func usb(vid, pid uint16, product string, class0 Class, ports, nets []int) Device {
	d := Device{Path: "usb1/1-2", VID: vid, PID: pid, Product: product}
	d.Interfaces = append(d.Interfaces, Interface{Number: 0, Class: class0, Driver: "x"})
	for _, n := range ports {
		d.Ports = append(d.Ports, Port{Path: "/dev/tty" + string(rune('0'+n)), Interface: n, Class: Class{0xff, 0, 0}, Driver: "option1"})
	}
	for _, n := range nets {
		d.Nets = append(d.Nets, Net{Name: "usb" + string(rune('0'+n)), Interface: n, Driver: "cdc_ether"})
	}
	return d
}

// The fifteen families and three fallbacks of the specification, with the ports that it names.
func TestProfileForDevice(t *testing.T) {
	ecm, rndis, rndisAlt, vendor := Class{2, 6, 0}, Class{0xe0, 1, 3}, Class{2, 2, 0xff}, Class{0xff, 0xff, 0xff}
	tests := []struct {
		d    Device
		want string
		at   int // the first port to try, -1 any
	}{
		{usb(0x19d1, 1, "AirM2M Compo", rndis, []int{2, 4, 6}, []int{0}), "air780-at", 2},
		{usb(0x1782, 0x4e00, "", rndis, []int{2, 3}, []int{0}), "air724ug", 3},
		{usb(0x1286, 0x4e3d, "", rndis, nil, []int{0}), "air720", -1},
		{usb(0x2c7c, 0x0125, "EC25", vendor, []int{0, 1, 2, 3}, []int{4}), "quectel-qc", 2},
		{usb(0x2c7c, 0x0125, "EC25", rndis, []int{2, 3, 4, 5}, []int{0}), "quectel-qc-rndis", 4},
		{usb(0x2c7c, 0x0191, "EG91", vendor, []int{0, 1, 2, 3}, []int{4}), "quectel-qc", 2},
		{usb(0x2c7c, 0x0900, "RM500U", vendor, []int{0, 1, 2, 3}, nil), "quectel-qc", 2},
		{usb(0x2c7c, 0x6026, "EC200T", ecm, []int{2, 3, 4}, []int{0}), "quectel-ec200", 2},
		{usb(0x2c7c, 0x0901, "EC200U", ecm, []int{2, 3, 4}, []int{0}), "quectel-ec200", 2},
		{usb(0x2c7c, 0x7777, "EC-new", ecm, []int{2}, []int{0}), "quectel-ec200", 2},
		{usb(0x1e0e, 0x9001, "SimTech", vendor, []int{0, 1, 2, 3, 4}, []int{5}), "simcom-7600", 2},
		{usb(0x1e0e, 0x9011, "SimTech", rndisAlt, []int{2, 3, 4, 5, 7}, []int{0}), "simcom-7600-rndis", 4},
		{usb(0x1e0e, 0x9018, "SimTech", ecm, nil, []int{0}), "simcom-7600-ecm", -1},
		{usb(0x1e0e, 0x9011, "A76XX", rndis, []int{2, 4, 5}, []int{0}), "simcom-a76xx", 4},
		{usb(0x05c6, 0x9330, "A76XX", rndis, []int{2, 4}, []int{0}), "simcom-a76xx", 4},
		{usb(0x1782, 0x4d10, "L610", vendor, []int{0, 5, 6}, nil), "fibocom-l610-ppp", 0},
		{usb(0x1782, 0x4d11, "L610", ecm, []int{2, 7, 8}, []int{0}), "fibocom-l610", 2},
		{usb(0x2cb7, 0x0104, "FM150", vendor, []int{0, 1, 2}, []int{4}), "fibocom-qc", 1},
		{usb(0x2cb7, 0x01a0, "NL668", ecm, []int{2, 3}, []int{0}), "fibocom-qc-01a0", 2},
		{usb(0x0e8d, 0x7127, "FM350", rndis, []int{2, 4}, []int{0}), "fibocom-mtk", 2},
		{usb(0x12d1, 0x15c1, "ME909s", vendor, []int{0, 1}, []int{2}), "huawei-ndis", -1},
		{usb(0xdead, 0xbeef, "?", ecm, []int{2}, []int{0}), "generic-net", 2},
		{usb(0xdead, 0xbeef, "HiLink", ecm, nil, []int{0}), "netonly", -1},
		{usb(0xdead, 0xbeef, "?", vendor, []int{1}, nil), "generic-ppp", 1},
		{Device{Ports: []Port{{Path: "/dev/ttyS1"}}}, "generic-ppp", 0},
	}
	ps := embedded(t)
	for _, tt := range tests {
		p := ps.For(tt.d)
		if p.ID != tt.want {
			t.Errorf("%s %s: profile %s, want %s", tt.d.ID(), tt.d.Product, p.ID, tt.want)
		}
		if ports := p.PortsInOrder(tt.d.Ports); tt.at >= 0 && (len(ports) == 0 || ports[0].Interface != tt.at) {
			t.Errorf("%s %s: ports %v, want interface %d first", tt.d.ID(), p.ID, ports, tt.at)
		}
		for _, port := range p.PortsInOrder(tt.d.Ports) {
			if slices.Contains(p.Avoid, port.Interface) {
				t.Errorf("%s: interface %d gets bytes and must not", p.ID, port.Interface)
			}
		}
	}
	for _, id := range []string{"air780-at", "air780-luatos", "air724ug", "air720", "ec618-ref", "quectel-qc", "quectel-ec200", "simcom-7600",
		"simcom-7600-rndis", "simcom-7600-ecm", "simcom-a76xx", "fibocom-l610", "fibocom-qc", "fibocom-mtk", "huawei-ndis",
		"generic-net", "netonly", "generic-ppp"} {
		if _, ok := ps.ByID(id); !ok {
			t.Errorf("family %s is missing", id)
		}
	}
}

func TestRefine(t *testing.T) {
	air := usb(0x19d1, 1, "EigenComm Compo", Class{0xe0, 1, 3}, []int{2, 4, 6}, []int{0})
	qc := usb(0x2c7c, 0x0125, "EC25", Class{0xe0, 1, 3}, []int{2, 3, 4, 5}, []int{0})
	simcom := usb(0x1e0e, 0x9011, "", Class{2, 2, 0xff}, []int{2, 4, 5}, []int{0})
	uart := Device{Ports: []Port{{Path: "/dev/ttyS1"}}}
	tests := []struct {
		d           Device
		model, want string
	}{
		{air, "AirM2M Air780E V1011", "air780-at"},
		{air, "Lierda NT26-FCN", "ec618-ref"},
		{air, "something new", "air780-at"},
		{qc, "Quectel EC25 EC25EFAR06A", "quectel-qc-rndis"}, // keeps the composition
		{simcom, "SIMCOM INCORPORATED A7670E", "simcom-a76xx"},
		{simcom, "SIMCOM_SIM7600E-H", "simcom-7600-rndis"},
		{uart, "Quectel EC200T", "quectel-ec200"},
		{uart, "Quectel EC20F", "quectel-qc"},
		{uart, "unheard of", "generic-ppp"},
	}
	ps := embedded(t)
	for _, tt := range tests {
		first := ps.For(tt.d)
		p := ps.Refine(first, tt.d, tt.model)
		if p.ID != tt.want {
			t.Errorf("%s says %q: profile %s, want %s", tt.d.ID(), tt.model, p.ID, tt.want)
		}
		if tt.d.VID == 0 && p.ID != "generic-ppp" && (len(p.AT) != 0 || p.PPP != -1 || len(p.Avoid) != 0) {
			t.Errorf("%q on a UART: USB interfaces %v %v %d of %s were taken over", tt.model, p.AT, p.Avoid, p.PPP, p.ID)
		}
	}
	if p := ps.WithoutAT(ps.For(air), air); p.ID != "air780-luatos" {
		t.Errorf("no AT on %s: profile %s", air.ID(), p.ID)
	}
	hilink := usb(0xdead, 1, "", Class{2, 6, 0}, []int{2}, []int{0})
	if p := ps.WithoutAT(ps.For(hilink), hilink); p.ID != "netonly" {
		t.Errorf("no AT on %s: profile %s", hilink.ID(), p.ID)
	}
}

func TestNewID(t *testing.T) {
	d := usb(0xdead, 0xbeef, "", Class{2, 6, 0}, nil, []int{0})
	d.Interfaces = append(d.Interfaces, Interface{Number: 2, Class: Class{0xff, 0, 0}})
	ps := embedded(t)
	if p := ps.For(d); p.ID != "generic-net" || !p.NewID {
		t.Errorf("an unknown modem with an unbound port: %s, new_id %v", p.ID, p.NewID)
	}
	d.Interfaces[1].Class = Class{0xff, 0x42, 1} // the debug port of a telephone
	if p := ps.For(d); p.ID != "netonly" || p.NewID {
		t.Errorf("a telephone: %s, new_id %v", p.ID, p.NewID)
	}
}

func TestDialPort(t *testing.T) {
	ps := embedded(t)
	ports := usb(0x2c7c, 0x0125, "", Class{0xff, 0xff, 0xff}, []int{2, 3}, nil).Ports
	qc, _ := ps.ByID("quectel-qc")
	if p := qc.DialPorts(ports, ports[0].Path); len(p) != 1 || p[0].Interface != 3 {
		t.Errorf("EC25 dials on %v", p)
	}
	generic, _ := ps.ByID("generic-ppp")
	if p := generic.DialPorts(ports, ports[0].Path); len(p) != 2 || p[1].Path != ports[0].Path {
		t.Errorf("two ports: not the main one last, %v", p)
	}
	if p := generic.DialPorts(ports[:1], ports[0].Path); len(p) != 1 {
		t.Errorf("one port: %v", p)
	}
	l610, _ := ps.ByID("fibocom-l610")
	list6 := []Port{{Path: "a", Interface: 2}, {Path: "b", Interface: 3}, {Path: "c", Interface: 6}, {Path: "d", Interface: 7}, {Path: "e", Interface: 8}}
	if p := l610.DialPorts(list6, "a"); p[0].Path != "e" || p[1].Path != "d" || p[4].Path != "a" {
		t.Errorf("L610: %v, want the known ports first, the main one last", p)
	}
	huawei, _ := ps.ByID("huawei-ndis")
	list := []Port{{Path: "a", Interface: 0, Class: Class{0xff, 2, 0x10}}, {Path: "b", Interface: 1, Class: Class{0xff, 2, 0x13}},
		{Path: "c", Interface: 2, Class: Class{0xff, 2, 0x12}}}
	var order []string
	for _, p := range huawei.PortsInOrder(list) {
		order = append(order, p.Path)
	}
	if want := []string{"c", "a"}; !slices.Equal(order, want) {
		t.Errorf("Huawei's ports by protocol: %v, want %v", order, want)
	}
}

// A placeholder that Expand does not know, or a bracket that does not close, must not reach a modem.
func TestEveryCommandExpands(t *testing.T) {
	v := Values{CID: 1, Access: DataAccess{APN: "cmnet", User: "u", Password: "p", Auth: "pap"}, Mode: "1", Bands: "3", Slot: 1}
	for _, p := range embedded(t).All() {
		list := slices.Concat(p.Init, p.Start, p.Stop, p.HangUp, p.Modes.Set, p.Reset, p.ICCID, p.Signal, p.Cells, p.Tries,
			[]string{p.Check, p.Auth, p.DNS, p.Dial, p.Cell, p.Temperature, p.Bands, p.Slot, p.Modes.Query, p.Modes.Reset})
		for _, c := range p.RAT {
			list = append(list, c)
		}
		for _, template := range list {
			if s := p.Expand(template, v); strings.ContainsAny(s, "{}[]") || strings.HasPrefix(s, "AT") {
				t.Errorf("%s: %q becomes %q", p.ID, template, s)
			}
		}
		for _, step := range p.InitSteps() {
			if len(step) == 0 || step[0].Timeout == 0 {
				t.Errorf("%s: an empty step of the start", p.ID)
			}
		}
	}
}

func TestExpand(t *testing.T) {
	ps := embedded(t)
	none := DataAccess{APN: "internet"}
	creds := DataAccess{APN: "corp", User: `u"1`, Password: `a\b`, Auth: "chap", PDPType: "IPV4V6"}
	tests := []struct {
		profile, template string
		access            DataAccess
		want              string
	}{
		{"huawei-ndis", "start", none, `^NDISDUP=1,1,"internet"`},
		{"huawei-ndis", "start", creds, `^NDISDUP=1,1,"corp","u\221","a\5Cb",2`},
		{"quectel-ec200", "start", none, `+QICSGP=1,1,"internet","","",0`},
		{"quectel-ec200", "start", DataAccess{User: "u", Password: "p"}, `+QICSGP=1,1,"","u","p",3`},
		{"generic-net", "auth", none, `+CGAUTH=1,0`},
		{"generic-net", "auth", DataAccess{User: "u", Password: "p"}, `+CGAUTH=1,2,"u","p"`},
		{"generic-net", "dial", none, `D*99***1#`},
		{"generic-net", `+CGDCONT={cid},"{pdp}","{apn}"`, creds, `+CGDCONT=1,"IPV4V6","corp"`},
		{"generic-net", `+CGDCONT={cid},"{pdp}","{apn}"`, DataAccess{APN: "a\r\nATD112;"}, `+CGDCONT=1,"IP","a\0D\0AATD112;"`},
	}
	for _, tt := range tests {
		p, _ := ps.ByID(tt.profile)
		template := tt.template
		switch template {
		case "start":
			template = p.Start[0]
		case "auth":
			template = p.Auth
		case "dial":
			template = p.Dial
		}
		c := p.Command(template, Values{CID: 1, Access: tt.access})
		if c.Text != tt.want {
			t.Errorf("%s: %q, want %q", tt.profile, c.Text, tt.want)
		}
		if tt.access.Password != "" && strings.Contains(template, "{password}") && !c.Secret {
			t.Errorf("%s: %s is not secret", tt.profile, c)
		}
	}
}

func TestNewCommand(t *testing.T) {
	for _, tt := range []struct {
		text   string
		prefix string
		secs   int
		flags  string
	}{
		{"+CSQ", "+CSQ", 3, ""},
		{"+COPS?", "+COPS", 3, ""},
		{"+COPS=?", "+COPS", 315, ""},
		{"+COPS=0", "+COPS", 120, ""},
		{"+CGSN", "", 3, ""},
		{"I", "", 3, ""},
		{"D*99***1#", "", 180, "dial"},
		{"+CGACT=1,1", "+CGACT", 180, ""},
		{"+CGACT=0,1", "+CGACT", 45, ""},
		{"+CFUN=1,1", "+CFUN", 15, "resets"},
		{"+CFUN=4", "+CFUN", 15, ""},
		{`+CPIN="1234"`, "+CPIN", 5, "secret"},
		{"+CPIN?", "+CPIN", 3, ""},
		{`+CGAUTH=1,1,"u","p"`, "+CGAUTH", 3, "secret"},
		{`+CSIM=10,"0020000100"`, "+CSIM", 3, ""},
		{`+CSIM=26,"002000010831323334FFFFFFFF"`, "+CSIM", 3, "secret"},
		{"+CMGL=4", "", 5, ""},
		{"+CGATT=0", "+CGATT", 140, ""},
	} {
		c := NewCommand(tt.text)
		var flags []string
		for name, on := range map[string]bool{"dial": c.Dial, "resets": c.Resets, "secret": c.Secret} {
			if on {
				flags = append(flags, name)
			}
		}
		if c.Prefix != tt.prefix || int(c.Timeout.Seconds()) != tt.secs || strings.Join(flags, ",") != tt.flags {
			t.Errorf("%s: prefix %q, %v, %v", tt.text, c.Prefix, c.Timeout, flags)
		}
		if p := (Profile{}).Command(tt.text, Values{}); p != c {
			t.Errorf("%s: a profile makes %+v of it", tt.text, p)
		}
		if tt.flags == "secret" && strings.Contains(c.String(), "\"") {
			t.Errorf("%s shows as %s", tt.text, c)
		}
	}
}

func TestModes(t *testing.T) {
	ps := embedded(t)
	for _, tt := range []struct {
		profile string
		lines   []string
		want    string
	}{
		{"quectel-qc", []string{`+QCFG: "usbnet",1`}, "ecm"},
		{"quectel-qc", []string{`+QCFG: "usbnet",7`}, ""},
		{"air724ug", []string{"mode: 2", "Vid: 0x1782", "Pid: 0x4e00"}, "ecm"},
		{"air780-at", []string{"+RNDISCALL:1"}, "rndis"},
		{"ec618-ref", []string{`+ECPCFG: "usbCtrl":0,"usbNet":1`}, "ecm"},
		{"ec618-ref", []string{`+ECPCFG: "usbCtrl",0,"usbNet",0`}, "rndis"},
		{"simcom-a76xx", []string{`$MYCONFIG: "usbnetmode",0,1`}, "rndis"},
		{"simcom-7600", []string{"+CUSBPIDSWITCH: 9011"}, "rndis"},
		{"fibocom-l610", []string{"+GTUSBMODE: 32"}, "ecm"},
		{"fibocom-l610", []string{"ERROR"}, ""},
	} {
		p, _ := ps.ByID(tt.profile)
		mode, ok := p.Modes.Mode(tt.lines)
		if ok != (tt.want != "") || ok && mode != tt.want {
			t.Errorf("%s %q: mode %q %v, want %q", tt.profile, tt.lines, mode, ok, tt.want)
		}
	}
}

// "go run ./modem/gen" was run after the last change of profiles.toml.
func TestProfilesAreFresh(t *testing.T) {
	source, err := os.ReadFile("profiles.toml")
	if err != nil {
		t.Fatal(err)
	}
	packed, err := unpacked(profilesGZ)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(source), string(packed)); diff != "" {
		t.Errorf("profiles.gz is old; go run ./modem/gen (-want +got):\n%s", diff)
	}
}

func TestUserProfiles(t *testing.T) {
	ps, err := LoadProfiles("my.toml", []byte(`
[[profile]]
id = "mine"
like = "quectel-ec200"
match = [{ id = "2c7c:0125", product = "special" }]
cid = 2

[[profile]]
id = "quectel-ec200"
like = "quectel-ec200"
start = []
`))
	if err != nil {
		t.Fatal(err)
	}
	d := usb(0x2c7c, 0x0125, "a Special one", Class{2, 6, 0}, nil, []int{0})
	p := ps.For(d)
	if p.ID != "mine" || p.CID != 2 || len(p.Start) != 2 {
		t.Errorf("%+v", p)
	}
	// a maker's any-device profile with more conditions does not outrank a named device
	wide, err := LoadProfiles("my.toml", []byte("[[profile]]\nid = 'wide'\nlike = 'generic-net'\nmatch = [{ id = '2c7c:*', class = '02/06/00', product = 'special' }]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p := wide.For(d); p.ID != "quectel-qc" {
		t.Errorf("profile %s", p.ID)
	}
	d.PID = 0x9999
	if p := wide.For(d); p.ID != "wide" {
		t.Errorf("profile %s", p.ID)
	}
	if p, _ := ps.ByID("quectel-ec200"); p.Dialling() || p.Check == "" {
		t.Errorf("start is %q, check %q", p.Start, p.Check)
	}
	if n, m := len(ps.All()), len(embedded(t).All()); n != m+1 {
		t.Errorf("%d profiles, want %d", n, m+1)
	}
}

func TestBadUserProfiles(t *testing.T) {
	const head = "[[profile]]\nid = 'x'\nlike = 'generic-net'\n"
	for _, tt := range []struct{ text, want string }{
		{head + "colour = 1\n", "my.toml:4: profile.colour: there is no such key"},
		{head + "cid = 99\n", "my.toml:4: cid: 99 is not from 0 to 16"},
		{head + "\ncid = 'a'\n", "my.toml:5: profile.cid: the value is of the wrong type"},
		{head + "match = [{ id = 'bad' }]\n", `my.toml:4: match: "bad" is not an id such as "2c7c:0125" or "2c7c:*"`},
		{head + "match = [{ id = '2c7c:*', class = 'ff' }]\n", `my.toml:4: match: "ff" is not a class such as "02/02/ff"`},
		{head + "planes = ['pigeon']\n", `my.toml:4: planes: "pigeon" is none of netdev, ppp, qmi, mbim`},
		{head + "modes = { values = { usb = '1' } }\n", `my.toml:4: modes: "usb" is none of ecm, rndis, ncm, qmi, mbim`},
		{"[[profile]]\nid = 'x'\nlike = 'nothing'\n", `my.toml:3: like: there is no profile "nothing" above`},
		{"[[profile]]\nlike = 'generic-net'\n", "my.toml:1: id: is missing"},
		{head + "[[profile]]\nid = 'x'\nlike = 'netonly'\n", `my.toml:5: id: "x" is there twice`},
		{"[[profile]]\nid = 'x'\n", "my.toml:1: planes: at least one is needed"},
	} {
		ps, err := LoadProfiles("my.toml", []byte(tt.text))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
		if diff := cmp.Diff(len(embedded(t).All()), len(ps.All())); diff != "" {
			t.Errorf("a bad file changes the profiles (-want +got):\n%s", diff)
		}
	}
	if _, err := LoadProfiles("my.toml", []byte("[[profile]\n")); err == nil || !strings.HasPrefix(err.Error(), "my.toml:1: ") {
		t.Errorf("syntax: %v", err)
	}
}
