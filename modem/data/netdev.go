package data

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"luatnetd/modem"
)

// netdev is the plane of modules that dial themselves: the device is set up,
// and DHCP or the bearer's addresses do the rest.
type netdev struct {
	plan    modem.DataPlan
	env     Env
	changes chan modem.DataChanged
}

func newNetdev(plan modem.DataPlan, env Env) *netdev {
	return &netdev{plan, env, make(chan modem.DataChanged, 2)} // up and down
}

func (n *netdev) Changes() <-chan modem.DataChanged { return n.changes }

func (n *netdev) Start(context.Context, *os.File) error {
	if err := n.env.Link(n.plan.Netdev, true); err != nil {
		return err
	}
	n.changes <- modem.DataChanged{Up: true, Netdev: n.plan.Netdev, Bearer: n.plan.Bearer}
	return nil
}

// Adopt adopts any netdev that is there: the module has dialled.
func (n *netdev) Adopt(ctx context.Context) bool { return n.Start(ctx, nil) == nil }

// Stop leaves the device up: who asked may want it down, or renew its lease.
func (n *netdev) Stop(context.Context) error {
	n.changes <- modem.DataChanged{Netdev: n.plan.Netdev, Cause: modem.DataAsked}
	close(n.changes)
	return nil
}

// setLink sets the administrative state of a device.
func setLink(name string, up bool) error {
	fail := func(err error) error { return fmt.Errorf("set device %s up or down: %w", name, err) }
	req, err := unix.NewIfreq(name)
	if err != nil {
		return fail(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return fail(err)
	}
	flags := req.Uint16() &^ unix.IFF_UP
	if up {
		flags |= unix.IFF_UP
	}
	if flags == req.Uint16() {
		return nil
	}
	req.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fail(err)
	}
	return nil
}
