package health

import "fmt"

// State is LuatOS's state of an uplink, with its numbers (visible in its logs only).
type State uint8

// The states of exnetif.lua; STOPED is spelled STOPPED here.
const (
	Disconnected  State = iota // no such device, or not brought up
	Connecting                 // carrier and address; the check has not decided yet
	Connected                  // usable
	Opened                     // waits for carrier or address, or its check fails
	SingleNetwork              // the only uplink and not checked
	Stopped                    // closed by the operator
)

var stateNames = [...]string{"DISCONNECTED", "CONNECTING", "CONNECTED", "OPENED", "SINGLE_NETWORK", "STOPPED"}

// String returns the LuatOS name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("STATE_%d", uint8(s))
}

// MarshalText writes the LuatOS name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a LuatOS name.
func (s *State) UnmarshalText(b []byte) error {
	for i, name := range stateNames {
		if name == string(b) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("uplink state %q: unknown", b)
}
