package client

import (
	"strings"
	"testing"
	"time"
)

// TestSC02Sleep: when the machine may sleep after a report, and for how long.
func TestSC02Sleep(t *testing.T) {
	now := time.Date(2026, 3, 1, 10, 0, 4, 500e6, time.UTC)
	good := Sleep{Now: now, Next: now.Truncate(time.Hour).Add(time.Hour), Up: time.Hour}
	for _, tt := range []struct {
		name   string
		change func(*Sleep)
		want   time.Duration
		why    string
	}{
		{"an hourly report", func(*Sleep) {}, time.Hour - 35*time.Second, ""},
		{"another is under way", func(s *Sleep) { s.Running = 1 }, 0, "under way"},
		{"the watchdog is at work", func(s *Sleep) { s.Alarm = true }, 0, "watchdog"},
		{"just started", func(s *Sleep) { s.Up = SleepGrace - 1 }, 0, "first 5m0s"},
		{"started long enough ago", func(s *Sleep) { s.Up = SleepGrace }, time.Hour - 35*time.Second, ""},
		{"no next", func(s *Sleep) { s.Next = time.Time{} }, 0, "no next report"},
		{"too near", func(s *Sleep) { s.Next = now.Add(SleepLead + SleepLeast - 1) }, 0, "due in 1m30s"},
		{"just far enough", func(s *Sleep) { s.Next = now.Add(SleepLead + SleepLeast) }, SleepLeast, ""},
		{"overdue: the clock was set", func(s *Sleep) { s.Next = now.Add(-time.Hour) }, 0, "due in -1h"},
		{"a day", func(s *Sleep) { s.Next = now.Add(24 * time.Hour) }, 24*time.Hour - SleepLead, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := good
			tt.change(&s)
			d, why := s.For()
			if d != tt.want || (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) {
				t.Errorf("sleep for %s, %q; want %s, %q", d, why, tt.want, tt.why)
			}
		})
	}
}
