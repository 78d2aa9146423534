package conn

import (
	"sync"

	"luatnetd/client"
)

// sinkLimit is how much may wait for a slow sink before the socket is not read
// any more, in bytes.
const sinkLimit = 64 << 10

// sink hands what was received to the sinks, in order, in a goroutine that runs
// while there is something.
type sink struct {
	mu      sync.Mutex // guards what follows
	list    []client.Received
	size    int
	running bool
	waiting chan<- struct{} // the reader that waits for room, nil for none
}

func (s *sink) put(r *runner, m client.Received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, m)
	s.size += len(m.Data)
	if !s.running {
		s.running = true
		r.spawn(func() { s.run(r) })
	}
}

// next lets the reader go on, at once or when there is room.
func (s *sink) next(reader chan<- struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size < sinkLimit {
		reader <- struct{}{}
		return
	}
	s.waiting = reader
}

func (s *sink) run(r *runner) {
	for {
		s.mu.Lock()
		if len(s.list) == 0 {
			s.running, s.list = false, nil
			s.mu.Unlock()
			return
		}
		m := s.list[0]
		s.list[0] = client.Received{}
		s.list = s.list[1:]
		s.mu.Unlock()
		if err := r.cfg.Deliver(m); err != nil {
			r.trace.note(r.cfg.Now(), "deliver: %v", err)
		}
		s.mu.Lock()
		s.size -= len(m.Data)
		if s.waiting != nil && s.size < sinkLimit {
			s.waiting <- struct{}{}
			s.waiting = nil
		}
		s.mu.Unlock()
	}
}
