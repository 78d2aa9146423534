package serial

import (
	"errors"
	"fmt"
	"time"
)

// Parity of a character.
type Parity string

// The parities; "" is none.
const (
	NoParity Parity = "none"
	Even     Parity = "even"
	Odd      Parity = "odd"
	Mark     Parity = "mark"
	Space    Parity = "space"
)

// Flow is how one side stops the other.
type Flow string

// The kinds of flow control; "" is none.
const (
	NoFlow  Flow = "none"
	RTSCTS  Flow = "rtscts"
	XONXOFF Flow = "xonxoff"
)

// Direction is who switches an RS-485 driver between sending and receiving.
type Direction string

// The directions; "" is none: a full duplex line or a driver that switches itself.
const (
	NoDirection Direction = "none"
	ByKernel    Direction = "kernel" // TIOCSRS485: exact, where the UART's driver can
	ByRTS       Direction = "rts"    // RTS is toggled by us: late by a scheduling delay
	ByLine      Direction = "gpio"   // RS485.Line is called
)

// Config is one port. Only Path is required: zero values are 115200 8N1
// without flow control, as LuatOS's demo opens its UART.
type Config struct {
	Path     string // "/dev/ttyUSB0", "/dev/serial/by-id/…"
	Baud     int
	DataBits int // 5 to 8
	Parity   Parity
	StopBits int // 1 or 2
	Flow     Flow
	RS485    RS485
	// AnyBaud lets a driver keep the rate that it has: on USB there may be no line
	// behind the tty (the option driver of 4G modems says 9600 whatever is set).
	AnyBaud bool
}

// RS485 is how the driver of a half duplex line is switched.
type RS485 struct {
	Direction Direction
	ActiveLow bool          // the driver sends while the line is low
	Before    time.Duration // from switching to the first bit
	After     time.Duration // from the last bit to switching back
	// Line drives the pin (true = send) and is needed for ByLine only.
	Line func(send bool) error
}

// maxDelay bounds RS485's delays: the kernel cuts them to 100 ms, too.
const maxDelay = 100 * time.Millisecond

// WithDefaults returns c with LuatOS's values where it has none.
func (c Config) WithDefaults() Config {
	if c.Baud == 0 {
		c.Baud = 115200
	}
	if c.DataBits == 0 {
		c.DataBits = 8
	}
	if c.StopBits == 0 {
		c.StopBits = 1
	}
	if c.Parity == "" {
		c.Parity = NoParity
	}
	if c.Flow == "" {
		c.Flow = NoFlow
	}
	if c.RS485.Direction == "" {
		c.RS485.Direction = NoDirection
	}
	return c
}

// String is the usual short form: "115200 8N1".
func (c Config) String() string {
	c = c.WithDefaults()
	letter := map[Parity]string{NoParity: "N", Even: "E", Odd: "O", Mark: "M", Space: "S"}[c.Parity]
	return fmt.Sprintf("%d %d%s%d", c.Baud, c.DataBits, letter, c.StopBits)
}

// Takes is how long n bytes are on the line, at most: a character has up to
// 12 bits with start, parity and stop bits.
func (c Config) Takes(n int) time.Duration {
	return time.Duration(n) * 12 * time.Second / time.Duration(c.WithDefaults().Baud)
}

// Check reports every value that no port can have.
func (c Config) Check() error {
	c = c.WithDefaults()
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.Path == "", "serial port: no path")
	bad(c.Baud < 50 || c.Baud > 12_000_000, "baud %d: must be 50 to 12000000", c.Baud)
	bad(c.DataBits < 5 || c.DataBits > 8, "data bits %d: must be 5, 6, 7 or 8", c.DataBits)
	bad(c.StopBits != 1 && c.StopBits != 2, "stop bits %d: must be 1 or 2", c.StopBits)
	_, known := parityFlags[c.Parity]
	bad(!known, "parity %q: must be none, even, odd, mark or space", c.Parity)
	_, known = flowFlags[c.Flow]
	bad(!known, "flow control %q: must be none, rtscts or xonxoff", c.Flow)
	errs = append(errs, c.RS485.check(c.Flow))
	return errors.Join(errs...)
}

func (r RS485) check(flow Flow) error {
	switch r.Direction {
	case NoDirection, ByKernel, ByRTS, ByLine:
	default:
		return fmt.Errorf("RS-485 direction %q: must be none, kernel, rts or gpio", r.Direction)
	}
	switch {
	case r.Direction != NoDirection && flow == RTSCTS:
		return fmt.Errorf("RS-485 direction %q: RTS cannot be flow control as well", r.Direction)
	case r.Direction == ByLine && r.Line == nil:
		return errors.New("RS-485 direction by GPIO: no line is given")
	case min(r.Before, r.After) < 0 || max(r.Before, r.After) > maxDelay:
		return fmt.Errorf("RS-485 delays %s and %s: must be 0 to %s", r.Before, r.After, maxDelay)
	}
	return nil
}
