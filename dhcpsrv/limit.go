package dhcpsrv

import (
	"time"

	"luatnetd/netif"
)

// A client sends two packets per lease and some repetitions; what sends more
// is broken or hostile. The burst leaves room for a Wi-Fi repeater that sends
// for everybody behind it from one address.
const (
	limitRate  = 20.0 // packets per second and link source
	limitBurst = 60.0 // packets
	limitMACs  = 1024 // sources remembered per generation
)

// limiter is a token bucket per link source. Its memory is bounded: sources
// are kept in two generations, and the older one is forgotten when the newer
// is full. A flood from random sources thus costs memory for 2048 of them.
type limiter struct {
	now, old map[netif.MAC]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func (l *limiter) allow(now time.Time, mac netif.MAC) bool {
	b, ok := l.now[mac]
	if !ok {
		b, ok = l.old[mac]
	}
	if !ok {
		b = bucket{tokens: limitBurst, at: now}
	}
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.tokens = min(limitBurst, b.tokens+d*limitRate)
		b.at = now
	}
	pass := b.tokens >= 1
	if pass {
		b.tokens--
	}
	if l.now == nil || len(l.now) >= limitMACs {
		l.old, l.now = l.now, make(map[netif.MAC]bucket)
	}
	l.now[mac] = b
	return pass
}
