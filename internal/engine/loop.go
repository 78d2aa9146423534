package engine

import (
	"context"
	"fmt"
	"time"

	"luatnetd/client/conn"
)

// resync is how often everything is read back even if nobody said a word.
const resync = time.Minute

// loop is the one goroutine that owns the state.
func (e *Engine) loop(ctx context.Context, reload <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-e.rtnl.Snapshots():
			e.sensed(s)
		case r := <-e.prober.Results():
			e.probed(r)
		case r := <-e.applier.Results():
			e.applied(r)
		case who := <-e.kernel.Foreign():
			e.foreign(who)
		case ev := <-e.inbox:
			e.handle(ev)
		case <-reload:
			e.reloadFile(nil)
		case <-timer.C:
		}
		e.drain()
		if e.snap != nil {
			timer.Reset(e.turn(e.now()))
		}
		if e.restart {
			return
		}
	}
}

// drain takes what else has arrived, so that one turn answers all of it.
func (e *Engine) drain() {
	for range cap(e.inbox) {
		select {
		case s := <-e.rtnl.Snapshots():
			e.sensed(s)
		case r := <-e.prober.Results():
			e.probed(r)
		case ev := <-e.inbox:
			e.handle(ev)
		default:
			return
		}
	}
}

// turn is the whole flow, once: sense, decide, build, hand over, publish. It
// returns how long the loop may sleep.
func (e *Engine) turn(now time.Time) time.Duration {
	e.observe(now)
	e.decide(now)
	e.build(now)
	e.serveNames()
	e.connect()
	e.tellServers()
	e.probe(now)
	e.publish(now)
	e.tell()
	e.watchNext = e.watchTurn(now)
	e.turns++
	if e.opt.Service.Watchdog > 0 {
		e.opt.Service.Notify("WATCHDOG=1")
	}
	return e.sleep(now)
}

// sleep is the time until the next thing that comes by itself.
func (e *Engine) sleep(now time.Time) time.Duration {
	next := now.Add(resync)
	if w := e.opt.Service.Watchdog; w > 0 {
		next = now.Add(min(resync, w/2))
	}
	for _, u := range e.uplinks {
		next = sooner(next, u.monitor.Next())
		next = sooner(next, u.modem.due(now))
	}
	next = sooner(next, e.decision.Next)
	if e.settling(now) {
		next = sooner(next, e.settle)
	}
	if e.releasing(now) {
		next = sooner(next, e.releaseUntil)
	}
	next = sooner(next, e.override.until)
	next = sooner(next, e.watchNext)
	return max(next.Sub(now), time.Millisecond)
}

func sooner(a, b time.Time) time.Time {
	if !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// handle takes an event from the inbox.
func (e *Engine) handle(ev any) {
	switch ev := ev.(type) {
	case leaseEvent:
		e.leased(ev)
	case lanEvent:
		e.lanChanged(ev)
	case conn.Event:
		e.connectionChanged(ev)
	case happened:
		e.record(ev.level, ev.kind, ev.text, ev.attrs...)
	case modemEvent:
		e.modemSaid(ev)
	case devicesEvent:
		e.plugged(ev)
	case timeEvent:
		e.timeChanged(ev)
	case reported:
		e.sleepAfter(ev)
	case woken:
		e.woke(ev)
	case released:
		e.releases--
	case command:
		e.command(ev)
	default:
		panic(fmt.Sprintf("engine: unknown event %T", ev))
	}
}

// post hands an event to the loop from another goroutine; false: the daemon ends.
func (e *Engine) post(ctx context.Context, ev any) bool {
	select {
	case e.inbox <- ev:
		return true
	case <-ctx.Done():
		return false
	}
}
