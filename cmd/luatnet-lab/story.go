package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Limits of what a user would call "it just works". The figures of a quiet
// machine are in docs/benchmarks.md; these have to hold on a busy one, too.
const (
	cableGap  = time.Second
	silentGap = failAfter*checkInterval + time.Second
)

// story is what a gateway goes through. Each step starts where the one before
// it ended.
var story = []step{
	{
		name: "the gateway is switched on",
		do: func(ctx context.Context, d *demo) error {
			d.began = time.Now()
			d.modem.Power(true)
			return d.power(ctx)
		},
		check: func(_ context.Context, d *demo) (string, error) {
			return fmt.Sprintf("luatnetd answers after %s", words(time.Since(d.began))), nil
		},
	},
	{
		name: "the client is plugged in",
		do: func(_ context.Context, d *demo) error {
			d.background("the client's DHCP", func() error { return d.client.join(d.life, "eth0") })
			return nil
		},
		check: func(ctx context.Context, d *demo) (string, error) {
			a, err := d.client.address(ctx, 20*time.Second)
			return fmt.Sprintf("client got %s", a), err
		},
	},
	{
		name: "the client opens a web page",
		do:   nothing,
		check: func(ctx context.Context, d *demo) (string, error) {
			a, err := d.sees(ctx, 20*time.Second, "wan")
			return fmt.Sprintf("reaches the internet through wan (server sees %s)", a), err
		},
	},
	{
		name: "wan2 is checked, to stand by",
		do:   nothing,
		check: func(ctx context.Context, d *demo) (string, error) {
			return "wan2 is verified with real packets while wan carries the traffic", d.ready(ctx, 15*time.Second, "wan2")
		},
	},
	{
		name: "the cable of wan is pulled",
		do: func(ctx context.Context, d *demo) error {
			return d.harm(ctx, func() error { return d.isp("wan").Cut() })
		},
		check: func(ctx context.Context, d *demo) (string, error) { return d.switchedTo(ctx, "wan2", cableGap) },
	},
	{
		name: "the cable of wan is plugged in again",
		do: func(ctx context.Context, d *demo) error {
			return d.harm(ctx, func() error { return d.isp("wan").Restore() })
		},
		check: func(ctx context.Context, d *demo) (string, error) { return d.failedBack(ctx, "wan") },
	},
	{
		name: "wan goes silently dead: cable and provider look well, nothing passes",
		do: func(ctx context.Context, d *demo) error {
			return d.harm(ctx, func() error { return d.isp("wan").Blackhole(true) })
		},
		check: func(ctx context.Context, d *demo) (string, error) { return d.switchedTo(ctx, "wan2", silentGap) },
	},
	{
		name: "wan comes to life again",
		do: func(ctx context.Context, d *demo) error {
			return d.harm(ctx, func() error { return d.isp("wan").Blackhole(false) })
		},
		check: func(ctx context.Context, d *demo) (string, error) { return d.failedBack(ctx, "wan") },
	},
	{
		name:  "the 4G modem, switched on with the gateway, stands by",
		do:    nothing,
		check: func(ctx context.Context, d *demo) (string, error) { return d.modemReady(ctx) },
	},
	{
		name: "both cables are pulled",
		do: func(ctx context.Context, d *demo) error {
			return d.harm(ctx, func() error { return errors.Join(d.isp("wan").Cut(), d.isp("wan2").Cut()) })
		},
		check: func(ctx context.Context, d *demo) (string, error) { return d.switchedTo(ctx, mobile, cableGap) },
	},
	{
		name: "both cables are plugged in again",
		do: func(ctx context.Context, d *demo) error {
			return d.harm(ctx, func() error { return errors.Join(d.isp("wan").Restore(), d.isp("wan2").Restore()) })
		},
		check: func(ctx context.Context, d *demo) (string, error) { return d.failedBack(ctx, "wan") },
	},
	{
		name: "the SIM card is pulled while wan carries the traffic",
		do: func(ctx context.Context, d *demo) error {
			return d.harm(ctx, func() error { return d.modem.Fault("sim-removed") })
		},
		check: func(ctx context.Context, d *demo) (string, error) { return d.cardMissed(ctx) },
	},
	{
		name: "the SIM card is put back",
		do: func(_ context.Context, d *demo) error {
			d.began = time.Now()
			d.modem.Clear("sim-removed")
			return nil
		},
		check: func(ctx context.Context, d *demo) (string, error) {
			err := d.ready(ctx, 20*time.Second, mobile)
			return fmt.Sprintf("the modem stands by again after %s", words(time.Since(d.began))), err
		},
	},
	{
		name: "the daemon is killed with -9",
		do: func(ctx context.Context, d *demo) error {
			return d.harm(ctx, func() error { return d.Stop(syscall.SIGKILL) })
		},
		check: func(ctx context.Context, d *demo) (string, error) {
			pause(ctx, time.Second)
			text, err := d.stopMeters(ctx).unharmed()
			return "traffic goes on without it: " + text, err
		},
	},
	{
		name: "the daemon is started again",
		do: func(ctx context.Context, d *demo) error {
			return d.harm(ctx, func() error { return d.power(ctx) })
		},
		check: func(ctx context.Context, d *demo) (string, error) {
			if err := d.active(ctx, 15*time.Second, "wan"); err != nil {
				return "", err
			}
			if err := d.remembers(ctx); err != nil {
				return "", err
			}
			text, err := d.stopMeters(ctx).unharmed()
			return "it knows the client and the routes: " + text, err
		},
	},
	{
		name: "the providers are asked what they saw",
		do:   nothing,
		check: func(_ context.Context, d *demo) (string, error) {
			n, err := d.ForeignPackets()
			if err == nil && n > 0 {
				err = fmt.Errorf("%d packets with a private or foreign source, want none", n)
			}
			return "0 packets with a private or foreign source", err
		},
	},
}

func nothing(context.Context, *demo) error { return nil }

// harm starts the meters at the client, then does something to the network.
func (d *demo) harm(ctx context.Context, what func() error) error {
	if err := d.startMeters(ctx); err != nil {
		return err
	}
	err := what()
	d.began = time.Now()
	return err
}

// switchedTo waits until the client's traffic goes through the uplink: both
// the stream that was running and new connections.
func (d *demo) switchedTo(ctx context.Context, name string, limit time.Duration) (string, error) {
	if err := d.meter.Back(ctx, d.began); err != nil {
		return "", err
	}
	seen, err := d.sees(ctx, limit+patience, name)
	if err != nil {
		return "", err
	}
	m := d.stopMeters(ctx)
	text := fmt.Sprintf("traffic back after %s through %s (server sees %s)", words(m.Gap), name, seen)
	if m.Gap > limit {
		return "", fmt.Errorf("%s, want at most %s", text, words(limit))
	}
	return text, d.active(ctx, 5*time.Second, name)
}

// failedBack waits until new connections go through the uplink again, and
// demands that the running ones felt nothing.
func (d *demo) failedBack(ctx context.Context, name string) (string, error) {
	if err := d.active(ctx, 20*time.Second, name); err != nil {
		return "", err
	}
	took := time.Since(d.began)
	if _, err := d.sees(ctx, patience, name); err != nil {
		return "", err
	}
	text, err := d.stopMeters(ctx).unharmed()
	return fmt.Sprintf("failed back after %s: %s", words(took), text), err
}

// remembers reports whether the daemon still knows the client's lease.
func (d *demo) remembers(ctx context.Context) error {
	a, err := d.client.address(ctx, time.Second)
	if err != nil {
		return err
	}
	doc, err := d.API.Status(ctx)
	if err != nil {
		return err
	}
	for _, l := range doc.Leases() {
		if l.Address == a.String() {
			return nil
		}
	}
	return fmt.Errorf("the daemon forgot the lease of %s", a)
}

// ms is a duration as people say it.
func words(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}
