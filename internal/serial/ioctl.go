package serial

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rs485 is struct serial_rs485 of linux/serial.h.
type rs485 struct {
	flags         uint32
	before, after uint32 // milliseconds
	_             [5]uint32
}

// Flags of rs485.
const (
	rs485Enabled     = 1 << 0
	rs485RTSOnSend   = 1 << 1
	rs485RTSAfterTX  = 1 << 2
	closingWaitNone  = 65535 // ASYNC_CLOSING_WAIT_NONE
	closingWaitField = 40    // offset in struct serial_struct, the same on 32 and 64 bit
)

// kernel is r in the kernel's words.
func (r RS485) kernel() rs485 {
	k := rs485{
		flags:  rs485Enabled | rs485RTSOnSend,
		before: uint32(r.Before.Milliseconds()), after: uint32(r.After.Milliseconds()),
	}
	if r.ActiveLow {
		k.flags = rs485Enabled | rs485RTSAfterTX
	}
	return k
}

// setDirection makes the line listen.
func (p *Port) setDirection(fd int) error {
	switch r := p.cfg.RS485; r.Direction {
	case ByKernel:
		k := r.kernel()
		if err := ioctl(fd, unix.TIOCSRS485, unsafe.Pointer(&k)); err != nil {
			return fmt.Errorf("switch RS-485 on: %w (the driver cannot do it: use direction rts or gpio)", err)
		}
	case ByRTS:
		if err := setRTS(fd, r.ActiveLow); err != nil {
			return fmt.Errorf("set RTS: %w (no such line here: use direction gpio)", err)
		}
	case ByLine:
		if err := r.Line(r.ActiveLow); err != nil {
			return fmt.Errorf("set RS-485 line: %w", err)
		}
	}
	return nil
}

// writeSwitched sends with the driver switched by us.
func (p *Port) writeSwitched(b []byte) (n int, err error) {
	r := p.cfg.RS485
	line := func(send bool) error {
		if r.Direction == ByLine {
			return r.Line(send != r.ActiveLow)
		}
		return p.control(func(fd int) error { return setRTS(fd, send != r.ActiveLow) })
	}
	defer func() { // whatever happened, the others must be heard again
		if e := line(false); err == nil && e != nil {
			err = fmt.Errorf("switch RS-485 line to receive: %w", e)
		}
	}()
	if err := line(true); err != nil {
		return 0, fmt.Errorf("switch RS-485 line to send: %w", err)
	}
	time.Sleep(r.Before)
	n, err = p.file.Write(b)
	if err != nil {
		return n, gone(err)
	}
	// tcdrain: back when the last stop bit has left, as far as the driver knows.
	err = p.control(func(fd int) error {
		for {
			if err := unix.IoctlSetInt(fd, unix.TCSBRK, 1); err != unix.EINTR {
				return err
			}
		}
	})
	time.Sleep(r.After)
	return n, gone(err)
}

func setRTS(fd int, on bool) error {
	if on {
		return unix.IoctlSetPointerInt(fd, unix.TIOCMBIS, unix.TIOCM_RTS)
	}
	return unix.IoctlSetPointerInt(fd, unix.TIOCMBIC, unix.TIOCM_RTS)
}

// noClosingWait sets closing_wait=none, so that a process whose port is
// stopped by flow control ends at once. It needs privilege and not every
// driver has it; Close flushes in any case.
func noClosingWait(fd int) {
	var s [128]byte // struct serial_struct and room
	if ioctl(fd, unix.TIOCGSERIAL, unsafe.Pointer(&s)) != nil {
		return
	}
	binary.NativeEndian.PutUint16(s[closingWaitField:], closingWaitNone)
	_ = ioctl(fd, unix.TIOCSSERIAL, unsafe.Pointer(&s))
}

func ioctl(fd int, request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
