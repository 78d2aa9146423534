package tty

import (
	"slices"
	"sync"
	"time"

	"luatnetd/modem"
)

// Limits of the queue.
const (
	maxWaiting  = 32
	longCommand = 10 * time.Second // a poll does not wait behind a command that may take longer
)

// job is a command that waits or runs.
type job struct {
	cmd      modem.Command
	deadline time.Time
	reply    chan modem.Reply // room for one
	borrow   *loan            // in the place of cmd: the port is lent out
}

// queue holds what waits, and what runs.
type queue struct {
	mu      sync.Mutex
	waiting []*job // by priority, then by age
	long    bool   // what runs may take long
	closed  error  // why nothing is taken any more
	wake    chan struct{}
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put adds a job. A poll is refused while a long command runs or no room is
// left; for others the newest poll makes room.
func (q *queue) put(j *job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	poll, full := j.cmd.Priority <= modem.PollPriority, len(q.waiting) >= maxWaiting
	switch {
	case q.closed != nil:
		return q.closed
	case poll && (q.long || full):
		return modem.ErrCancelled
	case full && !q.dropPoll():
		return ErrFull
	}
	i := slices.IndexFunc(q.waiting, func(o *job) bool { return o.cmd.Priority < j.cmd.Priority })
	if i < 0 {
		i = len(q.waiting)
	}
	q.waiting = slices.Insert(q.waiting, i, j)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// dropPoll withdraws the newest poll.
func (q *queue) dropPoll() bool {
	last := len(q.waiting) - 1
	if last < 0 || q.waiting[last].cmd.Priority > modem.PollPriority {
		return false
	}
	q.waiting[last].reply <- modem.Reply{Err: modem.ErrCancelled}
	q.waiting = q.waiting[:last]
	return true
}

// next takes the first job. When it may take long, the polls go.
func (q *queue) next() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.long = false
	if len(q.waiting) == 0 {
		return nil
	}
	j := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	q.long = j.borrow != nil || j.cmd.Timeout > longCommand
	for q.long && q.dropPoll() {
	}
	return j
}

// withdraw removes a job that has not begun. held says that something long runs.
func (q *queue) withdraw(j *job) (withdrawn, held bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, j)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0, q.long
}

// close answers everything that waits, and what is still to come.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = err
	for _, j := range q.waiting {
		j.reply <- modem.Reply{Err: err}
	}
	q.waiting = nil
}
