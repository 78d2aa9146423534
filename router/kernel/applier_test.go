package kernel

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/netif"
	"luatnetd/router"
)

// model is a kernel that holds main and rules, in which ops may fail. It
// answers like the real one: an unread room stays empty.
type model struct {
	mu      sync.Mutex // guards what follows
	have    router.Have
	reads   []router.Rooms
	applied []string
	swept   []netif.Index
	fail    map[string]error // op text → what it answers
	unread  map[router.Rooms]error
	block   chan struct{} // apply waits for it
}

func (m *model) read(_ context.Context, _ router.Plan, rooms router.Rooms) (router.Have, map[router.Rooms]error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads = append(m.reads, rooms)
	failed := make(map[router.Rooms]error)
	for r, err := range m.unread {
		if rooms.Has(r) {
			failed[r] = err
		}
	}
	var h router.Have
	if rooms.Has(router.RoomMain) && failed[router.RoomMain] == nil {
		h.Main = slices.Clone(m.have.Main)
	}
	if rooms.Has(router.RoomRules) && failed[router.RoomRules] == nil {
		h.Rules = slices.Clone(m.have.Rules)
	}
	return h, failed
}

func (m *model) apply(_ context.Context, ops []router.Op) (failures []Failure) {
	if m.block != nil {
		<-m.block
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, op := range ops {
		m.applied = append(m.applied, op.String())
		if err := m.fail[op.String()]; err != nil {
			failures = append(failures, Failure{op, err})
			continue
		}
		switch o := op.(type) {
		case router.AddRoute:
			m.have.Main = append(m.have.Main, o.RouteSpec)
		case router.DelRoute:
			m.have.Main = slices.DeleteFunc(m.have.Main, func(r router.RouteSpec) bool { return r == o.RouteSpec })
		case router.AddRule:
			m.have.Rules = append(m.have.Rules, o.RuleSpec)
		}
	}
	return failures
}

func (m *model) sweep(o router.FlushMark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.swept = append(m.swept, o.Uplink)
	return nil
}

// take returns what was applied since the last call.
func (m *model) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.applied
	m.applied = nil
	return list
}

func start(t *testing.T, m *model) *Applier {
	t.Helper()
	a := newApplier(nil)
	a.read, a.apply, a.sweep = m.read, m.apply, m.sweep
	a.Diff = func(h router.Have, p router.Plan, rooms router.Rooms) []router.Op {
		h.Table, h.Acct = nil, nil
		p.Table, p.Acct = router.Table{}, router.Table{}
		return testDiffRooms(h, p, rooms&^(router.RoomTable|router.RoomAcct))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { a.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return a
}

func result(t *testing.T, a *Applier) Result {
	t.Helper()
	select {
	case r := <-a.Results():
		return r
	case <-time.After(time.Minute):
		t.Fatal("no result")
		return Result{}
	}
}

var (
	viaWan1 = router.RouteSpec{Table: 254, Dst: prefix("0.0.0.0/0"), Device: "wan1", Metric: 10}
	viaWan2 = router.RouteSpec{Table: 254, Dst: prefix("0.0.0.0/0"), Device: "wan2", Metric: 11}
	ruleOne = router.RuleSpec{Pref: 7701, Oif: "wan1", Table: 7601, Suppress: -1}
)

func TestFastPathReadsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		a := start(t, m)
		both := router.Plan{Main: []router.RouteSpec{viaWan1, viaWan2}, Rules: []router.RuleSpec{ruleOne}}
		a.Submit(Job{Plan: both, Seq: 1})
		if r := result(t, a); r.Seq != 1 || !r.Full || len(r.Failures) != 0 || len(r.Ops) != 3 {
			t.Errorf("first turn: %+v", r)
		}
		m.take()
		m.have.Rules = nil // not seen by the fast path, on purpose
		a.Submit(Job{Plan: router.Plan{Main: both.Main[1:], Rules: both.Rules, Kill: []netif.Index{1}}, Seq: 2})
		r := result(t, a)
		want := []string{"ip route del default dev wan1 metric 10 proto 76", router.Verify{}.String(), "conntrack -D -m 0x100/0x3f00"}
		diff(t, "ops of a switch", want, r.Ops)
		diff(t, "rooms read", []router.Rooms{router.AllRooms, router.RoomMain | router.RoomKill}, m.reads)
		a.Submit(Job{Plan: router.Plan{Main: both.Main[1:], Rules: both.Rules, Kill: []netif.Index{1}}, Seq: 3, Full: true})
		if r := result(t, a); !r.Full || !slices.Contains(r.Ops, "ip rule add pref 7701 oif wan1 lookup 7601 proto 76") || slices.Contains(r.Ops, want[2]) {
			t.Errorf("full turn: %+v; want the rule repaired and no second flush", r)
		}
	})
}

func TestSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		a := start(t, m)
		dead := router.Plan{Main: []router.RouteSpec{viaWan2}, Kill: []netif.Index{1}}
		a.Submit(Job{Plan: dead})
		result(t, a)
		at := func(d time.Duration, want int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			m.mu.Lock()
			defer m.mu.Unlock()
			if len(m.swept) != want {
				t.Errorf("%d sweeps, want %d", len(m.swept), want)
			}
		}
		at(199*time.Millisecond, 0)
		at(2*time.Millisecond, 1)
		at(time.Second, 2)
		// Alive again before the third one: its new flows must not be hurt.
		a.Submit(Job{Plan: router.Plan{Main: []router.RouteSpec{viaWan1, viaWan2}}})
		result(t, a)
		at(time.Minute, 2)
		// Dead again: killed again.
		m.take()
		a.Submit(Job{Plan: dead})
		if r := result(t, a); !slices.Contains(r.Ops, "conntrack -D -m 0x100/0x3f00") {
			t.Errorf("second death: %v", r.Ops)
		}
		at(time.Minute, 5)
	})
}

func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flush := "conntrack -D -m 0x100/0x3f00"
		add := "ip route append default dev wan2 metric 11 proto 76"
		m := &model{fail: map[string]error{flush: errors.New("busy"), add: errors.New("no device")}}
		a := start(t, m)
		begin := time.Now()
		a.Submit(Job{Plan: router.Plan{Main: []router.RouteSpec{viaWan1, viaWan2}, Rules: []router.RuleSpec{ruleOne}, Kill: []netif.Index{1}}, Seq: 9})
		var at []time.Duration
		for range 8 {
			r := result(t, a)
			if r.Seq != 9 || len(r.Failures) != 2 {
				t.Fatalf("result %+v, want two failures", r)
			}
			at = append(at, time.Since(begin).Round(time.Second))
		}
		s := time.Second
		diff(t, "tries", []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 31 * s, 61 * s, 91 * s}, at)
		m.mu.Lock()
		m.fail = nil
		m.mu.Unlock()
		if r := result(t, a); len(r.Failures) != 0 || !slices.Contains(r.Ops, flush) || !slices.Contains(r.Ops, add) {
			t.Errorf("after the fault: %+v", r)
		}
		m.take()
		time.Sleep(time.Hour)
		if got := m.take(); len(got) != 0 {
			t.Errorf("still trying: %v", got)
		}
	})
}

// TestUnreadRoom: a room that cannot be read holds up no other and is tried
// again.
func TestUnreadRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{unread: map[router.Rooms]error{router.RoomRules: errors.New("lost")}}
		a := start(t, m)
		p := router.Plan{Main: []router.RouteSpec{viaWan1}, Rules: []router.RuleSpec{ruleOne}}
		a.Submit(Job{Plan: p})
		r := result(t, a)
		if len(r.Ops) != 1 || len(r.Failures) != 1 || r.Failures[0].Error() != "read rules: lost" {
			t.Errorf("result %+v: want the route added and one failure", r)
		}
		m.mu.Lock()
		m.unread = nil
		m.mu.Unlock()
		if r := result(t, a); len(r.Ops) != 1 || len(r.Failures) != 0 {
			t.Errorf("second try: %+v", r)
		}
	})
}

func TestLatestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{block: make(chan struct{})}
		a := start(t, m)
		a.Submit(Job{Seq: 1})
		synctest.Wait() // the first is under way
		for seq := uint64(2); seq < 100; seq++ {
			a.Submit(Job{Seq: seq, Full: seq == 50, Plan: router.Plan{Main: []router.RouteSpec{viaWan1}}})
		}
		close(m.block)
		if r := result(t, a); r.Seq != 1 {
			t.Errorf("first result is of %d", r.Seq)
		}
		if r := result(t, a); r.Seq != 99 || !r.Full {
			t.Errorf("second result %+v: want 99, full since 50 asked for it", r)
		}
		// Nobody reads: the oldest results are dropped, nothing blocks.
		for seq := uint64(100); seq < 130; seq++ {
			a.Submit(Job{Seq: seq})
			synctest.Wait()
		}
		if r := result(t, a); r.Seq != 114 {
			t.Errorf("oldest kept result is of %d, want 114", r.Seq)
		}
	})
}

// TestRepairsEnd: a room that somebody keeps undoing is left alone after six
// repairs in a minute, with a name; other rooms and new plans are not.
func TestRepairsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		a := start(t, m)
		p := router.Plan{Main: []router.RouteSpec{viaWan1}, Rules: []router.RuleSpec{ruleOne}}
		turn := func(p router.Plan) Result {
			a.Submit(Job{Plan: p, Full: true})
			return result(t, a)
		}
		turn(p)
		vandal := func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.have.Main = nil
		}
		for i := range 6 {
			vandal()
			if r := turn(p); len(r.Ops) != 1 || len(r.Failures) != 0 {
				t.Fatalf("repair %d: %+v", i, r)
			}
			time.Sleep(time.Second)
		}
		vandal()
		m.have.Rules = nil
		r := turn(p)
		if len(r.Failures) != 1 || !strings.HasPrefix(r.Failures[0].Error(), "repair main: another program keeps undoing it") {
			t.Errorf("seventh repair: %+v", r)
		}
		if len(r.Paused) != 1 || r.Paused[0].Room != router.RoomMain || time.Until(r.Paused[0].Until) != 10*time.Minute {
			t.Errorf("seventh repair: paused %v, want main for ten minutes", r.Paused)
		}
		if len(r.Ops) != 1 || !strings.Contains(r.Ops[0], "rule add") {
			t.Errorf("ops %v: want the rule only", r.Ops)
		}
		time.Sleep(9 * time.Minute)
		if r := turn(p); len(r.Ops) != 0 || len(r.Failures) != 1 {
			t.Errorf("within the pause: %+v", r)
		}
		a.Submit(Job{Plan: router.Plan{Main: p.Main}})
		if r := result(t, a); len(r.Paused) != 1 {
			t.Errorf("a turn that does not read main: paused %v, want main still", r.Paused)
		}
		q := p
		q.Main = []router.RouteSpec{viaWan2} // a switch is no repair
		if r := turn(q); len(r.Ops) != 1 || len(r.Failures) != 0 {
			t.Errorf("new plan within the pause: %+v", r)
		} else if len(r.Paused) != 0 {
			t.Errorf("main is as planned, and paused is %v", r.Paused)
		}
		vandal()
		time.Sleep(2 * time.Minute)
		if r := turn(q); len(r.Ops) != 1 || len(r.Failures) != 0 {
			t.Errorf("after the pause: %+v", r)
		}
	})
}

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		a := newApplier(nil)
		a.read, a.apply, a.sweep = m.read, m.apply, m.sweep
		a.memory = func() Memory { return Memory{Made: []string{"br-lan"}} }
		var seen []Memory
		a.Remember = func(_ *router.Have, mem Memory) { seen = append(seen, mem) }
		a.Diff = func(_ router.Have, p router.Plan, _ router.Rooms) (ops []router.Op) {
			for _, n := range p.Kill {
				ops = append(ops, router.FlushMark{Uplink: n, Mark: 0x100 * uint32(n), Mask: 0x3f00})
			}
			return ops
		}
		for _, kill := range [][]netif.Index{{1}, {1, 2}, {2}, nil, {1}} {
			a.turn(t.Context(), Job{Plan: router.Plan{Kill: kill}})
		}
		want := []Memory{{}, {Killed: []netif.Index{1}}, {Killed: []netif.Index{2}}, {}, {}}
		for i := range want {
			want[i].Made = []string{"br-lan"}
			if len(want[i].Killed) == 0 {
				seen[i].Killed = nil
			}
		}
		diff(t, "memory", want, seen)
		diff(t, "flushes", []string{"conntrack -D -m 0x100/0x3f00", "conntrack -D -m 0x200/0x3f00", "conntrack -D -m 0x100/0x3f00"}, m.take())
	})
}

// TestFlushOfLiving: an uplink that changed its address is flushed without
// being dead: once, until it worked, and it can die later.
func TestFlushOfLiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flush := router.FlushMark{Uplink: 1, Mark: 0x100, Mask: 0x3f00}
		m := &model{fail: map[string]error{flush.String(): errors.New("busy")}}
		a := newApplier(nil)
		a.read, a.apply, a.sweep = m.read, m.apply, m.sweep
		moved := true
		a.Diff = func(_ router.Have, p router.Plan, _ router.Rooms) []router.Op {
			if moved || slices.Contains(p.Kill, 1) {
				return []router.Op{flush}
			}
			return nil
		}
		alive, dead := Job{}, Job{Plan: router.Plan{Kill: []netif.Index{1}}}
		flushed := func(name string, j Job, want int) {
			t.Helper()
			a.turn(t.Context(), j)
			if got := len(m.take()); got != want {
				t.Errorf("%s: %d flushes, want %d", name, got, want)
			}
		}
		flushed("address changed, flush fails", alive, 1)
		moved = false
		flushed("again", alive, 1)
		m.fail = nil
		flushed("and works", alive, 1)
		flushed("done", alive, 0)
		flushed("dead", dead, 1)
		flushed("still dead", dead, 0)
		if len(a.sweeps) != len(sweepAfter) {
			t.Errorf("%d sweeps planned, want those of the death only", len(a.sweeps))
		}
	})
}

// TestApplierOnKernel drives a switch and a failback on the real kernel.
func TestApplierOnKernel(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		p := newPath(t)
		serve(t, p.isp1)
		serve(t, p.isp2)
		a := NewApplier(p.k, nil)
		a.Diff = testDiffRooms
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = p.ns.Do(func() error { a.Run(ctx); return nil }) })
		t.Cleanup(func() { cancel(); wg.Wait() })
		turn := func(plan router.Plan, full bool, want ...string) Result {
			t.Helper()
			a.Submit(Job{Plan: plan, Full: full})
			r := result(t, a)
			if len(r.Failures) != 0 {
				t.Fatalf("failures: %v", r.Failures)
			}
			diff(t, "ops", want, r.Ops)
			return r
		}
		turn(p.plan, true)
		for round := range 5 {
			if err := ask(dial(t, p.lan, "udp4"), round, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			dead := p.plan
			dead.Main, dead.Kill = p.plan.Main[1:], []netif.Index{1}
			dead.Verify.Device = "wan2"
			r := turn(dead, false, "ip route del default via 100.64.1.1 dev wan1 metric 10 proto 76", "ip route get 203.0.113.9 # must answer dev wan2", "conntrack -D -m 0x100/0x3f00")
			t.Logf("switch took %v", r.Took)
			if out := p.sh(t, "conntrack -L 2>/dev/null"); strings.Contains(out, "mark=256 ") {
				t.Errorf("flows of the dead uplink left: %s", out)
			}
			turn(p.plan, false, "ip route append default via 100.64.1.1 dev wan1 metric 10 proto 76")
		}
		// Sabotage, then a full turn.
		p.sh(t, "nft flush ruleset; ip rule del pref 7701; ip route del default table 7602; ip addr del 192.168.5.1/24 dev lan0; echo 0 > /proc/sys/net/ipv4/conf/lan0/forwarding")
		a.Submit(Job{Plan: p.plan, Full: true})
		r := result(t, a)
		if len(r.Failures) != 0 || len(r.Ops) < 6 {
			t.Errorf("repair: %+v", r)
		}
		asPlanned(t, p.plan, func() router.Have {
			h := p.read(t, p.plan)
			for i := range h.Links {
				h.Links[i].MTU = 0
			}
			return h
		}())
	})
}
