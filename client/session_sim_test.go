package client

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"luatnetd/netif"
)

var sessionSeeds = flag.Int("session.seeds", 15, "seeds of the connection's simulation")

// world is what is around a session: two uplinks, a server, a queue. It knows
// what was accepted, what the server read and what was answered; the session
// is judged by that alone.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	s      *Session
	mode   Confirmation
	window int
	now    time.Duration
	events todo

	accepted uint64          // messages 1…accepted are in the queue
	done     uint64          // up to here the queue has let go
	results  map[uint64]int  // how often each message got its result
	read     []uint64        // by the server, in order, all sessions together
	count    map[uint64]int  // how often the server read each
	links    map[int]*pipe   // sessions that exist
	up       map[string]bool // uplinks that carry
	want     string          // what the gateway decided
	breaks   int             // sessions that ended with something in flight
	heal     time.Duration   // from then on nothing fails
}

// pipe is one session as the network sees it.
type pipe struct {
	id     int
	uplink string
	alive  bool
	wire   uint64
	unread []arrival
}

// arrival is a message on its way to the server, and the offset after it.
type arrival struct {
	seq, end uint64
}

type event struct {
	at time.Duration
	n  int // order among equals
	do func()
}

type todo []event

func (q todo) Len() int           { return len(q) }
func (q todo) Less(i, j int) bool { return q[i].at < q[j].at || q[i].at == q[j].at && q[i].n < q[j].n }
func (q todo) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *todo) Push(x any)        { *q = append(*q, x.(event)) }
func (q *todo) Pop() any          { old := *q; e := old[len(old)-1]; *q = old[:len(old)-1]; return e }

func (w *world) after(d time.Duration, f func()) {
	w.window++
	heap.Push(&w.events, event{w.now + d, w.window, f})
}

func (w *world) delay() time.Duration {
	return time.Millisecond + time.Duration(w.rng.IntN(40))*time.Millisecond
}

// TestSessionSimulation: whatever fails, each accepted message gets one result,
// the server reads every one, first receipts are in order, and duplicates are
// at most what was in flight at a break.
func TestSessionSimulation(t *testing.T) {
	for _, mode := range []Confirmation{ByTCP, ByReply} {
		for _, sw := range []SwitchMode{Follow, BreakFirst, Stay} {
			t.Run(fmt.Sprintf("%s %s", mode, sw), func(t *testing.T) {
				for seed := range *sessionSeeds {
					simulateSession(t, uint64(seed), mode, sw)
					if t.Failed() {
						t.Fatalf("seed %d", seed)
					}
				}
			})
		}
	}
}

const simWindow = 16 // messages

func simulateSession(t *testing.T, seed uint64, mode Confirmation, sw SwitchMode) {
	rng := rand.New(rand.NewPCG(seed, 99))
	reply, _ := ParseReply("ack {id}")
	register, _ := ParseTemplate("{id}:")
	p := Policy{
		Confirmed: mode, Switch: sw, Connect: 30 * time.Second, Confirm: 15 * time.Second, Close: 5 * time.Second,
		Backoff: Backoff{Base: 5 * time.Second, Max: time.Minute, Jitter: 0.2}, WindowBytes: 64 << 10, WindowMessages: simWindow,
		Register: register, RegisterEach: true, Reply: reply, ReplyWait: 3 * time.Second, Send: SendPlain,
		Recv: Cutter{How: RecvDelimiter, Delimiter: []byte(";")},
	}
	w := &world{
		t: t, rng: rng, mode: mode, results: map[uint64]int{}, count: map[uint64]int{}, links: map[int]*pipe{},
		up: map[string]bool{"a": true, "b": true}, heal: 20 * time.Minute,
	}
	w.s = NewSession(&p, 0, nil, rng)
	w.after(0, w.decide)
	w.after(time.Second, w.produce)
	w.after(10*time.Second, w.fault)
	for w.now < 30*time.Minute && !t.Failed() {
		w.turn()
		next := w.s.Next()
		at := time.Duration(1 << 62)
		if !next.IsZero() {
			at = max(time.Duration(next.UnixNano()), w.now)
		}
		if len(w.events) > 0 && w.events[0].at <= at {
			e := heap.Pop(&w.events).(event)
			w.now = e.at
			e.do()
			continue
		}
		if at == 1<<62 {
			break
		}
		w.now = at
		w.do(w.s.Tick(w.time()))
	}
	w.verdict()
}

func (w *world) time() time.Time { return netif.Boot(w.now) }

// turn gives the session what there is room for.
func (w *world) turn() {
	for {
		after, n, _ := w.s.Room()
		var list []Message
		for seq := max(after, w.done) + 1; seq <= w.accepted && len(list) < n; seq++ {
			list = append(list, Message{Seq: seq, ID: seq, Source: "x", Data: []byte("data")})
		}
		if len(list) == 0 {
			return
		}
		w.do(w.s.Offer(w.time(), list))
	}
}

func (w *world) do(orders []Order) {
	for _, o := range orders {
		switch o.Do {
		case OrderDial:
			w.connect(o)
		case OrderSend:
			w.send(o)
		case OrderShut:
			w.end(o.Link)
		case OrderConfirm:
			w.results[o.Seq]++
			if w.count[o.Seq] == 0 {
				w.t.Errorf("message %d confirmed, but the server never read it", o.Seq)
			}
		case OrderDone:
			if o.Seq < w.done {
				w.t.Errorf("done went back from %d to %d", w.done, o.Seq)
			}
			w.done = o.Seq
		case OrderDeliver:
			w.t.Errorf("an acknowledgement was delivered: %q", o.Data)
		}
	}
}

func (w *world) connect(o Order) {
	p := &pipe{id: o.Link, uplink: o.Uplink}
	w.links[o.Link] = p
	if !w.up[o.Uplink] {
		w.after(30*time.Second, func() { w.do(w.s.Dialed(w.time(), o.Link, &Cause{Code: CodeTimeout, Text: "timeout"})) })
		return
	}
	w.after(w.delay(), func() {
		if w.links[o.Link] == nil {
			return
		}
		p.alive = true
		w.do(w.s.Dialed(w.time(), o.Link, nil))
	})
}

func (w *world) end(id int) {
	if p := w.links[id]; p != nil && p.alive {
		w.breaks++
	}
	delete(w.links, id)
}

// send carries writes towards the server.
func (w *world) send(o Order) {
	p := w.links[o.Link]
	if p == nil {
		w.t.Errorf("a write on session %d, which is closed", o.Link)
		return
	}
	for _, wr := range o.Writes {
		p.wire += uint64(len(wr.Bytes))
		p.unread = append(p.unread, arrival{wr.Seq, p.wire})
		w.do(w.s.Wrote(w.time(), p.id, wr.Token, p.wire))
	}
	w.after(20*time.Millisecond, func() { w.pump(p) })
}

// pump is the server's end: it reads in order what has arrived, acknowledges
// and answers. A path that is down is tried again, as TCP does.
func (w *world) pump(p *pipe) {
	if w.links[p.id] != p || !p.alive || len(p.unread) == 0 {
		return
	}
	if !w.up[p.uplink] {
		w.after(500*time.Millisecond, func() { w.pump(p) })
		return
	}
	end, seqs := uint64(0), []uint64(nil)
	for _, a := range p.unread {
		end = a.end
		if a.seq != 0 {
			w.read = append(w.read, a.seq)
			w.count[a.seq]++
			seqs = append(seqs, a.seq)
		}
	}
	p.unread = nil
	w.after(w.delay(), func() {
		if w.links[p.id] != p || !w.up[p.uplink] {
			return
		}
		w.do(w.s.Acked(w.time(), p.id, end))
		for _, seq := range seqs {
			if w.mode == ByReply && !w.lost() && w.links[p.id] == p {
				w.do(w.s.Received(w.time(), p.id, fmt.Appendf(nil, "ack %d;", seq)))
			}
		}
	})
}

// lost is an answer that the application never gives.
func (w *world) lost() bool { return w.mode == ByReply && w.now < w.heal && w.rng.IntN(50) == 0 }

func (w *world) produce() {
	w.accepted += uint64(1 + w.rng.IntN(5))
	if w.now < w.heal {
		w.after(time.Duration(w.rng.IntN(2000))*time.Millisecond, w.produce)
	}
}

// decide is the gateway: the first uplink that carries.
func (w *world) decide() {
	w.want = ""
	for _, u := range []string{"b", "a"} {
		if w.up[u] {
			w.want = u
		}
	}
	w.do(w.s.Network(w.time(), NetView{Want: w.want, Usable: map[string]bool{"a": w.up["a"], "b": w.up["b"]}}))
}

func (w *world) fault() {
	if w.now >= w.heal {
		w.up["a"], w.up["b"] = true, true
		w.decide()
		return
	}
	switch w.rng.IntN(5) {
	case 0, 1: // the server is killed: sessions are reset
		for id, p := range w.links {
			if p.alive {
				w.breaks++
				delete(w.links, id)
				w.do(w.s.Broken(w.time(), id, Cause{Code: CodeReset, Text: "reset"}))
			}
		}
	case 2, 3: // an uplink dies or comes back; the gateway notices later
		u := []string{"a", "b"}[w.rng.IntN(2)]
		w.up[u] = !w.up[u]
		w.after(time.Duration(w.rng.IntN(4000))*time.Millisecond, w.decide)
	case 4:
		w.do(w.s.Reconnect(w.time(), "asked"))
	}
	w.after(time.Duration(w.rng.IntN(60))*time.Second, w.fault)
}

func (w *world) verdict() {
	first := uint64(0)
	seen := map[uint64]bool{}
	duplicates := 0
	for _, seq := range w.read {
		if seen[seq] {
			duplicates++
			continue
		}
		seen[seq] = true
		if seq < first {
			w.t.Errorf("message %d was first read after %d", seq, first)
		}
		first = seq
	}
	for seq := uint64(1); seq <= w.accepted; seq++ {
		if w.results[seq] != 1 || w.count[seq] == 0 {
			w.t.Errorf("message %d of %d: %d results, read %d times", seq, w.accepted, w.results[seq], w.count[seq])
			return
		}
	}
	resent := int(w.s.Counters().Resent)
	if limit := (w.breaks+1)*simWindow + resent; duplicates > limit {
		w.t.Errorf("%d duplicates over %d breaks, want at most %d", duplicates, w.breaks, limit)
	}
	if w.accepted < 100 || w.breaks == 0 {
		w.t.Errorf("%d messages and %d breaks show nothing", w.accepted, w.breaks)
	}
}
