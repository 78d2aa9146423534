package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/status"
	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

// serveModem is the emulated modem as a program, until a signal ends it. It
// needs no namespaces.
func serveModem(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	err := modemtest.Command(ctx, args, os.Stdout)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	default:
		fmt.Fprintln(os.Stderr, "luatnet-lab modem: "+err.Error())
		return exitFailed
	}
}

// modemID is the family of the demo's modem.
const modemID = "air780-at"

// buildModem makes the last provider that of an emulated modem, which is not
// switched on yet, and writes the configuration.
func (d *demo) buildModem() (err error) {
	pace := modemtest.Pace{Boot: 1500 * time.Millisecond} // 5 s and more with a real one
	if d.modem, err = modemtest.Attach(d.isp(mobile), modemID, modemtest.Options{Pace: pace}); err != nil {
		return fmt.Errorf("emulated modem: %w", err)
	}
	d.modem.Power(false)
	return d.Write(strings.Replace(configText, "PORT", d.modem.Port, 1))
}

// modemReady waits until the modem may carry traffic, and tells the way there.
func (d *demo) modemReady(ctx context.Context) (string, error) {
	if err := d.ready(ctx, 20*time.Second, mobile); err != nil {
		return "", err
	}
	var way []string
	err := d.API.Events(ctx, 0, false, func(e status.Event) {
		if to := e.Attrs["to"]; e.Kind == "modem" && to != "" && !slices.Contains(way, to) {
			way = append(way, to)
		}
	})
	return "it went " + strings.Join(way, ", "), err
}

// cardMissed waits until the daemon says that the card is gone and the modem
// does not stand by any more, and demands that nobody felt it.
func (d *demo) cardMissed(ctx context.Context) (string, error) {
	err := until(ctx, 20*time.Second, func() error {
		list, err := d.API.Modems(ctx)
		if err == nil && (len(list) != 1 || list[0].Code != string(modem.CodeSIMMissing)) {
			err = fmt.Errorf("the daemon does not miss the card: %+v", list)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	took := time.Since(d.began)
	err = until(ctx, 20*time.Second, func() error {
		u, err := d.Uplink(mobile)
		if err == nil && u.Verified {
			err = fmt.Errorf("%s stands by without a card", mobile)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	text, err := d.stopMeters(ctx).unharmed()
	return fmt.Sprintf("%s is shown after %s: %s", modem.CodeSIMMissing, words(took), text), err
}
