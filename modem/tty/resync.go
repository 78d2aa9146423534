package tty

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"luatnetd/modem"
)

// How a port is resynchronised.
const (
	resyncTries = 6
	resyncQuiet = 200 * time.Millisecond // before the first try; twice as long before each further one
	maxQuiet    = 3 * time.Second
	probeMute   = time.Second     // for an answer while nothing at all came
	probeLimit  = 8 * time.Second // and where late answers have shown that the modem is slow
)

// resync finds out which answer belongs to which command after one did not
// come in time. The modem answers in order, so a late answer shifts every further
// one. After a silence two commands with different known answers must both be
// answered rightly, and nothing may come behind. "AT" alone proves nothing: any
// late OK looks right. A port whose answers cannot be told apart ends with
// ErrUnsynced.
func (p *Port) resync() {
	limit, err := probeMute, error(nil)
	for try := range resyncTries {
		quiet := min(resyncQuiet<<try, maxQuiet)
		before := quiet
		if try >= resyncTries/2 && errors.Is(err, errProbe) {
			before = limit // the modem is slow and more answers are due, each as late as the last
		}
		if !p.silence(before) {
			return
		}
		if try%2 == 1 {
			p.engine.escape() // it may wait for a PDU
		}
		strays := p.wire.count((*filterState).Strays)
		err = p.probe(limit, try+1)
		if p.Ended() {
			return
		}
		if err == nil && p.silence(quiet) && p.wire.count((*filterState).Strays) == strays {
			p.wire.change((*filterState).Sure)
			p.wire.trace.note(fmt.Sprintf("resynchronised at try %d", try+1))
			return
		}
		if p.wire.silentFor() < probeMute || !errors.Is(err, modem.ErrTimeout) {
			limit = probeLimit
		}
		p.wire.unsure(errors.Is(err, errProbe))
	}
	p.fail(modem.ErrUnsynced)
}

// silence waits until nothing has come for d that was nobody's, or for 2 d and a
// second: noise that never ends must not keep us. False: the port has ended.
func (p *Port) silence(d time.Duration) bool {
	for end := time.Now().Add(2*d + time.Second); ; {
		wait := min(d-p.wire.silentFor(), time.Until(end))
		if wait <= 0 {
			return !p.Ended()
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.done:
			timer.Stop()
			return false
		}
	}
}

// errProbe says that a probe got another command's answer.
var errProbe = errors.New("the answer is another command's")

// probe asks for the IMEI and then several times for +CMEE, once more at each
// try: so the answers to an earlier try, late by minutes, fit no later one. A
// modem that has no IMEI to give refuses the first question; then +CMEE must be
// right, and the refusal come again.
func (p *Port) probe(limit time.Duration, times int) error {
	first := p.probeIMEI(limit)
	if first != nil && !refused(first) {
		return first
	}
	for range times {
		if err := p.probeCMEE(limit); err != nil && (first != nil || !refused(err)) {
			return err
		}
	}
	if first == nil {
		return nil
	}
	if again := p.probeIMEI(limit); !refused(again) {
		return errProbe
	}
	return nil
}

func (p *Port) probeCMEE(limit time.Duration) error {
	lines, err := p.send(modem.Command{Text: "+CMEE?"}, limit)
	if err == nil && (len(lines) != 1 || !isCMEE(lines[0])) {
		return errProbe
	}
	return err
}

func (p *Port) probeIMEI(limit time.Duration) error {
	lines, err := p.send(modem.Command{Text: "+CGSN"}, limit)
	switch got := imei(lines); {
	case err != nil:
		return err
	case len(lines) != 1 || got == "" || p.imei != "" && got != p.imei:
		return errProbe
	}
	return nil
}

func isCMEE(s string) bool {
	mode, ok := strings.CutPrefix(s, "+CMEE:")
	mode = strings.TrimSpace(mode)
	return ok && len(mode) == 1 && mode[0] >= '0' && mode[0] <= '2'
}

// refused reports whether a modem answered, with an error.
func refused(err error) bool {
	var cme modem.CMEError
	return errors.Is(err, modem.ErrError) || errors.As(err, &cme)
}
