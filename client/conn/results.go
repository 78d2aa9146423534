package conn

import (
	"sync"

	"luatnetd/client"
)

// results gives each accepted message its one result. A result may come before
// Offer has noted whom to tell, and a message that a rule of the queue dropped
// may be confirmed afterwards: it was on its way.
type results struct {
	mu      sync.Mutex // guards what follows; never held while a done runs
	waiting map[uint64]func(client.Result)
	open    int                      // Offers that are in Put
	early   map[uint64]client.Result // came while one was
	dropped map[uint64]bool          // have had their result, yet may be confirmed
}

// putting announces an Offer.
func (r *results) putting() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open++
}

// put ends it: the message got seq, 0 for none.
func (r *results) put(seq uint64, done func(client.Result)) {
	r.mu.Lock()
	early, ok := r.early[seq]
	delete(r.early, seq)
	if r.open--; r.open == 0 {
		r.early = nil
	}
	if seq != 0 && done != nil && !ok {
		if r.waiting == nil {
			r.waiting = map[uint64]func(client.Result){}
		}
		r.waiting[seq] = done
	}
	r.mu.Unlock()
	if ok && done != nil {
		done(early)
	}
}

// give tells the result of a message; false: it has had one.
func (r *results) give(seq uint64, res client.Result) bool {
	r.mu.Lock()
	if r.dropped[seq] {
		r.mu.Unlock()
		return false
	}
	done := r.take(seq, res)
	r.mu.Unlock()
	if done != nil {
		done(res)
	}
	return true
}

// drop tells the result of a message that a rule dropped.
func (r *results) drop(seq uint64, res client.Result) {
	r.mu.Lock()
	if r.dropped == nil {
		r.dropped = map[uint64]bool{}
	}
	r.dropped[seq] = true
	done := r.take(seq, res)
	r.mu.Unlock()
	if done != nil {
		done(res)
	}
}

// take returns whom to tell. The caller holds mu.
func (r *results) take(seq uint64, res client.Result) func(client.Result) {
	done, ok := r.waiting[seq]
	delete(r.waiting, seq)
	if !ok && r.open > 0 {
		if r.early == nil {
			r.early = map[uint64]client.Result{}
		}
		r.early[seq] = res
	}
	return done
}

// forget lets go of what is behind the queue's position.
func (r *results) forget(done uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for seq := range r.dropped {
		if seq <= done {
			delete(r.dropped, seq)
		}
	}
}
