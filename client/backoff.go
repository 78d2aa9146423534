package client

import (
	"math/rand/v2"
	"time"
)

// Backoff is how long to wait before connecting again. LuatOS waits a fixed
// 5 s; a thousand boxes after a power cut must not all come back at once.
type Backoff struct {
	Base   time.Duration // after the first failure
	Max    time.Duration // ceiling; below Base means fixed at Base
	Jitter float64       // 0.2: each wait is up to 20 % shorter or longer
}

// Wait is the pause after n failures in a row, n from 1.
func (b Backoff) Wait(n int, rng *rand.Rand) time.Duration {
	d := b.Base
	if b.Max > b.Base {
		d = min(b.Base<<min(max(n-1, 0), 20), b.Max)
	}
	return max(0, time.Duration(float64(d)*(1+b.Jitter*(2*rng.Float64()-1))))
}
