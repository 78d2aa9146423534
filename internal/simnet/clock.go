package simnet

import (
	"container/heap"
	"time"

	"luatnetd/netif"
)

// Clock runs events in the order of their time; those of the same time in the
// order in which they were planned. The zero Clock stands at boot.
type Clock struct {
	now    time.Duration
	queue  queue
	serial uint64
	ran    uint64
	// After is called after every event, if set.
	After func()
}

type event struct {
	at     time.Duration
	serial uint64
	do     func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].serial < q[j].serial
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}

// Now returns the virtual time in the form that pure rooms take.
func (c *Clock) Now() time.Time { return netif.Boot(c.now) }

// Uptime returns the virtual time since boot.
func (c *Clock) Uptime() time.Duration { return c.now }

// Events returns how many events have run.
func (c *Clock) Events() uint64 { return c.ran }

// In plans do to run after d; a negative d means now.
func (c *Clock) In(d time.Duration, do func()) {
	c.serial++
	heap.Push(&c.queue, event{c.now + max(d, 0), c.serial, do})
}

// At plans do for a time; one in the past means now.
func (c *Clock) At(t time.Time, do func()) { c.In(t.Sub(c.Now()), do) }

// Run lets virtual time pass until end.
func (c *Clock) Run(end time.Duration) {
	for len(c.queue) > 0 && c.queue[0].at <= end {
		e := heap.Pop(&c.queue).(event)
		c.now = e.at
		c.ran++
		e.do()
		if c.After != nil {
			c.After()
		}
	}
	c.now = max(c.now, end)
}
