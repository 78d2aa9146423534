package tty

import (
	"errors"
	"time"

	"github.com/warthog618/modem/at"

	"luatnetd/modem"
	"luatnetd/modem/filter"
)

// engine is the AT library. This is the only file that knows it.
type engine struct{ at *at.AT }

func newEngine(w *wire) engine { return engine{at.New(w)} }

// do has one command carried out; no two at a time.
func (e engine) do(c modem.Command, limit time.Duration) ([]string, error) {
	run := func() ([]string, error) { return e.at.Command(c.Text, at.WithTimeout(limit)) }
	if c.PDU != "" {
		run = func() ([]string, error) { return e.at.SMSCommand(c.Text, c.PDU, at.WithTimeout(limit)) }
	}
	lines, err := run()
	return filter.Lines(lines, c.Prefix), translate(err)
}

// escape ends a prompt that a modem still waits at.
func (e engine) escape() { e.at.Escape() }

// closed is closed when nothing of the library runs any more.
func (e engine) closed() <-chan struct{} { return e.at.Closed() }

// translate puts the library's errors into package modem's.
func translate(err error) error {
	var cme at.CMEError
	var cms at.CMSError
	var connect at.ConnectError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, at.ErrError):
		return modem.ErrError
	case errors.Is(err, at.ErrDeadlineExceeded):
		return modem.ErrTimeout
	case errors.Is(err, at.ErrClosed):
		return modem.ErrGone
	case errors.As(err, &cme):
		return filter.CME(string(cme))
	case errors.As(err, &cms):
		return filter.CMS(string(cms))
	case errors.As(err, &connect):
		return modem.ConnectError(string(connect))
	}
	return err
}
