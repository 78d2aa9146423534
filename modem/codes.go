package modem

// Code is a health code of a modem, as docs/api.md lists them.
type Code string

// The health codes. "" is health.
const (
	CodeAbsent       Code = "modem-absent"
	CodeNotOurs      Code = "modem-not-matched"
	CodePortBusy     Code = "modem-port-busy"
	CodePortStuck    Code = "modem-port-stuck"
	CodeSIMMissing   Code = "sim-missing"
	CodePINNeeded    Code = "sim-pin-needed"
	CodePINWrong     Code = "sim-pin-wrong"
	CodePINUnsure    Code = "sim-pin-unsure"
	CodePINTries     Code = "sim-pin-tries"
	CodePUK          Code = "sim-puk"
	CodeSIMLocked    Code = "sim-locked"
	CodeSIMFailed    Code = "sim-failed"
	CodeRadioOff     Code = "radio-off"
	CodeSearching    Code = "modem-searching"
	CodeNoSignal     Code = "modem-no-signal"
	CodeDenied       Code = "modem-denied"
	CodeRoamingOff   Code = "modem-roaming-off"
	CodeAPNRefused   Code = "apn-refused"
	CodePDPRefused   Code = "pdp-refused"
	CodeAuth         Code = "pdp-authentication"
	CodeIPv6Only     Code = "modem-ipv6-only"
	CodeNoAddress    Code = "modem-no-address"
	CodePathDead     Code = "modem-path-dead"
	CodeProgram      Code = "data-program-missing"
	CodeNoPlane      Code = "data-plane-missing"
	CodeModeSwitch   Code = "modem-mode-unchanged"
	CodeRecovering   Code = "modem-recovering"
	CodeMemory       Code = "modem-memory"
	CodeUnregistered Code = "modem-registration-lost"
)

// sentences says of each code what it means and what to do; docs/api.md has
// the same.
var sentences = map[Code]string{
	CodeAbsent:       "no modem is plugged in",
	CodeNotOurs:      "the modem that is plugged in is not the one that the configuration asks for",
	CodePortBusy:     "another program has the modem's AT port open",
	CodePortStuck:    "the modem's AT port does not answer",
	CodeSIMMissing:   "there is no SIM card, or it makes no contact",
	CodePINNeeded:    "the SIM card asks for a PIN and none that fits is configured",
	CodePINWrong:     "the SIM card refused the configured PIN: it is not sent again until the configuration has another",
	CodePINUnsure:    "it is not known whether the card refused the configured PIN: it is not sent again unless \"ctl modem sim unlock\" says so",
	CodePINTries:     "fewer than 3 tries for the PIN are left: it is not sent. \"ctl modem sim unlock\" sends it with two left, else unlock the card in a telephone",
	CodePUK:          "the SIM card asks for its PUK: unlock it in a telephone",
	CodeSIMLocked:    "the modem is locked to another card or network",
	CodeSIMFailed:    "the SIM card does not work",
	CodeRadioOff:     "the radio is off",
	CodeSearching:    "the modem searches for its network",
	CodeNoSignal:     "the modem finds no network: look at the antenna",
	CodeDenied:       "the network refuses the card",
	CodeRoamingOff:   "the modem is in a foreign network and roaming is off",
	CodeAPNRefused:   "the network refuses the APN",
	CodePDPRefused:   "the network refuses the data connection",
	CodeAuth:         "the network refuses user and password of the APN",
	CodeIPv6Only:     "the network gave IPv6 only, which this uplink cannot use",
	CodeNoAddress:    "the modem is connected, but its network device gets no address",
	CodePathDead:     "the modem is connected, but nothing comes back from the Internet",
	CodeProgram:      "the program that the data connection needs is not installed",
	CodeNoPlane:      "the modem offers no way for data that the configuration allows",
	CodeModeSwitch:   "the modem did not take the USB mode of the configuration; it is not written twice",
	CodeRecovering:   "the modem is being reset",
	CodeMemory:       "what the modem must remember cannot be written: no PIN is sent",
	CodeUnregistered: "the modem has lost its network",
}

// Sentence returns what the code means.
func (c Code) Sentence() string { return sentences[c] }
