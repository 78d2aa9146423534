package data

import (
	"net"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"luatnetd/modem"
)

func TestNetdevIsSetUpAndNoMore(t *testing.T) {
	b := newBench(t)
	plan := modem.DataPlan{Kind: modem.DataNetdev, Netdev: "usb0", Bearer: bearer("10.0.0.2", "10.0.0.1", 1400)}
	p := b.start(plan)
	if d := cmp.Diff(modem.DataChanged{Up: true, Netdev: "usb0", Bearer: plan.Bearer}, next(t, p), addresses, prefixes); d != "" {
		t.Errorf("change (-want +got):\n%s", d)
	}
	stop(t, p)
	if c := next(t, p); c.Up || c.Cause != modem.DataAsked {
		t.Errorf("change %+v", c)
	}
	closed(t, p)
	if d := cmp.Diff([]string{"link usb0 up"}, b.calls()); d != "" {
		t.Errorf("done (-want +got):\n%s", d)
	}
}

func TestSetLink(t *testing.T) {
	runtime.LockOSThread() // never unlocked: the thread ends with its namespace
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("needs a network namespace: %v", err)
	}
	for _, up := range []bool{true, true, false} {
		if err := setLink("lo", up); err != nil {
			t.Fatal(err)
		}
		lo, err := net.InterfaceByName("lo")
		if err != nil || lo.Flags&net.FlagUp != 0 != up {
			t.Errorf("lo is %v, %v; want up %v", lo.Flags, err, up)
		}
	}
	if err := setLink("none0", true); err == nil {
		t.Error("a device that is not there was set up")
	}
	if err := setLink("a-name-that-is-too-long", true); err == nil {
		t.Error("an impossible name was accepted")
	}
}
