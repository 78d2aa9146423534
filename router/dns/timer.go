package dns

import (
	"container/heap"
	"time"
)

// timer is one instant at which the machine has something to do, for a flight
// or for an ask, never both. Instants count from boot like all time here.
type timer struct {
	at     time.Time
	flight *flight
	ask    *ask
	pos    int // in the queue, -1 when not in it
}

// timers is a heap.Interface, earliest first.
type timers []*timer

func (q timers) Len() int           { return len(q) }
func (q timers) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q timers) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].pos, q[j].pos = i, j
}

// Push is part of heap.Interface.
func (q *timers) Push(x any) {
	t := x.(*timer)
	t.pos = len(*q)
	*q = append(*q, t)
}

// Pop is part of heap.Interface.
func (q *timers) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	t.pos = -1
	return t
}

// set arms or moves t.
func (q *timers) set(t *timer, at time.Time) {
	t.at = at
	if t.pos < 0 {
		heap.Push(q, t)
		return
	}
	heap.Fix(q, t.pos)
}

// stop disarms t.
func (q *timers) stop(t *timer) {
	if t.pos >= 0 {
		heap.Remove(q, t.pos)
	}
}
