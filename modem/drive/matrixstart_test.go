package drive

import (
	"time"

	"luatnetd/modem/modemtest"
)

// events are faults that are over as soon as they have happened, or happen to
// what is there only once data flows: none of them can be there at the start.
var events = map[string]bool{
	"sim-removed": true, "pdp-dropped": true, "address-changed": true, "urc-storm": true, "flood": true,
	"vanish": true, "vanish-tty": true, "vanish-ids": true, "vanish-imei": true, "brown-out": true, "ppp-hangup": true, "late": true,
}

// speechless are the rows of a modem whose ports have never answered.
var speechless = map[string]row{
	"": {ends: []string{"probing modem-port-stuck", "recovering modem-recovering"}, next: "any"},
	// it is taken for one without AT, and dials itself
	"generic-net": {ends: []string{"connected"}, next: "any"}, "air780-at": {ends: []string{"connected"}, next: "any"},
	// it is taken for one without AT, and nobody dials: it is asked again after five minutes
	"ec618-ref": {ends: []string{"addressing modem-no-address", "recovering modem-recovering"}, next: "any", wait: 5 * time.Minute},
}

// starts are the rows that differ where the fault was there first: by fault,
// and by family where one is different.
var starts = map[string]map[string]row{
	"mute": speechless, "stuck": speechless, "eio": speechless, "delay": speechless,
	"diag": {
		"":            speechless[""], // never a byte of text: taken for a network device where it has one
		"generic-net": speechless["generic-net"], "air780-at": speechless["air780-at"],
		"simcom-7600-rndis": speechless["generic-net"], "quectel-qc": speechless["generic-net"],
		"ec618-ref": speechless["ec618-ref"], "huawei-ndis": speechless["ec618-ref"],
		"simcom-7600": {ends: []string{"failed data-plane-missing"}, next: "any"},
	},
	"ipv6-only": {"generic-ppp": {ends: []string{"addressing modem-no-address", "addressing modem-ipv6-only"}, next: "any"}},
	"net-first": {
		"huawei-ndis": dialledByAT, "fibocom-qc": dialledByAT, "fibocom-l610": dialledByAT, "quectel-ec200": dialledByAT, "ec618-ref": dialledByAT,
	},
	"ppp-no-connect":  {"": noCall},
	"ppp-lcp-refused": {"": noCall},
	"ppp-no-echo":     {"": {ends: []string{"backoff pdp-refused", "connecting", "addressing", "connected"}, next: "any"}},
	"ppp-auth":        {"": {ends: []string{"failed pdp-authentication"}, next: "-", cure: "settings"}},
}

var (
	// dialledByAT is a row of a family that dials by a command, before its ports are there.
	dialledByAT = row{ends: []string{"addressing modem-no-address", "recovering modem-recovering"}, next: "any"}
	noCall      = row{ends: []string{"backoff pdp-refused"}, next: "minutes"}
)

// atStart is the row of a fault that is there before the driver; false: it cannot be.
func atStart(f modemtest.Fault, personality string, r row) (row, bool) {
	if events[f.Name] {
		return r, false
	}
	for _, who := range []string{personality, ""} {
		if s, ok := starts[f.Name][who]; ok {
			s.fault, s.after, s.arg, s.pdp = r.fault, r.after, r.arg, r.pdp
			if s.cure == "" {
				s.cure = r.cure
			}
			return s, true
		}
	}
	return r, true
}
