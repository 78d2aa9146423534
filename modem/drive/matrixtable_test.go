package drive

import "time"

// row is what a fault must come to, written by hand: the table is the
// specification, and shares nothing with the machine.
type row struct {
	fault string
	ends  []string      // "state code" that are right when it is looked at
	next  string        // when the next try is due, see dueClass
	after time.Duration // looked at so long after the fault has begun; 0: 3 min
	arg   string        // of the fault
	wait  time.Duration // a wait in progress that the status does not show
	pdp   string        // PDP type of the configuration, "" IP
	cure  string        // "clear" (default), "card": another card, "bearer": the network ends the bearer as well, "settings": others
}

// healthy is a row of a fault that must not be noticed, or is over by itself.
func healthy(fault string) row { return row{fault: fault, ends: []string{"connected"}, next: "-"} }

// matrix is every fault of the emulator.
var matrix = []row{
	{fault: "no-sim", ends: []string{"sim sim-missing"}, next: "minutes"},
	{fault: "sim-removed", ends: []string{"sim sim-missing"}, next: "minutes"},
	healthy("sim-busy"),
	{fault: "sim-failure", ends: []string{"sim sim-failed"}, next: "minutes"},
	{fault: "pin-required", ends: []string{"connected"}, next: "-", arg: secretPIN},
	{fault: "pin-wrong", ends: []string{"failed sim-pin-wrong"}, next: "-", cure: "card"},
	healthy("pin-no-counter"),
	{fault: "puk", ends: []string{"failed sim-puk"}, next: "-", cure: "card"},
	{fault: "ph-net", ends: []string{"failed sim-locked"}, next: "-"},

	{fault: "searching", ends: []string{"searching modem-no-signal"}, next: "minutes"},
	{fault: "denied", ends: []string{"denied modem-denied"}, next: "minutes"},
	healthy("roaming"),
	{fault: "emergency", ends: []string{"searching modem-no-signal"}, next: "minutes"},
	healthy("csq-99"),
	healthy("cereg-as-cgreg"),
	healthy("text-errors"),
	{fault: "pdp-reject", ends: []string{"backoff apn-refused"}, next: "minutes"},
	healthy("pdp-type"),
	{fault: "ipv6-only", ends: []string{"backoff modem-ipv6-only"}, next: "any", pdp: "IPV4V6", cure: "bearer"},
	healthy("pdp-dropped"),
	healthy("address-changed"),
	{fault: "data-dead", ends: []string{"degraded modem-path-dead", "recovering modem-recovering"}, next: "any"},
	healthy("clock-nonsense"),

	healthy("urc-storm"), healthy("urc-inside"), healthy("urc-in-prompt"), healthy("double-prompt"), healthy("data-after-ok"),
	healthy("echo-on"), healthy("echo-off"), healthy("crcrlf"), healthy("no-leading-crlf"),
	{fault: "numeric", ends: []string{"connected", "connected modem-port-stuck"}, next: "any"},
	healthy("fragments"), healthy("bursts"),
	// data flows on while no answer is in time: nothing is reset
	{fault: "delay", ends: []string{"degraded modem-port-stuck", "probing modem-port-stuck"}, next: "any"},
	{fault: "late", ends: []string{"connected", "connected modem-port-stuck"}, next: "any"}, // the other port serves
	healthy("urc-truncated"), healthy("garbage"), healthy("nul"), healthy("ff"), healthy("flood"), healthy("command-not-support"),

	{fault: "diag", ends: []string{"degraded modem-port-stuck"}, next: "any"},
	{fault: "mute", ends: []string{"degraded modem-port-stuck"}, next: "any"},
	{fault: "stuck", ends: []string{"degraded modem-port-stuck"}, next: "any"},
	{fault: "eio", ends: []string{"degraded modem-port-stuck"}, next: "any"},

	healthy("vanish"), healthy("vanish-tty"),
	{fault: "vanish-ids", ends: []string{"probing modem-port-stuck", "recovering modem-recovering", "absent modem-absent", "enumerating"}, next: "any"},
	healthy("vanish-imei"), healthy("same-serial"), healthy("slow-reset"), healthy("double-enum"),
	// every 45 s it starts anew: it is online in between
	{fault: "brown-out", ends: []string{"connected", "absent modem-absent", "enumerating", "probing", "sim", "searching modem-searching", "connecting", "addressing", "radio-off", "attaching"}, next: "any"},
	healthy("carrier-stuck"),
	{fault: "net-first", ends: []string{"connected", "probing modem-port-stuck", "degraded modem-port-stuck", "recovering modem-recovering", "enumerating"}, next: "any"},

	healthy("sms-full"), healthy("sms-no-index"), healthy("sms-rejected"),

	{fault: "dhcp-absent", ends: []string{"addressing modem-no-address", "recovering modem-recovering", "addressing"}, next: "any"}, // a redial begins anew
	healthy("dhcp-early"), healthy("dhcp-slow"), healthy("dhcp-subnet"),
	{fault: "dhcp-nak", ends: []string{"addressing modem-no-address", "recovering modem-recovering"}, next: "any"},

	healthy("ppp-no-connect"), // the call that runs is not touched
	healthy("ppp-lcp-refused"), healthy("ppp-auth"), healthy("ppp-no-echo"),
	healthy("ppp-hangup"),
}

// exceptions are rows of one family that is different, with the reason.
var exceptions = map[string]map[string]row{
	"pdp-reject": {
		"simcom-7600": {ends: []string{"backoff pdp-refused"}, next: "any"}, // QMI: no AT command is refused
		"huawei-ndis": {ends: []string{"backoff pdp-refused"}, next: "any"}, // ^NDISDUP says ERROR and no more
		"generic-ppp": {ends: []string{"backoff pdp-refused"}, next: "any"}, // ATD says NO CARRIER and no more
	},
	"ipv6-only": {
		"simcom-7600": {ends: []string{"addressing modem-ipv6-only"}, next: "any", pdp: "IPV4V6", cure: "bearer"}, // QMI gives the addresses
		"generic-ppp": {ends: []string{"connected"}, next: "-"},                                                   // the address of a call that runs stays
	},
	// QMI gives the addresses: there is no DHCP
	"dhcp-absent": {"simcom-7600": healthy("")}, "dhcp-nak": {"simcom-7600": healthy("")},
	"net-first": {
		"fibocom-mtk": {ends: []string{"addressing modem-no-address", "recovering modem-recovering"}, next: "any"}, // its address comes by AT
		"simcom-7600": {ends: []string{"failed data-plane-missing"}, next: "-"},                                    // nothing tells that it speaks QMI
	},
	// each redial is a new call, which the prober does not know yet
	"data-dead": {"generic-ppp": {ends: []string{"connected", "degraded modem-path-dead", "connecting", "backoff pdp-refused", "recovering modem-recovering"}, next: "any"}},
	// its only port carries data: nothing is asked on it
	"diag": {"generic-ppp": healthy("diag")}, "mute": {"generic-ppp": healthy("mute")}, "stuck": {"generic-ppp": healthy("stuck")},
	"eio": {"generic-ppp": healthy("eio")}, "delay": {"generic-ppp": healthy("delay")}, "late": {"generic-ppp": healthy("late")},
}

// rowOf is the row of a cell.
func rowOf(fault, personality string) (row, bool) {
	for _, r := range matrix {
		if r.fault != fault {
			continue
		}
		if e, ok := exceptions[fault][personality]; ok {
			e.fault = fault
			r = e
		}
		if r.after == 0 {
			r.after = 3 * time.Minute
		}
		return r, true
	}
	return row{}, false
}
