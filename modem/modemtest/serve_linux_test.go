package modemtest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// The module's DHCP server answers on its own device, and there only.
func TestServeDHCP(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		module, host := n.MustNS(t, "module"), n.MustNS(t, "host")
		n.MustLink(t, module, "usb0", host, "usb0")
		n.MustLink(t, module, "other", host, "other")
		for _, device := range []string{"usb0", "other"} {
			if err := module.AddAddr(device, "192.168.225.1/24"); err != nil {
				t.Fatal(err)
			}
		}
		m := New(personality(t, "quectel-qc"), Options{Pace: Pace{SIM: -1, Register: -1}})
		until(t, "data", func() bool { return m.Data().Up })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		module.MustDo(t, func() error {
			lc, err := m.listenDHCP(ctx, "usb0")
			go func() {
				if err == nil {
					err = m.answerDHCP(ctx, lc)
				}
				done <- err
			}()
			return err
		})
		for device, want := range map[string]string{"usb0": "192.168.225.2", "other": ""} {
			if got := lease4(t, host, device); got != want {
				t.Errorf("lease on %s: %q, want %q", device, got, want)
			}
		}
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("ServeDHCP: %v", err)
		}
	})
}

// lease4 asks for an address on a device and returns what is offered within a second.
func lease4(t *testing.T, host *lab.NS, device string) string {
	t.Helper()
	var fd int
	host.MustDo(t, func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
			return err
		}
		if err = unix.BindToDevice(fd, device); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrInet4{Port: 68})
	})
	defer unix.Close(fd)
	req, err := dhcpv4.NewDiscovery(net.HardwareAddr{2, 0, 0, 0, 0, 9}, dhcpv4.WithBroadcast(true))
	if err != nil {
		t.Fatal(err)
	}
	tv := unix.NsecToTimeval(int64(time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1500)
	for range 5 { // the first may be lost while the link comes up
		host.MustDo(t, func() error {
			return unix.Sendto(fd, req.ToBytes(), 0, &unix.SockaddrInet4{Port: 67, Addr: [4]byte{255, 255, 255, 255}})
		})
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			if device == "other" {
				return ""
			}
			continue
		}
		offer, err := dhcpv4.FromBytes(buf[:n])
		if err != nil {
			t.Fatal(err)
		}
		return offer.YourIPAddr.String()
	}
	return ""
}
