package serve

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"luatnetd/netif"
)

// ifreqHardware is struct ifreq with ifr_hwaddr in it (linux/if.h), which
// x/sys/unix has no accessor for. 24 bytes of union cover every architecture.
type ifreqHardware struct {
	name   [unix.IFNAMSIZ]byte
	family uint16
	data   [22]byte
}

// hardware is the Ethernet address of a device.
func hardware(fd int, device string) (netif.MAC, error) {
	var req ifreqHardware
	copy(req.name[:unix.IFNAMSIZ-1], device)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFHWADDR, uintptr(unsafe.Pointer(&req)))
	if errno != 0 {
		return netif.MAC{}, errno
	}
	if req.family != unix.ARPHRD_ETHER {
		return netif.MAC{}, nil
	}
	return netif.MAC(req.data[:6]), nil
}
