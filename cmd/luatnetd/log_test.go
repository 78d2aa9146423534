package main

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
)

// Each line has the priority of its level, and no time: journald and procd add
// both from there.
func TestLevelsBecomePriorities(t *testing.T) {
	var out bytes.Buffer
	priorities := map[int]string{}
	log := slog.New(newLeveled(slog.LevelDebug, func(p int) io.Writer {
		priorities[p] = ""
		return prefixed{"<" + string(rune('0'+p)) + ">", &out}
	})).With("task", "dns")
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelError + 4} {
		log.Log(t.Context(), l, "said")
	}
	log.WithGroup("g").Info("in a group", "time", "stays")
	want := []string{
		`<7>level=DEBUG msg=said task=dns`,
		`<6>level=INFO msg=said task=dns`,
		`<4>level=WARN msg=said task=dns`,
		`<3>level=ERROR msg=said task=dns`,
		`<3>level=ERROR+4 msg=said task=dns`,
		`<6>level=INFO msg="in a group" task=dns g.time=stays`,
	}
	if got := strings.TrimSpace(out.String()); got != strings.Join(want, "\n") {
		t.Errorf("the journal gets\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if len(priorities) != 4 {
		t.Errorf("writers for the priorities %v, want 3, 4, 6 and 7", priorities)
	}
}

func TestLevelIsHeeded(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newLeveled(slog.LevelWarn, func(int) io.Writer { return &out }))
	log.Info("quiet")
	log.Warn("loud")
	if got := out.String(); got != "level=WARN msg=loud\n" {
		t.Errorf("with level warn: %q", got)
	}
}

func TestLogFlag(t *testing.T) {
	to := logAuto
	if err := to.Set("procd"); err != nil || to != logProcd {
		t.Errorf("Set(procd) = %v, %q", err, to)
	}
	if err := to.Set("syslog"); err == nil || to != logProcd {
		t.Errorf("Set(syslog) = %v, %q; want an error and no change", err, to)
	}
}
