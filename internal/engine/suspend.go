package engine

import (
	"context"
	"log/slog"
	"time"

	"luatnetd/client"
	"luatnetd/internal/host"
)

// sleep is the machine's suspension between two reports.
type sleep struct {
	asleep bool   // it is under way
	cannot string // why it is asked for and not possible, "" if it is
}

// reported says that a short connection that may put the machine to sleep has
// run by its schedule; woken that it slept.
type (
	reported struct{ name string }
	woken    struct {
		slept time.Duration
		err   error
	}
)

// sleepConfig looks whether a configuration asks for what the machine cannot do.
func (e *Engine) sleepConfig() {
	e.clients.sleep.cannot = ""
	for _, o := range e.cfg.OneShots {
		if err := e.sleeper.Able(); o.Suspend && err != nil {
			e.clients.sleep.cannot = "suspend is configured: " + err.Error()
		}
	}
}

// sleepAfter suspends the machine after a report, or says why not.
func (e *Engine) sleepAfter(ev reported) {
	if e.clients.sleep.asleep {
		return
	}
	now := e.now()
	d, why := client.Sleep{
		Now: host.WallNow(), Next: e.nextReport(), Running: int(e.clients.reports.Load()), Up: now.Sub(e.started), Alarm: e.clients.watch.alarm(now),
	}.For()
	if why != "" {
		e.record(slog.LevelInfo, "suspend", "the machine stays awake: "+why, "oneshot", ev.name)
		return
	}
	e.record(slog.LevelInfo, "suspend", "the machine sleeps for "+d.String(), "oneshot", ev.name, "for", d)
	e.clients.sleep.asleep = true
	e.tasks.Go(e.ctx, "suspend", func(context.Context) error {
		slept, err := e.sleeper.Suspend(d)
		e.post(e.ctx, woken{slept, err})
		return nil
	})
}

// nextReport is when the next short connection runs by its schedule.
func (e *Engine) nextReport() (next time.Time) {
	now := host.WallNow()
	for _, o := range e.clients.view.Load().oneshots {
		if o.cfg.Every > 0 {
			next = sooner(client.Schedule{Every: o.cfg.Every}.Next(now), next)
		}
	}
	return next
}

// woke goes on after a sleep. The networks outside have forgotten the
// connections, and the silence was the machine's own.
func (e *Engine) woke(ev woken) {
	e.clients.sleep = sleep{}
	if ev.err != nil {
		e.clients.sleep.cannot = "the machine does not sleep as configured: " + ev.err.Error()
		e.record(slog.LevelWarn, "suspend", "the machine does not sleep as configured", "error", ev.err)
	}
	if ev.slept == 0 {
		return
	}
	e.record(slog.LevelInfo, "suspend", "the machine is awake after "+ev.slept.Round(time.Second).String(), "slept", ev.slept.Round(time.Second))
	e.feed()
	e.reconnectAll("the machine was asleep")
	for _, o := range e.clients.view.Load().oneshots {
		select {
		case o.look <- struct{}{}:
		default: // it is told already
		}
	}
}
