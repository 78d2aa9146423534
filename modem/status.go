package modem

import (
	"maps"
	"time"
)

// State is where the machine is. The order is that of a start.
type State string

// The states (a superset of ModemManager's).
const (
	Absent      State = "absent"
	Enumerating State = "enumerating" // its interfaces still come
	Probing     State = "probing"     // which port speaks AT
	SIMWait     State = "sim"         // Cause says what of the card is missing
	RadioOff    State = "radio-off"
	Searching   State = "searching"
	Denied      State = "denied"
	Registered  State = "registered"
	Attaching   State = "attaching"
	Connecting  State = "connecting"
	Addressing  State = "addressing" // waits for an address on the netdev
	Connected   State = "connected"
	Degraded    State = "degraded" // connected, but the prober or the port says otherwise
	Recovering  State = "recovering"
	Backoff     State = "backoff" // Next says until when
	Stopped     State = "stopped" // by the operator
	Failed      State = "failed"  // until the configuration or the card changes
)

// Status is one modem for people. It holds no secret: IMSI and ICCID are masked.
type Status struct {
	State   State     `json:"state"`
	Code    string    `json:"code,omitempty"`  // health code, "" while all is well
	Cause   string    `json:"cause,omitempty"` // a sentence
	Since   time.Time `json:"since"`
	Next    time.Time `json:"next,omitzero"` // of the next try; zero: waits for something
	Tries   int       `json:"tries"`
	Rung    string    `json:"rung,omitempty"`   // of the ladder, "" while it is not climbed
	Helped  string    `json:"helped,omitempty"` // which rung helped the last time
	Profile string    `json:"profile"`
	Device  string    `json:"device"` // "2c7c:0125 at usb1/1-2"
	Ports   []string  `json:"ports"`
	Data    DataKind  `json:"data"`
	Netdev  string    `json:"netdev"`
	Frozen  bool      `json:"frozen"` // the only port carries data: what follows is old

	Manufacturer string   `json:"manufacturer"`
	Model        string   `json:"model"`
	Revision     string   `json:"revision"`
	IMEI         string   `json:"imei"`
	IMSI         string   `json:"imsi"`  // masked
	ICCID        string   `json:"iccid"` // masked
	SIM          string   `json:"sim"`   // "READY", "SIM PIN", …
	APN          string   `json:"apn"`
	APNOrigin    string   `json:"apn_origin"`
	PDPType      string   `json:"pdp_type"`
	Addr         string   `json:"address"`
	Registration string   `json:"registration"` // "home", "roaming", "searching", "denied (cause 11)", …
	Roaming      bool     `json:"roaming"`
	Operator     string   `json:"operator"`
	PLMN         string   `json:"plmn"`
	RAT          string   `json:"rat"`
	Band         string   `json:"band"`
	Signal       Signal   `json:"signal"`
	Cell         Cell     `json:"cell"`
	Temperature  *float64 `json:"temperature_c,omitempty"` // degrees Celsius
	Supply       int      `json:"supply_mv,omitempty"`     // mV, 0 unknown
	Clock        string   `json:"clock,omitempty"`         // of the network, "" unknown
}

// Signal is the radio's quality; nil is unknown.
type Signal struct {
	CSQ  *int      `json:"csq,omitempty"` // 0 to 31
	RSSI *int      `json:"rssi_dbm,omitempty"`
	RSRP *int      `json:"rsrp_dbm,omitempty"`
	RSRQ *float64  `json:"rsrq_db,omitempty"`
	SINR *float64  `json:"sinr_db,omitempty"`
	Bars int       `json:"bars"` // 0 to 5
	At   time.Time `json:"at,omitzero"`
}

// Cell is the serving cell; zero is unknown.
type Cell struct {
	EARFCN int    `json:"earfcn"`
	PCI    int    `json:"pci"`
	TAC    string `json:"tac"` // hex
	ID     string `json:"id"`  // hex
}

// Memory is what a modem's machine must remember over power cuts. It is kept
// as JSON and holds no secret: PINs as salted hashes, cards by a hash of their ICCID.
type Memory struct {
	Cards  map[string]CardMemory  // by CardKey
	Modems map[string]ModemMemory // by IMEI; "" while it is not known
	Flight bool                   // flight mode was asked for
}

// clone copies the memory: what Save was given does not change any more.
func (mem Memory) clone() Memory {
	mem.Cards, mem.Modems = maps.Clone(mem.Cards), maps.Clone(mem.Modems)
	return mem
}

// CardMemory is what is known of a card.
type CardMemory struct {
	Salt      string
	Trying    string   // hash of a PIN whose fate is unknown, noted before it was sent
	Tries     int      // the card's counter when Trying was noted, -1: it could not be read
	Refused   []string // hashes of PINs that the card refused: never sent again
	Proved    string   // hash of the PIN that was right
	Allowed   bool     // an operator lets the next PIN go out with two tries left
	APN       string   // that has worked
	PDPType   string
	Delivered []string  // hashes of the SMS that were stored last
	At        time.Time // wall clock, for a person
}

// ModemMemory is what is known of a module.
type ModemMemory struct {
	ModeTried string // usb_mode that was written once
	Selected  string // hash of the RAT, bands and slot that were written
	Ladder    []byte // where on the ladder, see Ladder.Saved
}
