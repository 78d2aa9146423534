package modem

import (
	"slices"
	"strings"
)

// Profile is what is peculiar to one family of modules. Profiles are data
// (profiles.toml), and a file of the user may add to them and replace them.
// A Profile is read only: its slices and maps are shared.
//
// A command is written without "AT" and may hold the placeholders of Expand.
type Profile struct {
	ID, Name string
	Source   string // where the facts come from

	Match  []USBMatch // any of them
	Models []string   // words of ATI or +CGMM that tell it from others, see Refine
	Silent bool       // no port speaks AT: firmware of a LuatOS user
	NewID  bool       // the option driver does not know it: write its VID:PID to new_id

	AT    []int // USB interfaces that speak AT, the best first; empty: probe all but Avoid
	Avoid []int // USB interfaces that get no byte: DIAG, log, NMEA
	PPP   int   // USB interface to dial on; -1: the last of the ports that speak AT
	Net   int   // USB interface of the netdev; -1: the first one

	// bInterfaceProtocol says it where the numbers vary (Huawei).
	ATProtocol, AvoidProtocol, PPPProtocol []int
	Configuration                          int // bConfigurationValue where the device comes up with none; 0: leave it

	CID  int // PDP context of the data call
	Init []string

	Planes     []DataKind              // the best first
	Confidence map[DataKind]Confidence // per data plane

	// The netdev plane. No Start: the module dials by itself.
	Start   []string
	Stop    []string
	Check   string   // its answer is for ParseDialled; "" where there is none: +CGPADDR says it
	Auth    string   // credentials of a context, sent before Start and Dial where they are needed
	Static  bool     // there is no DHCP server: the addresses are those of +CGPADDR and DNSQuery
	DNS     string   // command that shows the DNS servers where +CGCONTRDP does not
	Dial    string   // PPP
	HangUp  []string // PPP, on another port or after DTR
	Modes   Modes
	Reset   []string // soft resets, the best first; the port vanishes
	Offline int      // +CFUN level without radio: 4, or 0 where 4 is unknown

	ICCID       []string // in turn, the first that answers counts
	Signal      []string // all of them, at every poll of the signal
	Cell        string   // serving cell
	Cells       []string // neighbours, for a person
	Temperature string
	Tries       []string // PIN tries left, in turn

	RAT   map[string]string // word of the configuration: command
	Bands string            // {bands}
	Slot  string            // {slot} counts from 1, {slot0} from 0

	AuthBoth int // number of "PAP or CHAP" in {auth}; 2 (CHAP) where there is none
	Quirks   []Quirk
}

// USBMatch says which devices a profile is for. Parts that are not set agree
// with everything.
type USBMatch struct {
	VID, PID uint16
	AnyPID   bool
	Class    *Class // of interface 0
	Product  string // part of the product or manufacturer string, in any case
}

// Modes is the USB mode that is written to flash: read first, written once, and
// followed by a reset.
type Modes struct {
	Query  string            // command that shows the mode
	Key    string            // the mode follows this word in the answer; "": it is the first number
	Values map[string]string // "ecm": "1"
	Set    []string          // {mode}
	Reset  string            // "" : one of Profile.Reset
	NewPID bool              // Values are product ids: the USB id shows the mode, too
}

// Confidence says how far a profile can be trusted.
type Confidence string

// The degrees of confidence.
const (
	Captured Confidence = "captured" // what a real module showed is replayed by the tests
	Emulated Confidence = "emulated" // the emulated modem behaves as the documents say
	Unproved Confidence = "unproved" // written after documents only
)

// Quirk is a deviation that is not told by a command.
type Quirk string

// The quirks.
const (
	QuirkCGREGPrefix Quirk = "cgreg-prefix" // answers +CEREG? with +CGREG:
	QuirkTextErrors  Quirk = "text-errors"  // ignores +CMEE=1
	QuirkAfterOK     Quirk = "after-ok"     // sends information lines after OK
	QuirkSmallStore  Quirk = "small-store"  // room for 10 SMS
	QuirkCarrier     Quirk = "carrier"      // the netdev's carrier is always 1
	QuirkSecondEnum  Quirk = "second-enum"  // enumerates twice: boot ROM first
	QuirkIMSICell    Quirk = "imsi-in-cell" // the cell query shows the IMSI
)

// Has reports whether the profile has the quirk.
func (p Profile) Has(q Quirk) bool { return slices.Contains(p.Quirks, q) }

// Degree is the lowest confidence of the profile's data planes.
func (p Profile) Degree() Confidence {
	worst := Captured
	for _, k := range p.Planes {
		switch c := p.Confidence[k]; {
		case c == Emulated && worst == Captured:
			worst = Emulated
		case c != Captured && c != Emulated:
			return Unproved
		}
	}
	return worst
}

// Dialling reports whether the netdev plane needs a command; otherwise the
// module dials by itself as soon as it is attached.
func (p Profile) Dialling() bool { return len(p.Start) > 0 }

// Mode returns the mode that the answer to Query shows, and false if the
// answer does not say it.
func (m Modes) Mode(lines []string) (string, bool) {
	value := m.value(lines)
	for name, v := range m.Values {
		if value != "" && strings.EqualFold(v, value) {
			return name, true
		}
	}
	return value, false
}

func (m Modes) value(lines []string) string {
	for _, line := range lines {
		rest := afterPrefix(line)
		if m.Key != "" {
			// "usbnet",1 and "usbNet":1 and mode: 1
			i := strings.Index(strings.ToLower(line), strings.ToLower(m.Key))
			if i < 0 {
				continue
			}
			rest = line[i+len(m.Key):]
		}
		rest = strings.TrimLeft(rest, "\":, ")
		end := strings.IndexAny(rest, "\", \r")
		if end < 0 {
			end = len(rest)
		}
		if isHex(rest[:end], 8) {
			return rest[:end]
		}
	}
	return ""
}
