package config

import (
	"strconv"
	"strings"

	"luatnetd/modem"
	"luatnetd/netif"
)

// modem checks [uplink.modem]. An LWIP_GP without a device has a modem even
// where nothing is written of it: every key has a default.
func (c *checker) modem(r *rawUplink, u *Uplink) {
	m := &r.Modem
	switch {
	case m.At != nil && u.Adapter != netif.AdapterGP:
		c.bad(m.At, "uplink.modem", "[uplink.modem]", `no such section without adapter = "LWIP_GP"`, "")
		return
	case r.At.child("modem") == nil && (u.Adapter != netif.AdapterGP || !r.Device.absent() || r.At.child("match") != nil):
		return
	case u.Adapter != netif.AdapterGP: // reported, and left out by ParseBoot
		return
	}
	u.Modem = &Modem{Pos: r.At.pos}
	if m.At != nil {
		u.Modem.Pos = m.At.pos
	}
	u.Modem.Settings = modem.Settings{
		Uplink: u.Name, Port: c.file(m.Port, "/dev/ttyS1"), SIMSlot: int(m.SIMSlot.V), USBMode: m.USBMode.or(defUSBMode),
		Data: m.Data.or(defData), HubPower: m.HubPower.V, System: m.Owner.V == ownerSystem,
	}
	if m.Bands.V != "" {
		u.Modem.Bands = c.word(m.Bands, 128, "the module's own word for its bands, such as \"1:3:8:41\"")
	}
	if rat := m.RAT.or(defRAT); rat != defRAT {
		u.Modem.RAT = rat
	}
	u.Modem.PLMN = c.digits(m.PLMN, 5, 6, "a PLMN of 5 or 6 digits such as \"46000\"")
	u.Modem.Match = c.modemMatch(&m.Match)
	u.Modem.SIM = c.sim(simKeys{m.APN, m.User, m.Password, m.Auth, m.PDPType, m.PIN, m.Roaming}, modem.SIMSettings{PDPType: defPDPType, Roaming: true})
	c.sims(m, u.Modem)
	u.Modem.Switch, u.Modem.PowerOff = c.power(m.Power), m.PowerOff.or(defPowerOff)
	u.Modem.Power = !u.Modem.Switch.IsZero()
	c.modemLink(r, u)
}

// ownerSystem is somebody else: ModemManager, netifd, QModem.
const ownerSystem = "system"

// modemLink checks the keys that name the netdev beside those of the modem.
func (c *checker) modemLink(r *rawUplink, u *Uplink) {
	m := &r.Modem
	switch {
	case u.Modem.System && r.Device.absent() && r.At.child("match") == nil:
		c.missing(r.At, "device", "device or match", `with owner = "system" the device that the other program makes, such as "wwan0"`)
	case u.Modem.System:
	case r.At.child("match") != nil:
		c.bad(r.At.child("match"), "uplink.match", "[uplink.match] beside [uplink.modem]", "[uplink.modem.match]", "the network device follows from the modem")
	case r.Device.At != nil && m.Port.absent():
		c.wrong(r.Device.At, "no device beside a USB modem", "the network device follows from the modem; with port = \"/dev/ttyS1\" it may be written")
	case m.Port.At != nil && m.Match.At != nil:
		c.bad(m.Match.At, "uplink.modem.match", "both port and match", "one of them", "match is for USB, port for a serial line")
	}
	u.Modem.Netdev = u.Device
	if u.Mode == ModeExternal && !u.Modem.System {
		c.wrong(r.Address.At, `"dhcp"`, `for a modem that another program drives write owner = "system"`)
	}
}

func (c *checker) modemMatch(r *rawModemMatch) (m modem.Match) {
	if r.At == nil {
		return m
	}
	if r.Path.absent() && r.IMEI.absent() && r.ID.absent() {
		c.bad(r.At, "uplink.modem.match", "an empty match", "path, imei or usb_id", "luatnetd ctl modem shows what is plugged in")
	}
	m.Path = c.word(r.Path, 255, "the end of the USB device's path below /sys/devices, such as \"usb1/1-2\"")
	m.IMEI = c.digits(r.IMEI, 15, 15, "an IMEI of 15 digits")
	if id := r.ID; id.At != nil {
		v, p, ok := strings.Cut(id.V, ":")
		vid, err1 := strconv.ParseUint(v, 16, 16)
		pid, err2 := strconv.ParseUint(p, 16, 16)
		if !ok || err1 != nil || err2 != nil || len(v) != 4 || len(p) != 4 {
			c.wrong(id.At, "vendor and product as lsusb shows them, such as \"2c7c:0125\"", "")
		}
		m.VID, m.PID = uint16(vid), uint16(pid)
	}
	return m
}

// digits checks a text of least to most digits.
func (c *checker) digits(v val[string], least, most int, want string) string {
	if v.At != nil && v.V != "" && (len(v.V) < least || len(v.V) > most || strings.Trim(v.V, "0123456789") != "") {
		c.wrong(v.At, want, "")
		return ""
	}
	return v.V
}

// simKeys are the keys that [uplink.modem] and [[uplink.modem.sim]] share.
type simKeys struct {
	apn, user, password, auth, pdpType, pin val[string]
	roaming                                 val[bool]
}

// sim checks what depends on the card; what is not written is as in def.
func (c *checker) sim(k simKeys, def modem.SIMSettings) modem.SIMSettings {
	s := modem.SIMSettings{
		APN: k.apn.or(def.APN), User: k.user.or(def.User), Password: k.password.or(def.Password),
		Auth: k.auth.or(def.Auth), PDPType: k.pdpType.or(def.PDPType), PIN: k.pin.or(def.PIN), Roaming: k.roaming.or(def.Roaming && !k.roaming.Bad), // in doubt it costs money
	}
	if s.Auth == "auto" {
		s.Auth = ""
	}
	if k.apn.At != nil && s.APN != "" && !validAPN(s.APN) {
		c.wrong(k.apn.At, "an APN: 1 to 100 letters, digits, dots and hyphens (TS 23.003 §9.1)", "the operator's documents call it APN or access point")
	}
	for _, v := range []val[string]{k.user, k.password} {
		if v.At != nil && !atText(v.V) {
			c.bad(v.At, v.At.path(), "a text that cannot be sent", "at most 127 printable characters without quotes", "an AT command has no way to quote others")
		}
	}
	if k.pin.At != nil && s.PIN != "" && (len(s.PIN) < 4 || len(s.PIN) > 8 || strings.Trim(s.PIN, "0123456789") != "") {
		c.bad(k.pin.At, k.pin.At.path(), "something else", "a PIN of 4 to 8 digits, in quotes", "without the right PIN write none: a card locks itself after three wrong ones")
	}
	return s
}

func atText(s string) bool {
	return len(s) <= 127 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' })
}

func validAPN(s string) bool { return len(s) <= 100 && only(strings.ToLower(s), "-._") }

func (c *checker) sims(m *rawModem, to *Modem) {
	seen := claims{}
	for i := range m.SIMs {
		r := &m.SIMs[i]
		if r.ICCID.absent() {
			c.missing(r.At, "iccid", "the number printed on the card, 18 to 22 digits", "luatnetd ctl modem shows its last digits")
		}
		iccid := strings.ToUpper(strings.TrimRight(r.ICCID.V, "Ff"))
		s := c.sim(simKeys{r.APN, r.User, r.Password, r.Auth, r.PDPType, r.PIN, r.Roaming}, to.SIM)
		if to.ByICC == nil {
			to.ByICC = map[string]modem.SIMSettings{}
		}
		if r.ICCID.At == nil {
			continue
		}
		if len(iccid) < 18 || len(iccid) > 22 || strings.Trim(iccid, "0123456789") != "" {
			c.bad(r.ICCID.At, "uplink.modem.sim.iccid", "something else", "the number printed on the card, 18 to 22 digits", "")
			continue
		}
		if owner, ok := seen.take(iccid, where("sim", "", r.At.pos)); !ok {
			c.bad(r.ICCID.At, "uplink.modem.sim.iccid", "a card twice", "each card once", owner+" has it")
			continue
		}
		to.ByICC[iccid] = s
	}
}

const wantPower = `"gpio:/dev/gpiochip0:17", "file:/sys/class/gpio/modem_power/value" or "command:/usr/sbin/modem-power"; ":low" at the end of the first two where low means on`

// power reads how a supply is switched (pwrpin, ethpower_en).
func (c *checker) power(v val[string]) (p PowerSwitch) {
	if v.At == nil || v.V == "" {
		return p
	}
	kind, rest, _ := strings.Cut(v.V, ":")
	if kind == "gpio" || kind == "file" {
		rest, p.ActiveLow = strings.CutSuffix(rest, ":low")
	}
	ok := true
	switch kind {
	case "gpio":
		i := strings.LastIndexByte(rest, ':')
		line, err := strconv.ParseUint(rest[i+1:], 10, 10)
		p.Chip, p.Line, ok = rest[:max(i, 0)], int(line), i > 0 && err == nil
		rest = p.Chip
	case "file":
		p.File = rest
	case "command":
		p.Command = rest
	default:
		ok = false
	}
	switch {
	case !ok:
		hint := ""
		if !strings.ContainsRune(v.V, ':') {
			hint = "gpioinfo shows the lines of each chip; the kind stands first"
		}
		c.wrong(v.At, wantPower, hint)
		return PowerSwitch{}
	case !c.absolute(v.At, rest, "/dev/gpiochip0"):
		return PowerSwitch{}
	}
	return p
}
