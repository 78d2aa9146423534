package client

import (
	"slices"
	"testing"
	"time"
)

// A heartbeat whose placeholders are all unknown has no bytes. The session must
// not ask for a Tick at once, for ever.
func TestFaultEmptyHeartbeatSpins(t *testing.T) {
	hb, err := ParseTemplate("{iccid}")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlay(Policy{Confirmed: ByTCP, Heartbeat: hb, HeartbeatEvery: time.Minute})
	p.net("a", "a").online(1).wait(time.Minute)
	if next := p.s.Next(); !next.IsZero() && !next.After(p.now) {
		t.Errorf("after the Tick the next one is due at once: the loop spins")
	}
}

// What the server says on the new session while the old one settles must not vanish.
func TestFaultDataOnTheNextSession(t *testing.T) {
	p := newPlay(Policy{Confirmed: ByTCP, Switch: Follow})
	p.net("a", "a").online(1).offer(1) // one message in flight on a
	p.net("b", "a", "b").online(2)     // b is online, a settles
	p.do(p.s.Received(p.now, 2, []byte("hello")))
	p.wait(settleMax)
	if !slices.Contains(p.log, "deliver hello") {
		t.Errorf("the greeting on link 2 was dropped: %q", p.log)
	}
}

// What is read from the old session while it closes in order must not vanish.
func TestFaultDataOnTheClosingSession(t *testing.T) {
	p := newPlay(Policy{Confirmed: ByTCP, Switch: Follow})
	p.net("a", "a").online(1).net("b", "a", "b").online(2)
	p.do(p.s.Received(p.now, 1, []byte("tail")))
	if !slices.Contains(p.log, "deliver tail") {
		t.Errorf("data read on link 1 was dropped: %q", p.log)
	}
}

// With "any answer", the answer to the repetition of message 1 must not confirm
// message 2, which the server has not read.
func TestFaultAnswerToTheRepetition(t *testing.T) {
	any, err := ParseReply("")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlay(Policy{Confirmed: ByReply, Reply: any, ReplyWait: 5 * time.Second})
	p.net("a", "a").online(1).offer(1).wait(5 * time.Second) // sent twice
	p.do(p.s.Received(p.now, 1, []byte("OK")))               // the late answer to the first copy
	p.offer(2)
	p.do(p.s.Received(p.now, 1, []byte("OK"))) // the answer to the second copy of 1
	if n := p.s.Counters().Confirmed; n > 1 {
		t.Errorf("%d messages confirmed, but the server answered copies of message 1 only", n)
	}
	if st, _, _, cause := p.s.State(); st == OnLine || cause.Code != CodeTimeout {
		t.Errorf("%v after %v: what is not answered is sent again on a new session", st, cause)
	}
}

// A large message on a slow link whose bytes are acknowledged all the time must
// get through: 200 kB at 10 kB/s take 20 s.
func TestFaultSlowLinkLargeMessage(t *testing.T) {
	p := newPlay(Policy{Confirmed: ByTCP})
	p.net("a", "a").online(1)
	p.do(p.s.Offer(p.now, []Message{{Seq: 1, Data: make([]byte, 200_000)}}))
	p.do(p.s.Wrote(p.now, 1, 1, 200_000))
	for off := uint64(10_000); off <= 200_000; off += 10_000 {
		p.wait(time.Second)
		p.do(p.s.Acked(p.now, 1, off))
	}
	if c := p.s.Counters(); c.Breaks != 0 || c.Confirmed != 1 {
		t.Errorf("%d breaks, %d confirmed; it is sent again from its first byte for ever", c.Breaks, c.Confirmed)
	}
}

// The heartbeat of a live session must go on while another uplink cannot connect.
func TestFaultHeartbeatWhileNextConnects(t *testing.T) {
	hb, _ := ParseTemplate("ping")
	p := newPlay(Policy{Confirmed: ByTCP, Switch: Follow, Heartbeat: hb, HeartbeatEvery: 10 * time.Second})
	p.net("a", "a").online(1).net("b", "a", "b").wait(10 * time.Second)
	if !slices.Contains(p.log, "send ping") {
		t.Errorf("no heartbeat on a while b connects: %q", p.log)
	}
}
