package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"luatnetd/internal/ctl"
	"luatnetd/internal/host"
	"luatnetd/internal/status"
	"luatnetd/modem"
	"luatnetd/modem/drive"
)

// These answer the control socket on its own goroutines: the loop is not asked.

// modemEntry is a driver and its uplink, for readers on other goroutines.
type modemEntry struct {
	uplink string
	driver *drive.Driver
}

// showModems publishes who there is.
func (e *Engine) showModems() {
	var list []modemEntry
	for _, u := range e.uplinks {
		if u.modem != nil {
			list = append(list, modemEntry{u.cfg.Name, u.modem.driver})
		}
	}
	e.modems.view.Store(&list)
}

func (e *Engine) modemEntries() []modemEntry {
	if p := e.modems.view.Load(); p != nil {
		return *p
	}
	return nil
}

func (e *Engine) modemList() []status.Modem {
	list := []status.Modem{}
	for _, m := range e.modemEntries() {
		list = append(list, status.Modem{Uplink: m.uplink, Status: wallStatus(m.driver.Status())})
	}
	return list
}

// modemOf finds the driver of an uplink; "" is the only one there is.
func (e *Engine) modemOf(uplink string) (*drive.Driver, error) {
	list := e.modemEntries()
	if uplink == "" && len(list) == 1 {
		return list[0].driver, nil
	}
	i := slices.IndexFunc(list, func(m modemEntry) bool { return m.uplink == uplink })
	if i >= 0 && uplink != "" {
		return list[i].driver, nil
	}
	var known []string
	for _, m := range list {
		known = append(known, m.uplink)
	}
	return nil, ctl.NoModem(uplink, known)
}

// longestWish bounds what a client may wait for: a network scan takes 315 s.
const longestWish = 6 * time.Minute

func (e *Engine) askModem(ctx context.Context, uplink string, r modem.Request) ([]string, error) {
	d, err := e.modemOf(uplink)
	if err != nil {
		return nil, err
	}
	if r.Timeout <= 0 || r.Timeout > longestWish {
		r.Timeout = longestWish
	}
	limited, cancel := context.WithTimeout(ctx, r.Timeout+10*time.Second)
	defer cancel()
	lines, err := d.Ask(limited, r)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &ctl.Error{Status: http.StatusGatewayTimeout, Message: "the modem gave no answer in " + r.Timeout.String(), Hint: "luatnetd ctl modem shows what it is doing"}
	case err != nil:
		return nil, &ctl.Error{Status: http.StatusConflict, Message: fmt.Sprintf("%s: %v", r.Kind, err)}
	}
	return lines, nil
}

func (e *Engine) leaseModem(ctx context.Context, uplink string, d time.Duration) (string, error) {
	m, err := e.modemOf(uplink)
	if err != nil {
		return "", err
	}
	path, err := m.Lease(ctx, d)
	if err != nil {
		return "", &ctl.Error{Status: http.StatusConflict, Message: "no port can be lent: " + err.Error()}
	}
	return path, nil
}

func (e *Engine) modemSMS(uplink string) ([]modem.SMS, error) {
	m, err := e.modemOf(uplink)
	if err != nil {
		return nil, err
	}
	return m.SMS(), nil
}

func (e *Engine) forgetSMS(uplink, key string) error {
	m, err := e.modemOf(uplink)
	if err == nil {
		err = m.DeleteSMS(key)
	}
	if errors.Is(err, drive.ErrNoSMS) {
		return &ctl.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no message %q", key), Hint: "luatnetd ctl modem sms shows the keys"}
	}
	return err
}

func (e *Engine) exportModem(uplink string) (string, error) {
	m, err := e.modemOf(uplink)
	if err != nil {
		return "", err
	}
	return m.Export(), nil
}

// wallStatus gives a status the wall clock's times, for people.
func wallStatus(s modem.Status) modem.Status {
	s.Since, s.Next, s.Signal.At = host.Wall(s.Since), host.Wall(s.Next), host.Wall(s.Signal.At)
	return s
}
