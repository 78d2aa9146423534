package serial

import "golang.org/x/sys/unix"

// parityFlags and flowFlags are the control and input flags of each setting.
var (
	parityFlags = map[Parity]uint32{
		NoParity: 0,
		Even:     unix.PARENB,
		Odd:      unix.PARENB | unix.PARODD,
		Mark:     unix.PARENB | unix.PARODD | unix.CMSPAR,
		Space:    unix.PARENB | unix.CMSPAR,
	}
	flowFlags = map[Flow]struct{ control, input uint32 }{
		NoFlow:  {},
		RTSCTS:  {control: unix.CRTSCTS},
		XONXOFF: {input: unix.IXON | unix.IXOFF},
	}
	sizeFlags = map[int]uint32{5: unix.CS5, 6: unix.CS6, 7: unix.CS7, 8: unix.CS8}
)

// termios is a raw line with c's settings: no byte is changed, dropped or
// turned into a signal. Bytes with a parity error are kept as they came: what
// they mean is for the two ends to say.
func (c Config) termios() unix.Termios {
	c = c.WithDefaults()
	flow := flowFlags[c.Flow]
	t := unix.Termios{
		Iflag: flow.input,
		// BOTHER takes every rate as a number, the standard ones as well. CLOCAL:
		// the modem lines of a three wire cable say nothing.
		Cflag:  unix.CREAD | unix.CLOCAL | unix.BOTHER | sizeFlags[c.DataBits] | parityFlags[c.Parity] | flow.control,
		Ispeed: uint32(c.Baud),
		Ospeed: uint32(c.Baud),
	}
	if c.Parity == NoParity {
		t.Iflag |= unix.IGNPAR // a framing error is a byte like any other
	}
	if c.StopBits == 2 {
		t.Cflag |= unix.CSTOPB
	}
	t.Cc[unix.VMIN] = 1 // else a read without data looks like the end of the port
	t.Cc[unix.VSTART], t.Cc[unix.VSTOP] = 0x11, 0x13
	return t
}
