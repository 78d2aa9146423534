package modemtest

import (
	"strings"

	"luatnetd/modem"
)

// Kind is what a port carries.
type Kind string

// The kinds of port.
const (
	KindAT   Kind = "at"   // answers commands and carries unsolicited codes
	KindLog  Kind = "log"  // binary log or DIAG frames, answers nothing
	KindNMEA Kind = "nmea" // sentences, answers nothing
	KindMute Kind = "mute" // takes everything, says nothing (audio, ADB)
)

// Port is one tty of a composition.
type Port struct {
	Interface int
	Kind      Kind
	Silent    bool // of KindAT: no unsolicited codes here
	PPP       bool // of KindAT: dials
	Class     modem.Class
}

// Net is the netdev of a composition; a zero Driver is none.
type Net struct {
	Interface int
	Driver    string // "rndis_host", "cdc_ether", "cdc_ncm", "qmi_wwan", "cdc_mbim", "huawei_cdc_ncm"
}

// Composition is what the module is on the bus in one USB mode.
type Composition struct {
	Mode          string // "rndis", "ecm", "ncm", "qmi", "mbim", "" for a module with one
	VID, PID      uint16
	ACM           bool // its ttys are cdc_acm, else option
	Unbound       bool // no driver has its IDs: new_id first
	Ports         []Port
	Net           Net
	Gateway       string // of the module's own DHCP server, "" for none
	First         modem.Class
	Control       bool // has /dev/cdc-wdm0
	UART          bool // a serial port: nothing enumerates
	AddressStatic bool // no DHCP: the address of +CGPADDR is the netdev's
	Bridged       bool // DHCP gives the bearer's own address
}

// Dial is how the netdev gets its bearer.
type Dial string

// The ways.
const (
	DialSelf    Dial = "self"    // whenever registered
	DialCommand Dial = "command" // a vendor command ties it
	DialContext Dial = "context" // +CGACT of its context ties it
	DialNone    Dial = "none"    // PPP only
)

// Personality is a module family. It is data: see personalities.
type Personality struct {
	ID           string // of the profile it is for
	Source       string // where its formats come from
	Manufacturer string // USB strings
	Product      string
	Serial       string
	IMEI         string
	Compositions []Composition
	Answers      map[string]string // command → lines with {fields}; "ERROR" is one, too
	Sets         []string          // vendor command sets
	Dial         Dial
	CID          int               // of the data context
	Attach       int               // of the attach context
	Slots        int               // of the SMS store
	CEREGAs      string            // prefix that answers to +CEREG? have instead
	TextErrors   bool              // +CMEE has no effect: words always
	LTEOnly      bool              // +CREG stays 0, no USSD
	NoCounter    bool              // no command tells the PIN tries left
	TextSMS      bool              // boots with +CMGF=1
	AddrFormat   string            // of +CGPADDR: "", "packed" (both families in one string), "dotted" (IPv6 as 16 numbers)
	Missing      []string          // commands of the standard that it has not
	USBModes     map[string]string // number of +GTUSBMODE → composition
}

// composition is the composition of that mode.
func (p Personality) composition(mode string) (Composition, bool) {
	for _, c := range p.Compositions {
		if c.Mode == mode {
			return c, true
		}
	}
	if len(p.Compositions) > 0 {
		return p.Compositions[0], false
	}
	return Composition{}, false
}

// PPP says whether any port dials.
func (p Personality) PPP() bool {
	for _, c := range p.Compositions {
		for _, s := range c.Ports {
			if s.PPP {
				return true
			}
		}
	}
	return false
}

// AT says whether any port speaks AT.
func (p Personality) AT() bool {
	for _, c := range p.Compositions {
		for _, s := range c.Ports {
			if s.Kind == KindAT {
				return true
			}
		}
	}
	return false
}

// Driver is the netdev's driver in the first composition, "" for none.
func (p Personality) Driver() string {
	if len(p.Compositions) == 0 {
		return ""
	}
	return p.Compositions[0].Net.Driver
}

func (p Personality) uart() bool { return len(p.Compositions) > 0 && p.Compositions[0].UART }

// ByID is the personality for a profile.
func ByID(id string) (Personality, bool) {
	for _, p := range Personalities() {
		if strings.EqualFold(p.ID, id) {
			return p, true
		}
	}
	return Personality{}, false
}
