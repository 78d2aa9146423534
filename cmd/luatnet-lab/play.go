package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// step is one sentence of the story: what is done, and the check that reality
// must pass. The check returns what was measured.
type step struct {
	name  string
	do    func(context.Context, *demo) error
	check func(context.Context, *demo) (string, error)
}

// outcome is how a step went.
type outcome struct {
	name, measured string
	held           bool
}

// stepLimit bounds a step, whatever its own limits say.
const stepLimit = 25 * time.Second

// play plays the steps up to the first that does not hold, prints the table
// and reports whether all of them held.
func play(ctx context.Context, d *demo, steps []step) bool {
	var done []outcome
	for _, s := range steps {
		if ctx.Err() != nil {
			return false
		}
		d.say.line("lab", "%s", s.name)
		measured, err := s.run(ctx, d)
		if ctx.Err() != nil {
			return false
		}
		done = append(done, outcome{s.name, measured, err == nil})
		if err != nil {
			done[len(done)-1].measured = strings.Join(strings.Fields(err.Error()), " ")
			d.say.line(verdict(false), "%s", done[len(done)-1].measured)
			break
		}
		d.say.line(verdict(true), "%s", measured)
	}
	failed := slices.ContainsFunc(done, func(o outcome) bool { return !o.held })
	d.say.text("\n" + table(d.say, done, steps[len(done):]))
	if failed {
		d.say.text(d.lastWords())
	}
	return !failed
}

func (s step) run(ctx context.Context, d *demo) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	defer d.stopMeters(ctx) // those that a failed step left running
	defer d.endFlow()
	if err := s.do(ctx, d); err != nil {
		return "", err
	}
	return s.check(ctx, d)
}

// table shows what was measured at the client.
func table(say *narrator, done []outcome, missing []step) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, o := range done {
		fmt.Fprintf(w, "%s\t%s\t%s\n", verdict(o.held), o.name, o.measured)
	}
	for _, s := range missing {
		fmt.Fprintf(w, "-\t%s\tnot reached\n", s.name)
	}
	_ = w.Flush() // a strings.Builder does not fail
	lines := strings.SplitAfter(b.String(), "\n")
	for i, l := range lines { // coloured late: tabwriter counts the codes as width
		for _, v := range []string{verdict(true), verdict(false)} {
			if rest, ok := strings.CutPrefix(l, v); ok {
				lines[i] = say.paint(v, v) + rest
			}
		}
	}
	return strings.Join(lines, "")
}

func verdict(held bool) string {
	if held {
		return "held"
	}
	return "FAILED"
}

// lastWords is the end of the daemon's log, for who has to find out.
func (d *demo) lastWords() string {
	if d.Box == nil || d.Daemon == nil {
		return ""
	}
	const keep = 30
	lines := strings.Split(strings.TrimSpace(d.Daemon.Output()), "\n")
	if len(lines) > keep {
		lines = lines[len(lines)-keep:]
	}
	return "\nthe end of the daemon's log:\n" + strings.Join(lines, "\n")
}
