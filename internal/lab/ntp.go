package lab

import (
	"encoding/binary"
	"net"
	"time"
)

// ntpEra is the difference between NTP's epoch and Unix's, in seconds (RFC 5905 §6).
const ntpEra = 2208988800

// ServeNTP answers time on addr in the namespace, ahead of this machine's clock
// by so much, until the returned function is called.
func (ns *NS) ServeNTP(addr string, ahead time.Duration) (stop func(), err error) {
	var c net.PacketConn
	if err := ns.Do(func() (err error) {
		c, err = net.ListenPacket("udp4", net.JoinHostPort(addr, "123"))
		return err
	}); err != nil {
		return nil, err
	}
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if n >= 48 {
				_, _ = c.WriteTo(NTPAnswer(buf[:n], time.Now().Add(ahead)), from)
			}
		}
	}()
	return func() { _ = c.Close() }, nil
}

// NTPAnswer is what a server of stratum 2 says at a time (RFC 5905 figure 8).
func NTPAnswer(query []byte, now time.Time) []byte {
	a := make([]byte, 48)
	a[0], a[1], a[2], a[3] = 4<<3|4, 2, 6, 0xec // version 4, server, stratum 2
	for _, at := range []int{16, 32, 40} {      // reference, receive, transmit
		binary.BigEndian.PutUint32(a[at:], uint32(now.Unix()+ntpEra))
		binary.BigEndian.PutUint32(a[at+4:], uint32(uint64(now.Nanosecond())<<32/1e9))
	}
	copy(a[24:32], query[40:48]) // origin
	return a
}
