package client

import "time"

// flight is what was sent and is not settled yet.
type flight struct {
	seq, id uint64 // 0, 0: a heartbeat or registration
	token   uint64
	end     uint64 // offset on the wire after it, valid when written
	written bool
	done    bool
	size    int
	at      time.Time // when it was first sent in this session
	again   time.Time // when it is sent again, ByReply only
	bytes   []byte    // kept for that
}

// window is what is in flight, in the order it was sent.
type window struct {
	list  []*flight
	done  uint64          // everything up to here has its result
	ahead map[uint64]bool // confirmed beyond done: answers may overtake each other
	moved time.Time       // when something was last acknowledged or answered in this session
	acked uint64          // the offset that was
}

// open counts messages that wait for their confirmation, and their bytes.
func (w *window) open() (messages, bytes int) {
	for _, f := range w.list {
		if !f.done {
			bytes += f.size
			if f.seq != 0 {
				messages++
			}
		}
	}
	return messages, bytes
}

// oldest is the flight that waits longest, nil for none.
func (w *window) oldest() *flight {
	for _, f := range w.list {
		if !f.done {
			return f
		}
	}
	return nil
}

// due is when a flight has waited too long: the time runs from the last
// progress, so that a slow link may carry a large message.
func (w *window) due(f *flight, limit time.Duration) time.Time {
	if w.moved.After(f.at) {
		return w.moved.Add(limit)
	}
	return f.at.Add(limit)
}

// settle takes what is done from the front; true: done moved.
func (w *window) settle() bool {
	before := w.done
	for len(w.list) > 0 && w.list[0].done {
		if seq := w.list[0].seq; seq != 0 {
			w.done = max(w.done, seq)
			delete(w.ahead, seq)
		}
		w.list[0] = nil
		w.list = w.list[1:]
	}
	if len(w.list) == 0 {
		w.list = nil // an idle connection holds nothing
	}
	return w.done != before
}

// lose forgets what is unconfirmed: it is still at the head of the queue. What
// was confirmed out of order is remembered.
func (w *window) lose() {
	for _, f := range w.list {
		if f.done && f.seq > w.done {
			if w.ahead == nil {
				w.ahead = map[uint64]bool{}
			}
			w.ahead[f.seq] = true
		}
	}
	w.list, w.moved, w.acked = nil, time.Time{}, 0
}
