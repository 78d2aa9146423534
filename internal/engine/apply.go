package engine

import (
	"log/slog"
	"time"

	"luatnetd/internal/status"
	"luatnetd/router/kernel"
)

// pendingEvent is an event that is true only once the kernel is as it says.
type pendingEvent struct {
	seq   uint64 // of the job that makes it true
	level slog.Level
	kind  status.EventKind
	text  string
	attrs []any
}

// applied takes the applier's report.
func (e *Engine) applied(r kernel.Result) {
	e.done, e.doneAt = r, e.now()
	for _, f := range r.Failures {
		e.record(slog.LevelWarn, "kernel", f.Error())
	}
	if len(r.Failures) == 0 {
		e.announce("took", r.Took)
	}
	e.flushEvents()
}

// flushEvents records the events whose job is done.
func (e *Engine) flushEvents() {
	for len(e.pending) > 0 && e.pending[0].seq != 0 && e.pending[0].seq <= e.done.Seq {
		p := e.pending[0]
		e.pending = e.pending[1:]
		e.record(p.level, p.kind, p.text, p.attrs...)
	}
}

// foreign is told that somebody else changed nftables: read everything back.
func (e *Engine) foreign(who string) {
	e.log.Debug("nftables changed by somebody else", "who", who)
	e.synced = time.Time{}
	e.checkRival()
}
