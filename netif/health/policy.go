package health

import (
	"slices"
	"time"
)

const (
	// hedgeMax is how long a healthy round waits for its first two targets
	// before it asks the others, at most half the timeout.
	hedgeMax = time.Second
	// slack is how much later than its timeout a request is given up when the
	// prober has not reported it: its report waits in the loop's queue.
	slack = 100 * time.Millisecond
	// retryMax is how long a dead uplink waits between rounds: LuatOS's
	// ping_time, 10 s.
	retryMax = 10 * time.Second
	// discoverEvery is the round that also asks silent targets.
	discoverEvery = 12
	// firstAsked is how many targets a healthy round asks.
	firstAsked = 2
	// window is how many rounds the loss ratio looks back.
	window = 32
)

// Policy says how one uplink is checked. Zero durations and counts get the
// least value that makes sense; the defaults a user sees are in internal/config.
type Policy struct {
	Targets []Target
	// Interval is the time between the starts of rounds while all is well.
	Interval time.Duration
	// MissInterval is the same after a miss and at the start.
	MissInterval time.Duration
	// RetryInterval is what a dead uplink's rounds back off to, from
	// MissInterval by doubling. Zero: 10 s, or Interval where that is longer
	// (a metered uplink).
	RetryInterval time.Duration
	// Timeout ends one request.
	Timeout time.Duration
	// FailAfter rounds in a row are missed before the uplink has failed.
	FailAfter int
	// RecoverAfter rounds in a row are good, and HoldDown has passed since
	// the first of them, before a failed uplink is usable.
	RecoverAfter int
	HoldDown     time.Duration
	// Trust is LuatOS's need_ping=false: usable with carrier and address.
	Trust bool
}

// normal returns p with every number in its range, so that no Policy makes a
// caller spin.
func (p Policy) normal() Policy {
	p.Targets = slices.Clone(p.Targets)
	if p.Interval <= 0 {
		p.Interval = 5 * time.Second
	}
	if p.MissInterval <= 0 {
		p.MissInterval = time.Second
	}
	p.MissInterval = min(p.MissInterval, p.Interval)
	if p.Timeout <= 0 {
		p.Timeout = 2 * time.Second
	}
	if p.RetryInterval <= 0 {
		p.RetryInterval = max(retryMax, p.Interval)
	}
	p.RetryInterval = max(p.RetryInterval, p.MissInterval)
	p.FailAfter = max(p.FailAfter, 1)
	p.RecoverAfter = max(p.RecoverAfter, 1)
	p.HoldDown = max(p.HoldDown, 0)
	return p
}

func (p Policy) equal(q Policy) bool {
	same := slices.Equal(p.Targets, q.Targets)
	return same && p.Interval == q.Interval && p.MissInterval == q.MissInterval && p.RetryInterval == q.RetryInterval &&
		p.Timeout == q.Timeout && p.FailAfter == q.FailAfter && p.RecoverAfter == q.RecoverAfter &&
		p.HoldDown == q.HoldDown && p.Trust == q.Trust
}

// hedge is how long a round waits before it asks the targets it left out.
func (p Policy) hedge() time.Duration { return min(p.Timeout/2, hedgeMax) }

// DetectBound is the longest time from the silent death of a healthy uplink to
// the verdict that it has failed. It is at most FailAfter × Interval + 1 s
// where Timeout is short enough; a configuration can be checked with it.
func (p Policy) DetectBound() time.Duration {
	p = p.normal()
	round := p.Timeout + slack
	return p.Interval + p.hedge() + round + time.Duration(p.FailAfter-1)*max(round, p.MissInterval)
}

// RecoverBound is the longest time from the repair of a failed uplink that
// loses nothing to the verdict that it is usable again, less one round trip
// per round.
func (p Policy) RecoverBound() time.Duration {
	p = p.normal()
	again := time.Duration(p.RecoverAfter-1) * p.MissInterval
	return max(p.RetryInterval, p.Timeout+slack) + max(p.HoldDown, again)
}

// recoverPace is the time between rounds of an uplink that answers again.
func (p Policy) recoverPace() time.Duration {
	return min(max(p.HoldDown/time.Duration(p.RecoverAfter), p.MissInterval), p.Interval)
}
