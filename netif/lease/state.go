package lease

// State is a state of RFC 2131 figure 5, or one of DOWN, CHECKING and STOPPED.
type State uint8

// The states; doc.go draws the ways between them.
const (
	Down       State = iota // no carrier: nothing is sent
	Init                    // about to send a DISCOVER, perhaps after a wait
	Selecting               // DISCOVER sent
	Requesting              // an offer was chosen, REQUEST sent
	InitReboot              // about to ask for the remembered address
	Rebooting               // REQUEST for the remembered address sent
	Checking                // granted, ARP probes out
	Bound
	Renewing  // REQUEST sent to the server that gave the lease
	Rebinding // REQUEST sent to any server
	Stopped
)

var stateNames = [...]string{
	"DOWN", "INIT", "SELECTING", "REQUESTING", "INIT-REBOOT", "REBOOTING",
	"CHECKING", "BOUND", "RENEWING", "REBINDING", "STOPPED",
}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "?"
}

// raw reports whether the packet socket is open in the state. RENEWING needs it
// for a NAK: that comes by broadcast (RFC 2131 §4.1), which the firewall drops.
func (s State) raw() bool {
	switch s {
	case Down, Bound, Stopped:
		return false
	}
	return true
}
