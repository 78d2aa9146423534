package drive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/tty"
	"luatnetd/modem/usb"
)

// Identity is who the modem and its card are, unmasked: for what a connection
// registers with, never for a log.
type Identity struct{ IMEI, IMSI, ICCID string }

// Identity returns what is known so far.
func (d *Driver) Identity() Identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.identity
}

// Lease lends a port to another program for at most limit and returns the pty
// that leads to it: a port that we have open and do not speak on, else the one
// we do.
func (d *Driver) Lease(ctx context.Context, limit time.Duration) (string, error) {
	d.mu.Lock()
	open := slices.Clone(d.open)
	d.mu.Unlock()
	if len(open) == 0 {
		return "", errors.New("no port of the modem is open")
	}
	return open[len(open)-1].tty.Lease(ctx, limit)
}

// Export is the modem's status and what was said on its ports, masked.
func (d *Driver) Export() string {
	d.mu.Lock()
	open, s := slices.Clone(d.open), d.status
	d.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "state %s, code %q: %s\nprofile %s, device %s, model %s %s\n", s.State, s.Code, s.Cause, s.Profile, s.Device, s.Model, s.Revision)
	for _, t := range open {
		fmt.Fprintf(&b, "\nport %s\n%s\n", t.path, strings.Join(t.tty.Trace(), "\n"))
	}
	return b.String()
}

// openPort is a port that answers.
type openPort struct {
	path string
	tty  *tty.Port
}

// noteOpen remembers the open ports, the one we speak on first.
func (d *Driver) noteOpen() {
	var open []openPort
	for _, path := range d.machine.Speaking() {
		if p := d.ports[path]; p != nil && p.tty != nil {
			open = append(open, openPort{path, p.tty})
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = open
}

// Pull moves a lever of a device; cycle cuts its supply for a moment.
func Pull(ctx context.Context, l modem.Lever, dev *modem.Device, levers *usb.Levers, cycle func(context.Context) error) error {
	if l == modem.LeverPower {
		return cycle(ctx)
	}
	if dev == nil {
		return fmt.Errorf("%s: the modem was never there", l)
	}
	switch l {
	case modem.LeverNewID:
		return levers.NewID(ctx, dev.VID, dev.PID)
	case modem.LeverRebind:
		return levers.Rebind(ctx, dev.Path)
	case modem.LeverHub:
		return levers.CyclePort(ctx, dev.Path)
	}
	return fmt.Errorf("%s: %w", l, usb.ErrNoLever)
}
