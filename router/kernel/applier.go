package kernel

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"luatnetd/netif"
	"luatnetd/router"
)

// Job is a plan to make true.
type Job struct {
	Plan router.Plan
	Full bool   // read everything, whatever the last turn believed
	Seq  uint64 // comes back in the Result
}

// Result says what one turn of the applier did.
type Result struct {
	Seq      uint64
	Ops      []string // what was tried, in order
	Failures []Failure
	Took     time.Duration
	Full     bool     // everything was read
	Paused   []Paused // rooms that another program keeps undoing, left alone for now
}

// Memory is what the kernel cannot tell about us and a diff may need.
type Memory struct {
	Killed   []netif.Index     // uplinks whose flows are flushed already
	Original map[string]string // sysctl path → value from before our first write
	Made     []string          // bridges that we made
}

// Applier makes the kernel equal to the newest plan. One goroutine, Run, does
// all the work; Submit and Results may be used from any.
//
// A turn reads the rooms whose plan changed or whose last op failed, or all of
// them, and believes the rest. After a flush the same mark is swept again
// while the newest plan still wants it dead. Failed ops are tried again with
// growing pauses.
type Applier struct {
	// Diff computes the ops of the rooms that were read; set it before Run.
	Diff func(router.Have, router.Plan, router.Rooms) []router.Op
	// Remember, if set, gives Diff the applier's memory.
	Remember func(*router.Have, Memory)

	log     *slog.Logger
	read    func(context.Context, router.Plan, router.Rooms) (router.Have, map[router.Rooms]error)
	apply   func(context.Context, []router.Op) []Failure
	sweep   func(router.FlushMark) error
	memory  func() Memory
	who     func() string
	wake    chan struct{} // capacity 1: a second wake-up adds nothing
	results chan Result   // capacity 16: the oldest is dropped

	mu      sync.Mutex // guards pending
	pending *Job

	// Owned by Run.
	job     *Job         // applied last
	dirty   router.Rooms // rooms with failed ops
	killed  []netif.Index
	owed    []router.FlushMark // failed ones that no next diff asks for
	sweeps  []dueSweep
	backoff time.Duration
	retryAt time.Time // zero: nothing to retry
	guard   *guard
}

// Pauses between two tries of failed ops.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// sweepAfter is when a flushed mark is flushed again: packets under way make
// new entries, and the kernel confirms them late.
var sweepAfter = []time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second}

type dueSweep struct {
	at time.Time
	op router.FlushMark
}

// NewApplier returns an applier for k. log may be nil.
func NewApplier(k *Kernel, log *slog.Logger) *Applier {
	a := newApplier(log)
	a.read, a.apply, a.sweep, a.who = k.read, k.Apply, k.sweep, k.foreign.who
	a.memory = func() Memory { return Memory{Original: k.Originals(), Made: k.made} }
	return a
}

func newApplier(log *slog.Logger) *Applier {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Applier{
		log: log, guard: newGuard(), who: func() string { return "" }, memory: func() Memory { return Memory{} },
		wake: make(chan struct{}, 1), results: make(chan Result, 16),
	}
}

// Submit hands over a plan and never blocks. A plan that was not yet begun is
// replaced, but its wish for a full read is kept.
func (a *Applier) Submit(j Job) {
	a.mu.Lock()
	if a.pending != nil {
		j.Full = j.Full || a.pending.Full
	}
	a.pending = &j
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *Applier) take() *Job {
	a.mu.Lock()
	defer a.mu.Unlock()
	j := a.pending
	a.pending = nil
	return j
}

// Results delivers one Result for every turn. Who does not read loses the
// oldest ones.
func (a *Applier) Results() <-chan Result { return a.results }

// Run works until the context ends.
func (a *Applier) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		a.arm(timer)
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		case <-timer.C:
		}
		if j := a.take(); j != nil {
			a.turn(ctx, *j)
		} else if a.due(a.retryAt) {
			a.turn(ctx, Job{Plan: a.job.Plan, Seq: a.job.Seq})
		}
		a.sweepDue()
	}
}

func (a *Applier) due(at time.Time) bool { return !at.IsZero() && !time.Now().Before(at) }

// arm sets the timer to the next sweep or retry.
func (a *Applier) arm(timer *time.Timer) {
	next := a.retryAt
	for _, s := range a.sweeps {
		if next.IsZero() || s.at.Before(next) {
			next = s.at
		}
	}
	if next.IsZero() {
		timer.Stop()
		return
	}
	timer.Reset(max(0, time.Until(next)))
}

// turn makes the kernel equal to one plan.
func (a *Applier) turn(ctx context.Context, j Job) {
	start := time.Now()
	planned := router.AllRooms // rooms in which ops are no repairs
	rooms := router.AllRooms
	if a.job != nil {
		planned = expand(j.Plan.Changed(a.job.Plan) | a.dirty)
		if !j.Full {
			rooms = planned
		}
	}
	ops, failures := a.ops(ctx, j.Plan, rooms, planned)
	failures = append(failures, a.apply(ctx, ops)...)
	a.settle(j, ops, failures)
	r := Result{Seq: j.Seq, Failures: failures, Took: time.Since(start), Full: rooms == router.AllRooms, Paused: a.guard.left()}
	for _, op := range ops {
		r.Ops = append(r.Ops, op.String())
	}
	a.publish(r)
}

// readRoom stands for reading a room, in a Failure.
type readRoom struct{ room router.Rooms }

func (o readRoom) String() string { return "read " + o.room.String() }

// ops reads and compares. A room that cannot be read is believed until the
// next try, so that it does not hold up the others.
func (a *Applier) ops(ctx context.Context, p router.Plan, rooms, planned router.Rooms) ([]router.Op, []Failure) {
	have, errs := a.read(ctx, p, rooms)
	var failures []Failure
	read := rooms | router.RoomKill // what is flushed is remembered, not read
	for r, err := range errs {
		read &^= r
		failures = append(failures, Failure{Op: readRoom{r}, Err: err})
	}
	a.killed = slices.DeleteFunc(a.killed, func(n netif.Index) bool { return !slices.Contains(p.Kill, n) })
	if a.Remember != nil {
		m := a.memory()
		m.Killed = slices.Clone(a.killed)
		a.Remember(&have, m)
	}
	ops := slices.DeleteFunc(a.Diff(have, p, read), func(op router.Op) bool {
		flush, ok := op.(router.FlushMark)
		return ok && slices.Contains(a.killed, flush.Uplink)
	})
	for _, flush := range a.owed {
		if !slices.Contains(ops, router.Op(flush)) {
			ops = append(ops, flush)
		}
	}
	ops, stopped := a.guard.pass(ops, read, planned, time.Now(), a.who())
	return ops, append(failures, stopped...)
}

// settle keeps what the next turn must know.
func (a *Applier) settle(j Job, ops []router.Op, failures []Failure) {
	a.job, a.dirty = &j, 0
	failed := make(map[router.FlushMark]bool)
	for _, f := range failures {
		switch op := f.Op.(type) {
		case leftAlone:
			continue // not tried again before its pause is over
		case readRoom:
			a.dirty |= op.room
		case router.FlushMark:
			failed[op] = true
			a.dirty |= router.RoomKill
		default:
			a.dirty |= roomOf(op)
		}
		a.log.Warn("kernel operation failed", "op", f.Op.String(), "error", f.Err)
	}
	a.flushes(j.Plan, ops, failed)
	a.schedule()
}

// flushes keeps what was flushed and what is still to be. An uplink outside of
// the plan's Kill, whose address changed, is flushed once: it is not dead.
func (a *Applier) flushes(p router.Plan, ops []router.Op, failed map[router.FlushMark]bool) {
	a.owed = nil
	for _, op := range ops {
		flush, ok := op.(router.FlushMark)
		switch dead := slices.Contains(p.Kill, flush.Uplink); {
		case !ok, dead && failed[flush]: // the next diff asks again
		case failed[flush]:
			a.owed = append(a.owed, flush)
		case dead:
			a.killed = append(a.killed, flush.Uplink)
			for _, d := range sweepAfter {
				a.sweeps = append(a.sweeps, dueSweep{time.Now().Add(d), flush})
			}
		}
	}
}

// schedule sets the time of the next try. A failed turn in between, for a new
// plan, does not push it away.
func (a *Applier) schedule() {
	if a.dirty == 0 {
		a.backoff, a.retryAt = 0, time.Time{}
		return
	}
	if !a.retryAt.IsZero() && !a.due(a.retryAt) {
		return
	}
	a.backoff = min(max(2*a.backoff, firstRetry), lastRetry)
	a.retryAt = time.Now().Add(a.backoff)
}

// sweepDue flushes again what is due and still to be dead.
func (a *Applier) sweepDue() {
	a.sweeps = slices.DeleteFunc(a.sweeps, func(s dueSweep) bool {
		if !a.due(s.at) {
			return false
		}
		if slices.Contains(a.newest().Kill, s.op.Uplink) {
			if err := a.sweep(s.op); err != nil {
				a.log.Warn("sweep after flush", "uplink", s.op.Uplink, "error", err)
			}
		}
		return true
	})
}

// newest is the plan that counts now: the waiting one, or the one applied.
func (a *Applier) newest() router.Plan {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.pending != nil:
		return a.pending.Plan
	case a.job != nil:
		return a.job.Plan
	}
	return router.Plan{}
}

func (a *Applier) publish(r Result) {
	for {
		select {
		case a.results <- r:
			return
		default:
		}
		select {
		case <-a.results:
		default:
		}
	}
}
