package modemtest

import (
	"fmt"
	"strconv"
	"strings"
)

// expandLocked puts what is known of card, network and radio for {fields}.
func (m *Modem) expandLocked(s string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	o, c, r := m.operatorLocked(), m.net.cell, m.net.radio
	data := m.contextLocked(m.pers.CID)
	n := strconv.Itoa
	cell, _ := strconv.ParseUint(c.ID, 16, 64)
	tac, _ := strconv.ParseUint(c.TAC, 16, 64)
	return strings.NewReplacer(
		"{imei}", m.imei, "{imsi}", m.sim.card.IMSI, "{iccid}", m.sim.card.ICCID,
		"{plmn}", o.PLMN, "{mcc}", o.PLMN[:3], "{mnc}", o.PLMN[3:], "{operator}", o.Name,
		"{csq}", n(r.CSQ), "{rssi}", n(r.RSSIdBm), "{rsrp}", n(r.RSRPdBm), "{rsrq}", n(r.RSRQdB), "{sinr}", n(r.SINRdB),
		"{rsrp10}", n(r.RSRPdBm*10), "{rsrq10}", n(r.RSRQdB*10), "{rssi10}", n(r.RSSIdBm*10),
		"{rsrp141}", n(r.RSRPdBm+141), "{rsrq20}", n((r.RSRQdB+20)*2), "{rssi121}", n(r.RSSIdBm+121), "{sinr5}", n(r.SINRdB*5+101), "{sinr2}", n(r.SINRdB*2),
		"{earfcn}", n(c.EARFCN), "{pci}", n(c.PCI), "{pcihex}", fmt.Sprintf("%X", c.PCI), "{band}", n(c.Band),
		"{tac}", c.TAC, "{cell}", c.ID, "{cellhex}", strings.TrimLeft(c.ID, "0"), "{cellnum}", strconv.FormatUint(cell, 10), "{tacnum}", strconv.FormatUint(tac, 10),
		"{addr4}", addrText(data.addr4), "{dns1}", m.dnsLocked(0), "{dns2}", m.dnsLocked(1),
		"{temp}", n(m.net.tempC), "{temp10}", n(m.net.tempC*10), "{mv}", n(m.net.supplymV),
		"{volts}", fmt.Sprintf("%.3f", float64(m.net.supplymV)/1000),
		"{pintries}", n(max(m.sim.card.PINTries, 0)), "{puktries}", n(max(m.sim.card.PUKTries, 0)),
		"{cpin}", m.cpinLocked(),
	).Replace(s)
}

func (m *Modem) dnsLocked(i int) string {
	if i < len(m.net.dns) {
		return m.net.dns[i].String()
	}
	return "0.0.0.0"
}
