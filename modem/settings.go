package modem

// Settings are what the configuration says of one modem ([uplink.modem]).
type Settings struct {
	Uplink string // its name
	Match  Match

	Port   string // tty of a UART modem, "" for USB
	Netdev string // netdev that belongs to Port, "" for PPP

	SIM   SIMSettings            // for any SIM
	ByICC map[string]SIMSettings // whole, overrides already applied; key: ICCID

	SIMSlot int    // 0: as it is
	RAT     string // "" changes nothing; "auto", "lte", …: the profile's names
	Bands   string // "" changes nothing
	PLMN    string // "" automatic; "46000" registers there only
	USBMode string // "keep", "ecm", "rndis", "ncm", "qmi", "mbim"
	Data    string // "auto", "netdev", "ppp", "qmi", "mbim"

	Power    bool // there is a way to cut its power ([uplink.modem.power])
	HubPower bool // USB port power may be switched (opt-in)
	System   bool // owner = "system": somebody else drives it
}

// SIMSettings are what depends on the card.
type SIMSettings struct {
	APN      string // "" chooses: see the order of APNChoice
	User     string
	Password string
	Auth     string // "", "none", "pap", "chap", "both"
	PDPType  string // "IP", "IPV6", "IPV4V6", "" is "IP"
	PIN      string // "" never sends one
	Roaming  bool
}

// String keeps the secrets.
func (s SIMSettings) String() string { return "SIM settings (APN " + s.APN + ")" }

// GoString keeps them, too.
func (s SIMSettings) GoString() string { return s.String() }

// For returns what holds for the card with that ICCID; "" or an unknown one
// gets the settings for any SIM.
func (s Settings) For(iccid string) SIMSettings {
	if c, ok := s.ByICC[iccid]; ok && iccid != "" {
		return c
	}
	return s.SIM
}

// Match chooses a modem. Every part that is set must agree; the zero Match
// takes the first modem that no other uplink has asked for.
type Match struct {
	Path     string // of the USB device, or its end from a slash on
	IMEI     string // 15 digits: known only after the first answer
	VID, PID uint16
}
