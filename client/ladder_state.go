package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// budgetPeriod is what the reboot budget counts in. It is running time, not
// wall-clock time: a box without a battery-backed clock starts in 1970, and a
// wrong jump of the clock must not hand out new reboots.
const budgetPeriod = 24 * time.Hour

// ladderState is what survives the process, and the box.
type ladderState struct {
	Boot    string          `json:"boot"`    // boot in which it was saved
	Uptime  time.Duration   `json:"uptime"`  // when it was saved, ns since that boot
	Next    int             `json:"next"`    // index of the next rung
	Round   int             `json:"round"`   // rounds without food
	Last    string          `json:"last"`    // rung taken last
	Helped  string          `json:"helped"`  // rung after which food came
	Reboots []time.Duration `json:"reboots"` // running time since each reboot of ours, at Uptime
}

// Saved returns what NewLadder wants to see again.
func (l *Ladder) Saved(now time.Time) []byte {
	l.s.settle(now)
	b, err := json.Marshal(&l.s)
	if err != nil {
		panic(fmt.Sprintf("client: ladder state: %v", err)) // plain values always marshal
	}
	return b
}

// load takes what an earlier process saved.
func (s *ladderState) load(saved []byte, boot string, now time.Time, p LadderPolicy) error {
	*s = ladderState{Boot: boot, Uptime: uptime(now)}
	if len(saved) == 0 {
		return nil
	}
	var old ladderState
	if err := json.Unmarshal(saved, &old); err != nil || old.Next < 0 || old.Round < 0 {
		for range p.RebootsPerDay { // an unknown budget is a spent one
			s.Reboots = append(s.Reboots, 0)
		}
		return fmt.Errorf("network watchdog: the saved state is damaged, no reboot for %v: %w", budgetPeriod, orDamaged(err))
	}
	// How long the box ran since is known within one boot; after another boot
	// at least the time since that boot has passed. Never more is believed.
	since := uptime(now)
	same := old.Boot == boot && boot != ""
	if same {
		since = max(0, uptime(now)-old.Uptime)
	}
	for _, age := range old.Reboots {
		s.Reboots = append(s.Reboots, max(0, age)+since)
	}
	s.Last, s.Helped = old.Last, old.Helped
	s.Round = min(old.Round, 30)
	if same {
		s.Next = min(old.Next, len(p.Rungs))
	}
	s.settle(now)
	return nil
}

func orDamaged(err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("a count is below zero")
}

// settle brings the ages to now and forgets what is over.
func (s *ladderState) settle(now time.Time) {
	passed := max(0, uptime(now)-s.Uptime)
	s.Uptime = uptime(now)
	kept := s.Reboots[:0]
	for _, age := range s.Reboots {
		if age += passed; age < budgetPeriod {
			kept = append(kept, age)
		}
	}
	s.Reboots = kept
}

// recent counts our reboots within the budget's period.
func (s *ladderState) recent(now time.Time) int {
	s.settle(now)
	return len(s.Reboots)
}

// reboot notes that a reboot follows.
func (s *ladderState) reboot(now time.Time) {
	s.settle(now)
	s.Reboots = append(s.Reboots, 0)
}

// uptime is a time since boot (netif.Boot) as a duration.
func uptime(now time.Time) time.Duration { return time.Duration(now.UnixNano()) }
