package netif

import (
	"fmt"
	"net"
)

// MAC is an Ethernet hardware address: comparable, so it is the key everywhere.
// The zero value means "none".
type MAC [6]byte

// ParseMAC reads the forms of net.ParseMAC ("02:00:5e:10:00:00",
// "02-00-…", "0200.5e10.0000") and refuses anything that is not 48 bits.
func ParseMAC(s string) (MAC, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return MAC{}, fmt.Errorf("hardware address %q: want six bytes such as 02:00:5e:10:00:01", s)
	}
	return MAC(hw), nil
}

// MACFrom returns the address in hw and whether hw is 48 bits long.
func MACFrom(hw net.HardwareAddr) (m MAC, ok bool) {
	if len(hw) != 6 {
		return MAC{}, false
	}
	return MAC(hw), true
}

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// IsZero reports whether m is the zero value.
func (m MAC) IsZero() bool { return m == MAC{} }

// HardwareAddr returns a fresh copy of m for libraries that want a slice.
func (m MAC) HardwareAddr() net.HardwareAddr { return append(net.HardwareAddr(nil), m[:]...) }

// MarshalText writes m in the usual colon form.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what ParseMAC reads.
func (m *MAC) UnmarshalText(b []byte) error {
	v, err := ParseMAC(string(b))
	if err == nil {
		*m = v
	}
	return err
}
