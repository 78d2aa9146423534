package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
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
