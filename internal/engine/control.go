package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"luatnetd/internal/ctl"
	"luatnetd/router"
)

// do carries a command through the loop; it runs on the caller's goroutine.
func (e *Engine) do(ctx context.Context, c ctl.Command) (ctl.Reply, error) {
	reply := make(chan answer, 1)
	if !e.post(ctx, command{Command: c, reply: reply}) {
		return ctl.Reply{}, ctx.Err()
	}
	select {
	case a := <-reply:
		return a.reply, a.err
	case <-ctx.Done():
		return ctl.Reply{}, ctx.Err()
	}
}

// command runs on the loop.
func (e *Engine) command(c command) {
	var err error
	var text string
	var round uint64
	switch c.Verb {
	case ctl.Reload:
		e.reloadFile(c.reply)
		return
	case ctl.Plan:
		e.dryRun(c.reply)
		return
	case ctl.Probe:
		text, round, err = e.probeNow(c.Name)
	case ctl.Use:
		text, err = e.use(c.Name, c.For)
	case ctl.Auto:
		e.override.use, e.override.until = "", time.Time{}
		text = "the configured order decides again"
	case ctl.Renew:
		text, err = e.renew(c.Name)
	case ctl.UplinkUp, ctl.UplinkDown:
		text, err = e.setUplink(c.Name, c.Verb == ctl.UplinkDown)
	case ctl.LANUp, ctl.LANDown:
		text, err = e.setLAN(c.Name, c.Verb == ctl.LANDown)
	default:
		err = &ctl.Error{Status: http.StatusNotFound, Message: "unknown command " + c.Verb}
	}
	if err == nil && c.Verb != ctl.Probe && c.Verb != ctl.Renew {
		e.record(slog.LevelInfo, "control", text)
		if serr := e.saveOverride(); serr != nil {
			text += " (until the daemon restarts: " + serr.Error() + ")"
		}
	}
	c.reply <- answer{ctl.Reply{Text: text, OK: err == nil, Round: round}, err}
}

func (e *Engine) use(name string, d time.Duration) (string, error) {
	if e.byName(name) == nil {
		return "", e.unknown("uplink", name)
	}
	e.override.use, e.override.until = name, time.Time{}
	if d > 0 {
		e.override.until = e.now().Add(d)
		return fmt.Sprintf("%s is preferred for %s", name, d), nil
	}
	return name + " is preferred until \"ctl auto\"", nil
}

func (e *Engine) setUplink(name string, down bool) (string, error) {
	if e.byName(name) == nil {
		return "", e.unknown("uplink", name)
	}
	if down {
		e.override.downUplinks[name] = true
		return "uplink " + name + " is closed", nil
	}
	delete(e.override.downUplinks, name)
	return "uplink " + name + " is open", nil
}

func (e *Engine) setLAN(name string, down bool) (string, error) {
	i := slices.IndexFunc(e.lans, func(l *lan) bool { return l.cfg.Name == name })
	if i < 0 {
		return "", e.unknown("LAN", name)
	}
	text := "LAN " + name + " is open"
	if delete(e.override.downLANs, name); down {
		e.override.downLANs[name] = true
		text = "LAN " + name + " is closed"
	}
	e.startLAN(e.lans[i])
	e.namesStale = true
	return text, nil
}

// probeNow is exnetif.check_network_status for one uplink: it asks for a round
// of probes, returns its number (0: nothing is probed) and demotes nothing by
// itself.
func (e *Engine) probeNow(name string) (string, uint64, error) {
	u := e.byName(name)
	if u == nil {
		return "", 0, e.unknown("uplink", name)
	}
	if !u.monitor.Probing() {
		return name + " is not probed: " + u.monitor.Verdict().Reason, 0, nil
	}
	started, _ := u.monitor.Rounds()
	u.monitor.Hint(e.now(), "asked by the operator")
	return "probing " + name + "; its state now: " + u.monitor.Verdict().State.String(), started + 1, nil
}

// renew asks the uplink's DHCP server to confirm the lease now.
func (e *Engine) renew(name string) (string, error) {
	u := e.byName(name)
	if u == nil {
		return "", e.unknown("uplink", name)
	}
	if u.client == nil {
		return "", &ctl.Error{Status: http.StatusConflict, Message: name + " has no DHCP client", Hint: "only uplinks with address = \"dhcp\" have a lease to renew"}
	}
	u.client.Renew()
	return "renewing the lease of " + name, nil
}

func (e *Engine) unknown(what, name string) error {
	var names []string
	for _, u := range e.uplinks {
		names = append(names, u.cfg.Name)
	}
	if what == "LAN" {
		names = nil
		for _, l := range e.lans {
			names = append(names, l.cfg.Name)
		}
	}
	return &ctl.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no %s %q", what, name), Hint: "known: " + strings.Join(names, ", ")}
}

// dryRun reads the kernel beside the loop and answers with the operations that
// would make it equal to the plan.
func (e *Engine) dryRun(reply chan<- answer) {
	if why := e.idle(); why != "" {
		reply <- answer{reply: ctl.Reply{OK: true, Text: "nothing would be done: " + why}}
		return
	}
	plan := e.plan
	if e.want == 0 {
		reply <- answer{reply: ctl.Reply{OK: true, Text: "nothing is planned yet: the daemon has just started"}}
		return
	}
	e.tasks.Go(e.ctx, "plan", func(ctx context.Context) error {
		have, err := e.inspect(ctx, plan)
		if err != nil {
			reply <- answer{err: err}
			return nil
		}
		r := ctl.Reply{OK: true, Text: "the kernel is as planned"}
		for _, op := range router.Diff(have, plan) {
			r.Lines = append(r.Lines, op.String())
		}
		if len(r.Lines) > 0 {
			r.Text = fmt.Sprintf("%d operations would be done", len(r.Lines))
		}
		reply <- answer{reply: r}
		return nil
	})
}
