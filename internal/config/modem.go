package config

import (
	"time"

	"luatnetd/modem"
)

// Modem is a 4G modem behind an uplink. Settings hides the secrets it holds.
type Modem struct {
	modem.Settings
	Switch   PowerSwitch   // zero: nothing can cut its power
	PowerOff time.Duration // how long it stays off
	Pos      Position
}

// PowerSwitch is how a supply is cut (pwrpin): a GPIO line, a file, or a
// program that is called with "on" or "off".
type PowerSwitch struct {
	Chip      string // "/dev/gpiochip0"
	Line      int
	File      string // takes "0" and "1"
	Command   string
	ActiveLow bool // low, or "0", is on
}

// IsZero reports whether there is no switch.
func (p PowerSwitch) IsZero() bool { return p == PowerSwitch{} }

// Driven reports whether luatnetd itself drives the modem of u.
func (u *Uplink) Driven() bool { return u.Modem != nil && !u.Modem.System }
