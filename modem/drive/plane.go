package drive

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"luatnetd/internal/store"
	"luatnetd/modem"
	"luatnetd/modem/data"
	"luatnetd/modem/tty"
)

// plane is the data plane that the machine wants.
type plane struct {
	plan modem.DataPlan
	data data.Plane
	link Link
	stop context.CancelFunc // of its dialling
	over bool               // Stop was called, which is called once
}

// changed is what a plane says of itself; an old plane is not listened to.
type changed struct {
	plane *plane
	modem.DataChanged
}

// stopLimit bounds the end of a data plane.
const stopLimit = 30 * time.Second

// startData adopts the session that an earlier process left, or starts one.
func (d *Driver) startData(ctx context.Context, plan modem.DataPlan) {
	if d.plane != nil {
		d.stopData(ctx)
	}
	made, err := d.cfg.Plane(plan)
	if err != nil {
		d.beside(ctx, func() any { return modem.DataChanged{Netdev: plan.Netdev, Cause: causeOf(err), Message: err.Error()} })
		return
	}
	dialling, stop := context.WithCancel(ctx)
	p := &plane{plan: plan, data: made, stop: stop}
	free := d.closing[plan.Port]
	d.plane = p
	if plan.Kind == modem.DataPPP {
		d.keepLink(Link{}) // while it negotiates, the port is pppd's already
	}
	d.work.Add(1)
	go func() {
		defer d.work.Done()
		defer stop()
		if err := d.bringUp(ctx, dialling, p, free); err != nil {
			d.post(ctx, changed{p, modem.DataChanged{Netdev: plan.Netdev, Cause: causeOf(err), Message: err.Error()}})
		}
	}()
	d.follow(ctx, p)
}

// follow brings what becomes of a plane.
func (d *Driver) follow(ctx context.Context, p *plane) {
	d.work.Add(1)
	go func() {
		defer d.work.Done()
		for {
			select {
			case c, ok := <-p.data.Changes():
				if !ok {
					return
				}
				d.post(ctx, changed{p, c})
			case <-ctx.Done():
				return
			}
		}
	}()
}

// adoptPPP finds the pppd that an earlier process has started: its port must
// not be probed. What the machine is told of it comes before its first step.
func (d *Driver) adoptPPP(ctx context.Context) []modem.Event {
	k := d.kept
	if k.Kind != modem.DataPPP {
		return nil
	}
	plan := modem.DataPlan{Kind: k.Kind, Port: k.Port, Netdev: k.Plan, Settings: k.Settings}
	made, err := d.cfg.Plane(plan)
	if err != nil || !made.Adopt(ctx) {
		d.inherited = Link{}
		return nil
	}
	p := &plane{plan: plan, data: made, link: d.inherited, stop: func() {}}
	d.plane = p
	d.follow(ctx, p)
	return []modem.Event{modem.DataChanged{Up: true, Kind: k.Kind, Port: k.Port, Netdev: p.link.Netdev, Bearer: p.link.Bearer}}
}

// bringUp starts the plane, whose session goes on when ctx ends; a PPP port is
// dialled first.
func (d *Driver) bringUp(ctx, dialling context.Context, p *plane, free <-chan struct{}) error {
	if p.data.Adopt(ctx) {
		return nil
	}
	if p.plan.Kind != modem.DataPPP {
		return p.data.Start(ctx, nil)
	}
	wait(free)
	line, err := d.dial(dialling, p.plan)
	if err != nil {
		return err
	}
	defer line.Close()
	return p.data.Start(ctx, line)
}

// dialError says that a call did not come about.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// dial opens the plan's port, dials, and takes the tty out of our hands.
func (d *Driver) dial(ctx context.Context, plan modem.DataPlan) (*os.File, error) {
	t, err := d.openTTY(ctx, plan.Port)
	switch {
	case errors.Is(err, tty.ErrBinary):
		return nil, dialError{err}
	case err != nil:
		return nil, err
	}
	if r := t.Do(ctx, plan.Dial); r.Err != nil {
		_ = t.Close()
		return nil, dialError{r.Err}
	}
	conn, _, err := t.Detach() // nothing is lost of a tty
	if err != nil {
		return nil, err
	}
	return d.cfg.Terminal(conn)
}

// terminal is the file that pppd gets.
func terminal(conn tty.Conn) (*os.File, error) {
	if file, ok := conn.(*os.File); ok {
		return file, nil
	}
	return nil, errors.Join(errors.New("the port is no terminal: pppd cannot use it"), conn.Close())
}

func causeOf(err error) modem.DataCause {
	switch {
	case errors.As(err, new(modem.ConnectError)):
		return modem.DataConnect
	case errors.As(err, new(dialError)):
		return modem.DataNoDial
	}
	return data.Cause(err)
}

// stopData ends the session.
func (d *Driver) stopData(ctx context.Context) {
	d.inherited = Link{}
	p := d.plane
	if p == nil {
		d.beside(ctx, func() any { return modem.DataChanged{Cause: modem.DataAsked} })
		return
	}
	if p.over {
		return // its last word is on the way
	}
	p.over = true
	p.stop()
	d.work.Add(1)
	go func() {
		defer d.work.Done()
		limited, cancel := context.WithTimeout(ctx, stopLimit)
		defer cancel()
		if err := p.data.Stop(limited); err != nil {
			d.post(ctx, changed{p, modem.DataChanged{Netdev: p.plan.Netdev, Cause: modem.DataDeadline, Message: err.Error()}})
		}
	}()
}

// end stops the plane and hears it out.
func (p *plane) end(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- p.data.Stop(ctx) }()
	for {
		select {
		case <-p.data.Changes():
		case err := <-done:
			return err
		}
	}
}

// planeChanged keeps the link in step with what the plane says.
func (d *Driver) planeChanged(c changed) (modem.Event, bool) {
	if c.plane != d.plane {
		return nil, false
	}
	d.inherited = Link{}
	if !c.Up {
		d.plane = nil
		return c.DataChanged, true
	}
	c.plane.link = Link{Netdev: c.Netdev, Up: true, External: c.plane.plan.Kind == modem.DataPPP, Bearer: c.Bearer}
	return c.DataChanged, true
}

// linkNow is what the engine may use: the session that an earlier process left
// counts until it is adopted, or found dead.
func (d *Driver) linkNow(now time.Time) Link {
	switch {
	case d.plane != nil && d.plane.link.Up:
		return d.plane.link
	case d.inherited.Up && now.Before(d.inheritedUntil):
		if _, there := d.cfg.Received(d.inherited.Netdev); there {
			return d.inherited
		}
	}
	return Link{}
}

// inherits is how long a session that was left is believed in without a word
// from the modem: ports are probed and the card is read meanwhile.
const inherits = time.Minute

// kept is the file in which a session is left to the next process.
type kept struct {
	Link Link
	Kind modem.DataKind
	Port string // of PPP
	Plan string // the netdev of the plan

	Settings modem.DataAccess // of PPP: pppd is known by its options; the file is as private as theirs
}

// inherit reads which session an earlier process has left.
func (d *Driver) inherit(now time.Time) {
	d.inherited, d.kept = Link{}, kept{}
	b, err := store.ReadFile(d.linkPath(), maxFile)
	if err == nil && json.Unmarshal(b, &d.kept) == nil {
		d.inherited, d.inheritedUntil = d.kept.Link, now.Add(inherits)
	}
}

// keepLink writes which session there is, for the next process.
func (d *Driver) keepLink(l Link) {
	k := kept{Link: l}
	if d.plane != nil {
		k.Kind, k.Port, k.Plan = d.plane.plan.Kind, d.plane.plan.Port, d.plane.plan.Netdev
		if k.Kind == modem.DataPPP {
			k.Settings = d.plane.plan.Settings
		}
	}
	b, err := json.Marshal(k)
	if err == nil {
		_, err = store.WriteFile(d.linkPath(), b, 0o600)
	}
	if err != nil {
		d.cfg.Log.Warn("the next start will interrupt the session", "err", err)
	}
}

func (d *Driver) linkPath() string {
	return filepath.Join(d.cfg.RunDir, "modem-"+d.cfg.Settings.Uplink+".json")
}
