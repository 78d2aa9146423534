package client

import (
	"testing"
	"time"
)

// TestSC02Next: moments are on the grid, after now, and none is left out.
func TestSC02Next(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		s         Schedule
		now, want time.Duration // since midnight
	}{
		{Schedule{Every: time.Hour}, 10*time.Hour + time.Second, 11 * time.Hour},
		{Schedule{Every: time.Hour}, 10 * time.Hour, 11 * time.Hour},
		{Schedule{Every: time.Hour, Offset: 5 * time.Minute}, 10 * time.Hour, 10*time.Hour + 5*time.Minute},
		{Schedule{Every: time.Hour, Offset: 5 * time.Minute}, 10*time.Hour + 5*time.Minute, 11*time.Hour + 5*time.Minute},
		{Schedule{Every: 24 * time.Hour, Offset: 3 * time.Hour}, 4 * time.Hour, 27 * time.Hour},
		{Schedule{Every: time.Minute, Offset: 90 * time.Second}, 0, 30 * time.Second},
	} {
		if got := tt.s.Next(day.Add(tt.now)); !got.Equal(day.Add(tt.want)) {
			t.Errorf("%+v after %s: %s, want %s", tt.s, tt.now, got, tt.want)
		}
	}
}
