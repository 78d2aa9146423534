package conn

import (
	"strings"
	"sync"
	"testing"
	"time"

	"luatnetd/client"
)

// A panic of a sink comes out of Run, where it is counted and the connection
// starts again; it does not end the process.
func TestFaultPanicInDeliver(t *testing.T) {
	s := newServer(t, "127.0.0.1:0")
	var once sync.Once
	st := started(t, s, func(c *Config) {
		c.Deliver = func(client.Received) error { once.Do(func() { panic("sink") }); return nil }
	})
	st.uplinks("a")
	st.state(t, "ONLINE")
	s.say("hello")
	err := <-st.ended
	if err == nil || !strings.Contains(err.Error(), "panic: sink") {
		t.Errorf("Run ended with %v", err)
	}
	st.ended <- nil // for the clean-up
}

// slowPut blocks as a queue does that syncs each message to flash.
type slowPut struct {
	*list
	in, out chan struct{}
}

func (q *slowPut) Put(m client.Message) (client.Message, client.Held, error) {
	close(q.in)
	<-q.out
	return q.list.Put(m)
}

// A Put that waits for flash must hold up neither status nor the engine's SetNetwork.
func TestFaultSlowPutBlocksStatus(t *testing.T) {
	s := newServer(t, "127.0.0.1:0")
	q := &slowPut{list: newList(), in: make(chan struct{}), out: make(chan struct{})}
	st := started(t, s, func(c *Config) { c.Queue = q })
	go func() { _, _ = st.Offer(client.Message{Data: []byte("x")}, nil) }()
	<-q.in
	answered := make(chan struct{})
	go func() { st.Status(); close(answered) }()
	select {
	case <-answered:
	case <-time.After(time.Second):
		t.Error("Status waits for a Put that waits for flash; so does SetNetwork, the engine's loop")
	}
	close(q.out)
}

// accepted = queued + confirmed + dropped: a message that a rule of the queue
// drops while it is in flight counts once.
func TestFaultDroppedInFlightCountsOnce(t *testing.T) {
	s := newServer(t, "127.0.0.1:0")
	st := started(t, s, nil)
	var mu sync.Mutex
	var results []client.Result
	if _, err := st.Offer(client.Message{Data: []byte("x")}, func(r client.Result) { mu.Lock(); results = append(results, r); mu.Unlock() }); err != nil {
		t.Fatal(err)
	}
	st.Dropped(1, "the queue was full") // the queue may have handed it out before: "It may have been read and be on its way"
	st.uplinks("wan")
	until(t, "the message at the server", func() bool { return len(s.text()) > 0 })
	until(t, "the queue to be done", func() bool { st.q.mu.Lock(); defer st.q.mu.Unlock(); return st.q.done == 1 })
	mu.Lock()
	defer mu.Unlock()
	if len(results) != 1 || results[0].OK {
		t.Errorf("results %v, want the one of the drop", results)
	}
	x := st.Status()
	if x.Accepted != x.Acknowledged+x.Dropped {
		t.Errorf("accepted %d, confirmed %d + dropped %d", x.Accepted, x.Acknowledged, x.Dropped)
	}
}
