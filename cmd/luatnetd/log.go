package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"luatnetd/internal/host"
)

// logTo is where the log goes, and in which dress.
type logTo string

const (
	logAuto    logTo = "auto" // the journal where standard error is it, else text
	logText    logTo = "text"
	logJournal logTo = "journal"
	logProcd   logTo = "procd"
)

func (l *logTo) String() string { return string(*l) }
func (l *logTo) Type() string   { return "where" }

func (l *logTo) Set(s string) error {
	switch logTo(s) {
	case logAuto, logText, logJournal, logProcd:
		*l = logTo(s)
		return nil
	}
	return fmt.Errorf("want auto, text, journal or procd")
}

// newLog writes key=value lines. The journal and procd add the time themselves.
func newLog(to logTo, level slog.Level) *slog.Logger {
	if to == logAuto && host.Journald() {
		to = logJournal
	}
	switch to {
	case logJournal:
		return slog.New(newLeveled(level, func(priority int) io.Writer {
			return prefixed{fmt.Sprintf("<%d>", priority), os.Stderr}
		}))
	case logProcd:
		return slog.New(newLeveled(level, func(priority int) io.Writer {
			// procd logs all of standard error as daemon.err, all of
			// standard output as daemon.info (procd service/instance.c).
			if priority <= syslogWarning {
				return os.Stderr
			}
			return os.Stdout
		}))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// Priorities of syslog(3).
const (
	syslogErr     = 3
	syslogWarning = 4
	syslogInfo    = 6
	syslogDebug   = 7
)

func priorityOf(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return syslogErr
	case l >= slog.LevelWarn:
		return syslogWarning
	case l >= slog.LevelInfo:
		return syslogInfo
	}
	return syslogDebug
}

// leveled has a text handler, without the time, for each priority.
type leveled map[int]slog.Handler

func newLeveled(level slog.Level, out func(priority int) io.Writer) leveled {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	h := leveled{}
	for _, p := range []int{syslogErr, syslogWarning, syslogInfo, syslogDebug} {
		h[p] = slog.NewTextHandler(out(p), o)
	}
	return h
}

func (h leveled) Enabled(ctx context.Context, l slog.Level) bool {
	return h[priorityOf(l)].Enabled(ctx, l)
}

func (h leveled) Handle(ctx context.Context, r slog.Record) error {
	return h[priorityOf(r.Level)].Handle(ctx, r)
}

func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithAttrs(attrs) })
}

func (h leveled) WithGroup(name string) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithGroup(name) })
}

func (h leveled) each(change func(slog.Handler) slog.Handler) leveled {
	all := leveled{}
	for p, one := range h {
		all[p] = change(one)
	}
	return all
}

// prefixed puts the same words before each write, in one write: a text handler
// writes one line at a time, and lines of several must not mix.
type prefixed struct {
	prefix string
	w      io.Writer
}

func (p prefixed) Write(b []byte) (int, error) {
	_, err := p.w.Write(append([]byte(p.prefix), b...))
	return len(b), err
}
