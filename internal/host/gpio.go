package host

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// gpioConsumer is who has the line, in gpioinfo(1).
const gpioConsumer = "luatnetd power"

// Flags of a line request (linux/gpio.h, enum gpio_v2_line_flag).
const gpioOutput = 1 << 3 // GPIO_V2_LINE_FLAG_OUTPUT

// setLine drives the line high or low. The first time it is requested as an
// output that has the value from the start, so that there is no glitch.
func (p *PowerSwitch) setLine(high bool) error {
	var err error
	if p.line == nil {
		p.line, err = requestLine(p.Chip, p.Line, high)
	} else {
		err = driveLine(p.line, high)
	}
	if err != nil {
		return fmt.Errorf("line %d of %s: %w", p.Line, p.Chip, err)
	}
	return nil
}

// lineRequest asks for one line as an output (Documentation/userspace-api/gpio).
func lineRequest(line int, high bool) unix.GPIOV2LineRequest {
	r := unix.GPIOV2LineRequest{Num_lines: 1}
	r.Offsets[0] = uint32(line)
	copy(r.Consumer[:], gpioConsumer)
	r.Config.Flags = gpioOutput
	r.Config.Num_attrs = 1
	r.Config.Attrs[0].Attr.Id = unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES
	r.Config.Attrs[0].Mask = 1
	r.Config.Attrs[0].Attr.Flags = bit(high) // a union: the values
	return r
}

func requestLine(chip string, line int, high bool) (*os.File, error) {
	f, err := os.OpenFile(chip, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r := lineRequest(line, high)
	if err := gpioCall(f, unix.GPIO_V2_GET_LINE_IOCTL, unsafe.Pointer(&r)); err != nil {
		return nil, err
	}
	unix.CloseOnExec(int(r.Fd))
	return os.NewFile(uintptr(r.Fd), "gpio line"), nil
}

func driveLine(line *os.File, high bool) error {
	v := unix.GPIOV2LineValues{Bits: bit(high), Mask: 1}
	return gpioCall(line, unix.GPIO_V2_LINE_SET_VALUES_IOCTL, unsafe.Pointer(&v))
}

func gpioCall(f *os.File, request uintptr, arg unsafe.Pointer) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(arg))
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}

func bit(high bool) uint64 {
	if high {
		return 1
	}
	return 0
}
