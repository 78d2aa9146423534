package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/internal/status"
	"luatnetd/modem"
	"luatnetd/modem/modemtest"
	"luatnetd/test/vm/modem/gadget"
)

// The bars of what goes wrong, guest time.
const (
	gapBar    = 200 * time.Millisecond
	stuckBar  = 10 * time.Second
	toldBar   = 2 * time.Second
	silentBar = 35 * time.Second
	repairBar = 20 * time.Second
)

// connected starts the daemon with a modem plugged in and waits for its data.
func (c carries) connected(j *judge, x *box, text string) *far {
	f, err := newFar(x, 0, c.spec, c.udc, c.id, modemtest.Options{Mode: c.mode})
	if !j.ok(c.what+": made", err) {
		return nil
	}
	err = x.config(text + c.conf)
	if err == nil {
		err = x.Start("--log-level", "debug")
	}
	f.Plug()
	err = errors.Join(err, x.modemIs(limit, state(modem.Connected)), x.Ready(limit, "4g"))
	if !j.ok(c.what+": connected", err) {
		x.explain(f)
		x.end()
		j.ok(c.what+": removed", f.Close())
		return nil
	}
	return f
}

func (c carries) over(j *judge, x *box, f *far) {
	x.explain(f)
	x.end()
	j.ok(c.what+": removed", f.Close())
}

// compositionOf finds one of the table.
func compositionOf(what string) carries {
	for _, c := range compositions() {
		if strings.HasPrefix(c.what, what) {
			return c
		}
	}
	panic(what) // a name of ours
}

const echo = lab.WebAddr + ":7"

// killed: kill -9 of the daemon under traffic costs no forwarded packet, and
// the next daemon goes on with the session.
func killed(j *judge, x *box) {
	stop, err := gadget.StartVirtual()
	if !j.ok("usbip", err) {
		return
	}
	defer stop()
	for _, c := range []carries{compositionOf("ECM"), compositionOf("EC25 whole, PPP")} {
		if !j.wants(c.what) {
			continue
		}
		f := c.connected(j, x, modemText)
		if f == nil {
			continue
		}
		before := f.Counters()
		s, err := x.Client.StartUDP(echo, 20*time.Millisecond)
		if j.ok(c.what+": a stream", err) {
			time.Sleep(time.Second)
			j.ok(c.what+": killed", x.Stop(syscall.SIGKILL))
			time.Sleep(2 * time.Second)
			j.ok(c.what+": started again", x.Start("--log-level", "debug"))
			j.ok(c.what+": connected again", x.modemIs(limit, state(modem.Connected)))
			time.Sleep(5 * time.Second)
			r := s.Stop(time.Second)
			j.lost(c.what, "kill -9 and start, of the LAN's stream", r.Lost, r.Sent)
			after := f.Counters()
			err = nil
			if after.Dials != before.Dials || after.DataStarts != before.DataStarts || after.Resets != before.Resets || after.Radio != before.Radio {
				err = fmt.Errorf("before %+v, after %+v", before, after)
			}
			j.ok(c.what+": neither dialled nor reset", err)
			j.ok(c.what+": a LAN client fetches a file", x.fetch(f.public))
		}
		c.over(j, x, f)
	}
}

// plugs: twenty times in and out beside an Ethernet uplink; every fourth time
// another program has the port open.
func plugs(j *judge, x *box) {
	c := compositionOf("ECM")
	few := c.rounds(j, x, 2)
	many := c.rounds(j, x, 20)
	var err error
	if many > few || few == 0 {
		err = fmt.Errorf("%d after 20 rounds, %d after 2", many, few)
	}
	j.rows = append(j.rows, fmt.Sprintf("| 20 × replug | goroutines more than after 2 rounds | %d | 0 |", many-few))
	j.ok("no goroutine is left", err)
}

// rounds plugs so many times and returns how many goroutines there are at last.
func (c carries) rounds(j *judge, x *box, n int) int {
	f := c.connected(j, x, wanText+modemText)
	if f == nil {
		return 0
	}
	defer func() { j.ok(c.what+": removed", f.Close()) }()
	absent := func() error { f.Unplug(); return x.modemIs(limit, state(modem.Absent)) }
	if !j.ok("pulled out", absent()) {
		x.explain(f)
		x.end()
		return 0
	}
	pid := x.Daemon.Cmd.Process.Pid
	before := len(open(pid))
	s, err := x.Client.StartUDP(echo, 20*time.Millisecond)
	j.ok("a stream", err)
	slowest := time.Duration(0)
	for i := range n {
		at := f.Plug()
		// Ready is later: the hold-down of an uplink that was away, beside another.
		err := x.modemIs(limit, state(modem.Connected))
		slowest = max(slowest, time.Since(at))
		var port *os.File
		if err == nil && i%4 == 3 {
			port, err = os.OpenFile("/dev/ttyACM0", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
		}
		if err == nil {
			err = absent()
		}
		if port != nil {
			_ = port.Close()
		}
		if err != nil {
			j.ok(fmt.Sprintf("round %d", i+1), err)
			break
		}
	}
	r := s.Stop(time.Second)
	what := fmt.Sprintf("%d × replug", n)
	j.bar(what, "LAN stream on Ethernet, longest gap", r.Gap, gapBar)
	j.bar(what, "plug to connected with an address, the slowest", slowest, plugBar)
	err = nil
	if now := len(open(pid)); now > before {
		err = fmt.Errorf("%d, before %d: %q", now, before, open(pid))
	}
	j.ok(what+": no descriptor is left", err)
	err = nil
	if list := children(pid); len(list) > 0 {
		err = fmt.Errorf("%q", list)
	}
	j.ok(what+": no process is left", err)
	x.explain(f)
	_ = x.Daemon.Signal(syscall.SIGABRT) // the runtime lists its goroutines
	<-x.Daemon.Done()
	return strings.Count(x.Daemon.Output(), "\ngoroutine ")
}

// trouble: an AT port that is stuck, another address, a dead path, a card that
// is pulled.
func trouble(j *judge, x *box) {
	stop, err := gadget.StartVirtual()
	if !j.ok("usbip", err) {
		return
	}
	defer stop()
	c := compositionOf("EC25 whole, ECM")
	if f := c.connected(j, x, modemText+wanText); f != nil {
		for _, part := range []func(*judge, *box, *far){address, stuck, dead} {
			part(j, x, f)
		}
		c.over(j, x, f)
	}
	c = compositionOf("ECM")
	if f := c.connected(j, x, wanText+modemText); f != nil {
		s, err := x.Client.StartUDP(echo, 20*time.Millisecond)
		j.ok("SIM: a stream by the other uplink", errors.Join(err, f.Fault("sim-removed")))
		j.ok("SIM: it is missed", x.modemIs(2*limit, func(m status.Modem) error {
			if m.Code != string(modem.CodeSIMMissing) {
				return fmt.Errorf("%s, %q", m.State, m.Code)
			}
			return nil
		}))
		time.Sleep(10 * time.Second)
		r := s.Stop(time.Second)
		j.lost("SIM pulled", "of a stream by the other uplink", r.Lost, r.Sent)
		c.over(j, x, f)
	}
}

// first is when the first command after a time came on a port.
func (f *far) first(port int, after time.Time) time.Time {
	for _, e := range f.Log() {
		if e.Port == port && e.At.After(after) {
			return e.At
		}
	}
	return time.Time{}
}

// stuck: the AT port is mute; the second one takes over, the session goes on.
func stuck(j *judge, x *box, f *far) {
	_, err := route(limit, cell) // the new lease before is in use
	time.Sleep(time.Second)
	s, errStream := x.Client.StartUDP(echo, 20*time.Millisecond)
	err = errors.Join(err, errStream)
	at := time.Now()
	if !j.ok("stuck port: a stream", errors.Join(err, f.Fault("mute", "port=2"))) {
		return
	}
	err = until(3*limit, func() error {
		if !strings.Contains(x.Daemon.Output(), "takes over") {
			return errors.New("nothing was said of it")
		}
		return nil
	})
	if declared := time.Now(); j.ok("stuck port: the second takes over", err) {
		j.bar("EC25 whole, AT port mute", "first unanswered command to the second port's turn", declared.Sub(f.first(2, at)), stuckBar)
	}
	j.ok("stuck port: the second is spoken on", until(2*limit, func() error {
		if f.first(3, at).IsZero() {
			return errors.New("not a word")
		}
		return nil
	}))
	r := s.Stop(time.Second)
	j.lost("EC25 whole, AT port mute", "of the data session", r.Lost, r.Sent)
	f.Clear("mute")
}

// address: another address behind the modem is a new lease.
func address(j *judge, x *box, f *far) {
	for _, tell := range []bool{true, false} {
		what, most := "address changed, with +CGEV, to a new lease", toldBar
		if !tell {
			what, most = "address changed silently, to a new lease", silentBar
		}
		leases := strings.Count(x.Daemon.Output(), `msg="lease obtained"`)
		at := time.Now()
		f.ChangeAddress(tell)
		err := until(2*most, func() error {
			if strings.Count(x.Daemon.Output(), `msg="lease obtained"`) == leases {
				return errors.New("no new lease")
			}
			return nil
		})
		if j.ok(what, err) {
			j.bar("EC25 whole", what, time.Since(at), most)
		}
		j.ok(what+": connected", x.modemIs(limit, state(modem.Connected)))
	}
}

// dead: attached, but nothing goes through.
func dead(j *judge, x *box, f *far) {
	repairs := strings.Count(x.Daemon.Output(), "recovery from")
	j.ok("dead path", f.Fault("data-dead"))
	err := until(4*limit, func() error {
		if u, err := x.Uplink("4g"); err != nil || u.Ready {
			return errors.New("the uplink is ready")
		}
		return nil
	})
	at := time.Now()
	if j.ok("dead path: the prober's verdict", err) {
		err = until(2*repairBar, func() error {
			if strings.Count(x.Daemon.Output(), "recovery from") == repairs {
				return errors.New("no repair")
			}
			return nil
		})
		if j.ok("dead path: a repair", err) {
			j.bar("EC25 whole, path dead", "verdict to first repair", time.Since(at), repairBar)
		}
	}
	f.Clear("data-dead")
}
