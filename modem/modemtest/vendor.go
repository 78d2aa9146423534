package modemtest

import (
	"fmt"
	"strings"
	"time"
)

// vendorSets are the command sets beyond 3GPP, by name.
var vendorSets = map[string]map[string]handler{
	"air780":  {"+RNDISCALL": rndiscall780, "+SETUSB": setusb, "+RESET": reset, "+CBC": func(k *call) result { return okf("+CBC: %d", k.m.net.supplymV) }},
	"air724":  {"+RNDISCALL": rndiscall724, "+SETUSB": setusb, "+RESET": reset},
	"ec":      {"+ECPCFG": ecpcfg, "+ECNETCFG": ecnetcfg, "+ECNETDEVCTL": netdevctl("+ECNETDEVCTL"), "+ECRST": reset},
	"quectel": {"+QNETDEVCTL": netdevctl("+QNETDEVCTL"), "+QCFG": qcfg, "+QPINC": qpinc, "+QCCID": iccid("+QCCID: "), "+QICSGP": qicsgp, "+QPOWD": reset},
	"simcom":  {"+CUSBPIDSWITCH": cusbpidswitch, "$QCRMCALL": qcrmcall, "+CRESET": reset, "+SPIC": spic},
	"a76xx":   {"+DIALMODE": dialmode, "$MYCONFIG": myconfig, "+CRESET": reset, "+SPIC": spic},
	"fibocom": {"+GTUSBMODE": gtusbmode, "+GTRNDIS": gtrndis, "+MGAUTH": cgauth, "+CFUN": cfun15},
	"fm350":   {"+GTUSBMODE": gtusbmode, "+GTDNS": gtdns, "+CFUN": cfun15},
	"huawei":  {"^NDISDUP": ndisdup, "^NDISSTATQRY": ndisstatqry, "^DHCP": dhcpHuawei, "^AUTHDATA": cgauth, "^CPIN": cpinHuawei, "^SETPORT": setport, "^ICCID": iccid("^ICCID: "), "^RESET": reset},
}

func reset(k *call) result { return k.reset() }

// flash is a setting that outlives a reset.
func (m *Modem) flash(key, def string) string {
	if v, ok := m.vendor[key]; ok {
		return v
	}
	return def
}

// modeLocked notes another USB composition for the next boot; false if there is none.
func (m *Modem) modeLocked(mode string) bool {
	if _, found := m.pers.composition(mode); !found {
		return false
	}
	if m.next != mode {
		m.next = mode
		m.count.ModeSwitches++
	}
	return true
}

// bindLocked ties the netdev to a context or unties it.
func (m *Modem) bindLocked(cid int, on bool) int {
	if !on {
		m.bound = false
		m.cureLocked("data", nil)
		m.dataLocked()
		return 0
	}
	m.count.DataStarts++
	if code := m.activateLocked(cid); code != 0 {
		return code
	}
	m.bound = true
	m.dataLocked()
	return 0
}

// autodialLocked says whether flash says to dial at every registration.
func (m *Modem) autodialLocked() bool {
	return m.flash("autodial", "0") == "1"
}

func rndiscall780(k *call) result {
	if k.op == "?" {
		return ok("+RNDISCALL:" + k.m.flash("rndiscall", "1"))
	}
	k.m.vendor["rndiscall"] = k.str(0)
	return ok()
}

// rndiscall724: <on>,<keep over reboot>.
func rndiscall724(k *call) result {
	m := k.m
	if k.op == "?" {
		return ok("+RNDISCALL: " + boolText(m.bound))
	}
	on := k.num(0, 0) == 1
	if k.num(1, 0) == 1 {
		m.vendor["autodial"] = k.str(0)
	}
	return k.bind(m.pers.CID, on)
}

// bind answers for a bearer command.
func (k *call) bind(cid int, on bool) result {
	return result{delay: k.m.pace.Activate, then: func() result {
		if code := k.m.bindLocked(cid, on); code != 0 {
			return k.cme(code)
		}
		return ok()
	}}
}

func boolText(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// setusb: 1 RNDIS, 2 ECM; the answer has lines without a prefix.
func setusb(k *call) result {
	m := k.m
	modes := map[string]string{"1": "rndis", "2": "ecm"}
	if k.op == "?" {
		c, _ := m.pers.composition(m.comp)
		mode := "1"
		if m.comp == "ecm" {
			mode = "2"
		}
		return ok("mode: "+mode, fmt.Sprintf("Vid: 0x%04X", c.VID), fmt.Sprintf("Pid: 0x%04X", c.PID))
	}
	if !m.modeLocked(modes[k.str(0)]) {
		return k.cme(50)
	}
	return ok()
}

// ecpcfg: "usbNet" 0 RNDIS, 1 ECM; "usbCtrl" 2 would take the bus away.
func ecpcfg(k *call) result {
	m := k.m
	if k.op == "?" {
		return okf(`+ECPCFG: "faultAction":0,"usbCtrl":%s,"usbNet":%s`, m.flash("usbCtrl", "0"), boolText(m.next == "ecm"))
	}
	switch k.str(0) {
	case "usbNet":
		if !m.modeLocked(map[string]string{"0": "rndis", "1": "ecm"}[k.str(1)]) {
			return k.cme(50)
		}
	case "usbCtrl":
		m.vendor["usbCtrl"] = k.str(1)
	default:
		return k.cme(50)
	}
	return ok()
}

func ecnetcfg(k *call) result {
	if k.op == "?" {
		return ok(`+ECNETCFG: "nat",1,"192.168.10.2"`)
	}
	return ok()
}

// netdevctl is +QNETDEVCTL and +ECNETDEVCTL: <op>,<cid>,<urc>; op 0 off, 1
// once, 2 anew, 3 always; read: …,<state>.
func netdevctl(name string) handler {
	return func(k *call) result {
		m := k.m
		switch k.op {
		case "?":
			return okf("%s: %s,%d,%s,%s", name, m.flash("netdev op", "0"), m.pers.CID, m.flash("netdev urc", "1"), boolText(m.bound))
		case "=?":
			return ok(name + ": (0-3),(1-15),(0,1)")
		}
		op, cid := k.num(0, 0), k.num(1, m.pers.CID)
		m.vendor["netdev op"], m.vendor["netdev urc"] = k.str(0), k.str(2)
		if op == 3 || op == 0 {
			m.vendor["autodial"] = boolText(op == 3)
		}
		r := k.bind(cid, op != 0)
		if k.num(2, 0) == 1 {
			then := r.then
			r.then = func() result {
				s := then()
				m.urcfLocked(nil, "%s: %s", name, boolText(m.bound))
				return s
			}
		}
		return r
	}
}

func qcfg(k *call) result {
	m := k.m
	modes := []string{"qmi", "ecm", "mbim", "rndis"}
	switch key := strings.ToLower(k.str(0)); {
	case key == "usbnet" && len(k.args) == 1:
		for i, mode := range modes {
			if mode == m.next {
				return okf(`+QCFG: "usbnet",%d`, i)
			}
		}
		return ok(`+QCFG: "usbnet",1`)
	case key == "usbnet":
		i := k.num(1, -1)
		if i < 0 || i >= len(modes) || !m.modeLocked(modes[i]) {
			return k.cme(50)
		}
		return ok()
	case key == "nat" && len(k.args) == 1:
		return ok(`+QCFG: "nat",` + m.flash("nat", "0"))
	case key == "nat":
		m.vendor["nat"] = k.str(1)
		return ok()
	}
	return k.cme(50)
}

func qpinc(k *call) result {
	if k.m.counterHiddenLocked() {
		return k.unknown()
	}
	if code := k.m.simErrorLocked(); code != 0 {
		return k.cme(code)
	}
	c := k.m.sim.card
	return ok(fmt.Sprintf(`+QPINC: "SC",%d,%d`, max(c.PINTries, 0), max(c.PUKTries, 0)), `+QPINC: "P2",3,10`)
}

// qicsgp: cid, type 1 to 3, "apn", "user", "password", authentication.
func qicsgp(k *call) result {
	m := k.m
	c := m.contextLocked(k.num(0, m.pers.CID))
	if len(k.args) == 1 {
		return okf(`+QICSGP: %d,"%s","%s","%s",%d`, map[string]int{"IP": 1, "IPV6": 2, "IPV4V6": 3}[c.pdpType], c.apn, c.user, c.pass, c.auth)
	}
	if kind := k.num(1, 1); kind >= 1 && kind <= 3 {
		c.pdpType = []string{"IP", "IPV6", "IPV4V6"}[kind-1]
	}
	c.apn, c.user, c.pass, c.auth = k.str(2), k.str(3), k.str(4), k.num(5, 0)
	return ok()
}

// cusbpidswitch: <pid>,1,1: resets by itself if the product changes.
func cusbpidswitch(k *call) result {
	m := k.m
	switch k.op {
	case "?":
		c, _ := m.pers.composition(m.comp)
		return okf("+CUSBPIDSWITCH: %04x", c.PID)
	case "=?":
		return ok("+CUSBPIDSWITCH: (9001,9011,9018),(0-1),(0-1)")
	}
	mode := map[string]string{"9001": "qmi", "9011": "rndis", "9018": "ecm"}[k.str(0)]
	if !m.modeLocked(mode) {
		return k.cme(50)
	}
	if mode != m.comp {
		return k.reset()
	}
	return ok()
}

func qcrmcall(k *call) result {
	if k.op == "?" {
		return ok("$QCRMCALL: " + boolText(k.m.bound) + ",V4")
	}
	on := k.num(0, 0) == 1
	return k.bind(k.m.pers.CID, on)
}

func spic(k *call) result {
	if k.m.counterHiddenLocked() {
		return k.unknown()
	}
	c := k.m.sim.card
	return okf("+SPIC: %d,%d,3,10", max(c.PINTries, 0), max(c.PUKTries, 0))
}

// dialmode: 0 dials by itself, 1 waits: registered with an address, but nothing goes through.
func dialmode(k *call) result {
	m := k.m
	if k.op == "?" {
		return ok("+DIALMODE: " + m.flash("dialmode", "0"))
	}
	m.vendor["dialmode"], m.vendor["autodial"] = k.str(0), boolText(k.num(0, 0) == 0)
	return k.bind(m.pers.CID, k.num(0, 0) == 0)
}

func myconfig(k *call) result {
	m := k.m
	modes := map[string]string{"0": "rndis", "1": "ecm"}
	if k.op == "?" || len(k.args) == 1 {
		n := "0"
		if m.next == "ecm" {
			n = "1"
		}
		return ok(`$MYCONFIG: "usbnetmode",` + n)
	}
	if !m.modeLocked(modes[k.str(1)]) {
		return bad()
	}
	return ok()
}

func gtusbmode(k *call) result {
	m := k.m
	switch k.op {
	case "?":
		for n, mode := range m.pers.USBModes {
			if mode == m.next {
				return ok("+GTUSBMODE: " + n)
			}
		}
		return ok("+GTUSBMODE: 0")
	case "=?":
		return ok("+GTUSBMODE: (17-41)")
	}
	mode, known := m.pers.USBModes[k.str(0)]
	if !known || !m.modeLocked(mode) {
		return k.cme(50)
	}
	return ok()
}

// gtrndis: <on>,<cid>; read: <on>,<cid>,"address",dns.
func gtrndis(k *call) result {
	m := k.m
	switch k.op {
	case "=?":
		return ok("+GTRNDIS: (0,1),(1-6)")
	case "?":
		if !m.bound {
			return ok("+GTRNDIS: 0")
		}
		return ok(m.expandLocked(fmt.Sprintf(`+GTRNDIS: 1,%d,"{addr4}","{dns1}","{dns2}"`, m.pers.CID)))
	}
	if k.str(0) != "0" && k.str(0) != "1" {
		return k.cme(50)
	}
	return k.bind(k.num(1, m.pers.CID), k.num(0, 0) == 1)
}

// cfun15 is +CFUN of Fibocom: 15 resets.
func cfun15(k *call) result {
	if k.op == "=" && k.num(0, 0) == 15 {
		return k.reset()
	}
	return cfun(k)
}

func gtdns(k *call) result {
	return ok(k.m.expandLocked(fmt.Sprintf(`+GTDNS: %d,"{dns1}","{dns2}"`, k.num(0, k.m.pers.CID))))
}

// ndisdup: 1,<on>,"apn","user","password",authentication.
func ndisdup(k *call) result {
	m := k.m
	on := k.num(1, 0) == 1
	c := m.contextLocked(m.pers.CID)
	if on && len(k.args) > 2 {
		c.apn, c.user, c.pass, c.auth = k.str(2), k.str(3), k.str(4), k.num(5, 0)
	}
	m.afterLocked(m.pace.Activate, func() {
		if m.bindLocked(m.pers.CID, on) != 0 {
			m.urcLocked(`^NDISSTAT: 0,33,,"IPV4"`, nil)
			return
		}
		m.urcLocked(`^NDISSTAT: `+boolText(on)+`,,,"IPV4"`, nil)
	})
	return ok().wait(20 * time.Millisecond)
}

func ndisstatqry(k *call) result {
	return ok(`^NDISSTATQRY: ` + boolText(k.m.bound) + `,,,"IPV4",0,,,"IPV6"`)
}

// dhcpHuawei tells addresses in little-endian hex: address, mask, gateway, server, DNS.
func dhcpHuawei(k *call) result {
	m := k.m
	c := m.contextLocked(m.pers.CID)
	if !c.active || !c.addr4.IsValid() {
		return bad()
	}
	gw := gateway(c.addr4)
	return okf("^DHCP: %s,00FFFFFF,%s,%s,%s,%s,150000000,50000000", littleHex(c.addr4.As4()), littleHex(gw.As4()), littleHex(gw.As4()), littleHex(m.dns4Locked(0)), littleHex(m.dns4Locked(1)))
}

func (m *Modem) dns4Locked(i int) [4]byte {
	if i < len(m.net.dns) && m.net.dns[i].Is4() {
		return m.net.dns[i].As4()
	}
	return [4]byte{}
}

func littleHex(b [4]byte) string { return fmt.Sprintf("%02X%02X%02X%02X", b[3], b[2], b[1], b[0]) }

// cpinHuawei: state, tries in use, then those of PUK, PIN, PUK2, PIN2.
func cpinHuawei(k *call) result {
	m := k.m
	if code := m.simErrorLocked(); code != 0 {
		return k.cme(code)
	}
	if m.counterHiddenLocked() {
		return k.unknown()
	}
	state, c, times := m.cpinLocked(), m.sim.card, ""
	switch state {
	case "SIM PIN":
		times = fmt.Sprint(max(c.PINTries, 0))
	case "SIM PUK":
		times = fmt.Sprint(max(c.PUKTries, 0))
	}
	return okf("^CPIN: %s,%s,%d,%d,10,3", state, times, max(c.PUKTries, 0), max(c.PINTries, 0))
}

func setport(k *call) result {
	if k.op == "?" {
		return ok("^SETPORT:A1,A2;12,16,1,A1,A2")
	}
	return ok()
}

// Bind ties the netdev to its bearer or unties it, as a QMI or MBIM tool does.
func (m *Modem) Bind(on bool) error {
	m.lock()
	defer m.unlock()
	if code := m.bindLocked(m.pers.CID, on); code != 0 {
		return fmt.Errorf("bearer refused: %s", cmeText[code])
	}
	return nil
}
