package client

import "time"

// Schedule is a repeated moment of the wall clock: every hour at :05 is Every
// 1 h, Offset 5 min. Periods are counted in UTC from midnight.
type Schedule struct {
	Every  time.Duration // over 0
	Offset time.Duration
}

// Next is the first such moment after now.
func (s Schedule) Next(now time.Time) time.Time {
	now = now.Round(0) // the wall clock alone: a step of the clock moves the schedule
	return now.Add(-s.Offset).Truncate(s.Every).Add(s.Offset + s.Every)
}
