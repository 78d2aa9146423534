package engine

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"luatnetd/client/hub"
	"luatnetd/client/local"
	"luatnetd/client/port"
	"luatnetd/client/queue"
	"luatnetd/internal/config"
	"luatnetd/internal/ctl"
	"luatnetd/internal/host"
	"luatnetd/internal/serial"
)

func (e *Engine) routes() (list []hub.Route) {
	for _, r := range e.cfg.Routes {
		list = append(list, hub.Route{From: r.From, To: r.To})
	}
	return list
}

func (e *Engine) wantedSources() (list []wanted) {
	for _, c := range e.cfg.Serials {
		c.Pos = config.Position{}
		list = append(list, wanted{task: "serial " + c.Name, name: c.Name, cfg: c, make: func(p *part) func(context.Context) error { return e.makePort(p, c) }})
	}
	for _, c := range e.cfg.Timers {
		c.Pos = config.Position{}
		list = append(list, wanted{task: "timer " + c.Name, name: c.Name, cfg: c, make: func(*part) func(context.Context) error {
			t := &local.Timer{Name: c.Name, First: c.First, Every: c.Interval, Fixed: c.Mode == "fixed", Text: c.Text, Send: e.clients.hub.Send, Now: host.WallNow, Log: e.log}
			return t.Run
		}})
	}
	for _, c := range e.cfg.Reports {
		c.Pos = config.Position{}
		list = append(list, wanted{task: "report " + c.Name, name: c.Name, cfg: c, make: func(*part) func(context.Context) error {
			r := &local.Report{Name: c.Name, Every: c.Interval, Read: func() local.Reading { return e.reading(c.Text) }, Send: e.clients.hub.Send, Now: host.WallNow, Log: e.log}
			return r.Run
		}})
	}
	for _, c := range e.cfg.Locals {
		c.Pos = config.Position{}
		list = append(list, wanted{task: "local " + c.Name, name: c.Name, cfg: c, make: func(p *part) func(context.Context) error { return e.makeLocal(p, c) }})
	}
	for _, c := range e.cfg.OneShots {
		c.Pos = config.Position{}
		o := oneshotConfig{OneShot: c, conn: e.connectionConfig(c.Connection)}
		list = append(list, wanted{task: "oneshot " + c.Name, name: c.Name, cfg: o, make: func(p *part) func(context.Context) error { return e.makeOneshot(p, o) }})
	}
	for i := range list {
		list[i].source = true
	}
	return list
}

// makePort is a serial port, source and sink.
func (e *Engine) makePort(p *part, c config.Serial) func(context.Context) error {
	cfg := port.Config{
		Name: c.Name, NoCRLF: !c.CRLF, AliveFile: filepath.Join(e.opt.RunDir, "serial-"+c.Name),
		Serial: serial.Config{
			Path: c.Device, Baud: c.Baud, DataBits: c.DataBits, Parity: serial.Parity(c.Parity), StopBits: c.StopBits, Flow: serial.Flow(c.Flow),
			RS485: serial.RS485{Direction: direction(c.RS485)},
		},
		Frame: port.Frame{Idle: c.Idle, Limit: c.MaxFrame},
		Send:  e.clients.hub.Send, SendTo: e.clients.hub.SendTo, Now: host.WallNow, Log: e.log,
		Full: func(err error) bool { return errors.Is(err, queue.ErrFull) },
	}
	if c.Framing == "delimiter" {
		cfg.Frame.Delimiter, cfg.Frame.Idle = []byte(c.Delimiter), 0
	}
	if c.GPIO != "" {
		cfg.Serial.RS485.Line = serial.FileLine(c.GPIO)
	}
	p.port = port.New(cfg)
	p.gone = func() { e.clients.hub.SetSink(c.Name, nil) }
	e.clients.hub.SetSink(c.Name, p.port.Write)
	return p.port.Run
}

func direction(s string) serial.Direction {
	if s == "off" {
		return serial.NoDirection
	}
	return serial.Direction(s)
}

// makeLocal is a Unix socket for programs; a stream socket is a sink, too.
func (e *Engine) makeLocal(p *part, c config.Local) func(context.Context) error {
	cfg := local.Config{Path: c.Path, Mode: fs.FileMode(c.Mode), Name: c.Name, Send: e.clients.hub.Send, Now: host.WallNow, Log: e.log}
	run := func(f func() func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			if c.Group != "" {
				gid, err := ctl.LookupGroup(c.Group)
				if err != nil {
					return err
				}
				cfg.GID = gid
			}
			return f()(ctx)
		}
	}
	if c.Type == "datagram" {
		return run(func() func(context.Context) error { return local.NewDatagram(cfg).Run })
	}
	p.gone = func() { e.clients.hub.SetSink(c.Name, nil) }
	return run(func() func(context.Context) error {
		s := local.NewStream(cfg)
		e.clients.hub.SetSink(c.Name, s.Write)
		return s.Run
	})
}

// reading is what a status report says at this moment.
func (e *Engine) reading(text string) local.Reading {
	now, trusted := e.clients.time()
	return local.Reading{
		Time: now.Unix(), TimeTrusted: trusted, ID: host.Identity(), CelsiusCPU: host.CPUTemperature(), Text: text,
	}
}
