package client

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"luatnetd/netif"
)

// play is a session and what it ordered, in words.
type play struct {
	s   *Session
	now time.Time
	log []string
}

func newPlay(p Policy) *play {
	if p.Connect == 0 {
		p.Connect, p.Confirm, p.Close = 30*time.Second, 15*time.Second, 5*time.Second
	}
	if p.WindowBytes == 0 {
		p.WindowBytes, p.WindowMessages = 64<<10, 256
	}
	if p.Backoff.Base == 0 {
		p.Backoff.Base = 5 * time.Second
	}
	return &play{s: NewSession(&p, 0, map[string]string{"imei": "867"}, rand.New(rand.NewPCG(1, 1))), now: netif.Boot(time.Hour)}
}

func (p *play) do(orders []Order) *play {
	for _, o := range orders {
		word := o.Do.String()
		switch o.Do {
		case OrderDial:
			word += " " + o.Uplink
		case OrderSend:
			for _, w := range o.Writes {
				word += " " + string(w.Bytes)
			}
		case OrderDeliver:
			word += " " + string(o.Data)
		case OrderShut:
			word += map[bool]string{true: "!", false: ""}[o.Force]
		}
		p.log = append(p.log, word)
	}
	return p
}

func (p *play) wait(d time.Duration) *play { p.now = p.now.Add(d); return p.do(p.s.Tick(p.now)) }

// till is Tick at the session's own time, which must be d from now.
func (p *play) till(t *testing.T, d time.Duration) *play {
	t.Helper()
	if got := p.s.Next().Sub(p.now); got != d {
		t.Errorf("the next thing is due in %v, want %v", got, d)
	}
	return p.wait(d)
}

func (p *play) net(want string, usable ...string) *play {
	v := NetView{Want: want, Usable: map[string]bool{}}
	for _, u := range usable {
		v.Usable[u] = true
	}
	return p.do(p.s.Network(p.now, v))
}

func (p *play) online(link int) *play { return p.do(p.s.Dialed(p.now, link, nil)) }

func (p *play) offer(seqs ...uint64) *play {
	for _, seq := range seqs {
		p.do(p.s.Offer(p.now, []Message{{Seq: seq, ID: seq, Source: "uart", Data: []byte{byte('A' + seq - 1)}}}))
	}
	return p
}

func (p *play) said(t *testing.T, want string) {
	t.Helper()
	if got := strings.Join(p.log, ", "); got != want {
		t.Errorf("ordered: %s\nwant:    %s", got, want)
	}
	p.log = nil
}

// LC-02: no uplink, no attempt; then 5 s after each failure, fixed as in LuatOS
// or growing to a ceiling; another uplink is tried at once.
func TestLC02Reconnect(t *testing.T) {
	refused := &Cause{Code: CodeReset, Text: "refused"}
	p := newPlay(Policy{Backoff: Backoff{Base: 5 * time.Second}})
	p.net("").said(t, "")
	if st, _, _, _ := p.s.State(); st != LinkOff {
		t.Errorf("without an uplink: %v", st)
	}
	p.net("wan", "wan").said(t, "dial wan")
	for link := 1; link <= 3; link++ {
		p.do(p.s.Dialed(p.now, link, refused)).said(t, "")
		p.till(t, 5*time.Second).said(t, "dial wan")
	}
	p.do(p.s.Dialed(p.now, 4, refused))
	p.net("4g", "4g").said(t, "dial 4g")

	p = newPlay(Policy{Backoff: Backoff{Base: 5 * time.Second, Max: 30 * time.Second}})
	p.net("wan", "wan")
	for link, want := range []time.Duration{5, 10, 20, 30, 30} {
		p.do(p.s.Dialed(p.now, link+1, refused)).till(t, want*time.Second)
	}
}

// A session that proved itself begins anew after its end; one that was cut off
// at once does not: a server that accepts and closes is not hammered.
func TestBackoffIsKeptByUselessSessions(t *testing.T) {
	p := newPlay(Policy{Backoff: Backoff{Base: 5 * time.Second, Max: time.Hour}})
	p.net("wan", "wan")
	for link, want := range []time.Duration{5, 10, 20} {
		p.online(link+1).do(p.s.Broken(p.now, link+1, Cause{Code: CodeClosed})).till(t, want*time.Second)
	}
	p.online(4).do(p.s.Received(p.now, 4, []byte("x")))
	p.do(p.s.Broken(p.now, 4, Cause{Code: CodeClosed})).till(t, 5*time.Second)
}

// LC-05: what is sent is byte for byte what LuatOS sends.
func TestLC05Wire(t *testing.T) {
	register, err := ParseTemplate("reg {imei}")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlay(Policy{Confirmed: ByTCP, Prefix: true, Register: register, Send: SendCRLF})
	p.net("wan", "wan").online(1).offer(1, 2)
	p.said(t, "dial wan, send reg 867\r\n, send send from uart: A\r\n, send send from uart: B\r\n")
	each, _ := ParseTemplate("{id}|")
	p = newPlay(Policy{Confirmed: ByTCP, Register: each, RegisterEach: true})
	p.net("wan", "wan").online(1).offer(7)
	p.said(t, "dial wan, send 7|G")
}

// LIB-02: a message is confirmed when the acknowledged offset is at its end,
// not before; out of the queue in order.
func TestLIB02ConfirmedByOffset(t *testing.T) {
	p := newPlay(Policy{Confirmed: ByTCP})
	p.net("wan", "wan").online(1).offer(1, 2, 3)
	p.log = nil
	p.do(p.s.Wrote(p.now, 1, 1, 10)).do(p.s.Wrote(p.now, 1, 2, 20)).said(t, "")
	p.do(p.s.Acked(p.now, 1, 9)).said(t, "")
	p.do(p.s.Acked(p.now, 1, 20)).said(t, "confirm, feed, confirm, done")
	p.do(p.s.Acked(p.now, 1, 99)).said(t, "") // the third is not written yet
	if _, waiting := p.s.Waiting(); waiting {
		t.Error("nothing that is written waits, yet acknowledgements are asked for")
	}
}

// Unconfirmed after 15 s: the session is broken, its messages stay at the head.
func TestUnconfirmedBreaks(t *testing.T) {
	p := newPlay(Policy{Confirmed: ByTCP})
	p.net("wan", "wan").online(1).offer(1, 2)
	p.log = nil
	p.till(t, 15*time.Second).said(t, "shut!")
	p.till(t, 5*time.Second).said(t, "dial wan")
	p.online(2)
	if after, n, _ := p.s.Room(); after != 0 || n == 0 {
		t.Errorf("Room after %d for %d messages, want from the head", after, n)
	}
}

// A reply confirms the message whose id it names, in any order; what is not
// answered is sent again under the same id; the acknowledgement itself is
// delivered to nobody, everything else is.
func TestReplies(t *testing.T) {
	pattern, err := ParseReply("ack {id}.")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlay(Policy{Confirmed: ByReply, Reply: pattern, ReplyWait: 4 * time.Second})
	p.net("wan", "wan").online(1).offer(1, 2)
	p.log = nil
	p.do(p.s.Received(p.now, 1, []byte("ack 2."))).said(t, "feed, confirm")
	p.do(p.s.Received(p.now, 1, []byte("hello"))).said(t, "feed, deliver hello")
	p.till(t, 4*time.Second).said(t, "send A")
	p.do(p.s.Broken(p.now, 1, Cause{Code: CodeReset})).till(t, 5*time.Second)
	p.online(2).log = nil
	p.offer(1, 2).said(t, "send A") // the second is confirmed already
	p.do(p.s.Received(p.now, 2, []byte("ack 1."))).said(t, "feed, confirm, done")
	if after, _, _ := p.s.Room(); after != 2 {
		t.Errorf("Room after %d, want 2", after)
	}
}

// Any answer confirms the one message that is outstanding; there is never a second.
func TestAnyAnswer(t *testing.T) {
	any, _ := ParseReply("")
	p := newPlay(Policy{Confirmed: ByReply, Reply: any, ReplyWait: time.Hour})
	p.net("wan", "wan").online(1)
	if _, n, _ := p.s.Room(); n != 1 {
		t.Errorf("room for %d messages, want 1", n)
	}
	p.offer(1)
	if _, n, _ := p.s.Room(); n != 0 {
		t.Errorf("room for %d messages beside an unanswered one, want none", n)
	}
	p.log = nil
	p.do(p.s.Received(p.now, 1, []byte("thanks"))).said(t, "feed, confirm, deliver thanks, done")
}

// LC-10: the new session first, then the old one is settled, and what is
// unconfirmed is sent again on the new one.
func TestLC10Follow(t *testing.T) {
	p := newPlay(Policy{Confirmed: ByTCP, Switch: Follow})
	p.net("wan", "wan", "4g").online(1).offer(1, 2)
	p.do(p.s.Wrote(p.now, 1, 1, 1)).do(p.s.Wrote(p.now, 1, 2, 2))
	p.log = nil
	p.net("4g", "wan", "4g").said(t, "dial 4g")
	p.online(2).said(t, "") // the old uplink works: it may settle
	if _, n, _ := p.s.Room(); n != 0 {
		t.Errorf("room for %d messages while the old session settles, want none", n)
	}
	p.do(p.s.Acked(p.now, 1, 1)).said(t, "confirm, feed, done")
	p.till(t, settleMax).said(t, "shut")
	p.offer(2).said(t, "send B")

	p = newPlay(Policy{Confirmed: ByTCP, Switch: Follow})
	p.net("wan", "wan").online(1).offer(1)
	p.log = nil
	p.net("4g", "4g").online(2).offer(1).said(t, "dial 4g, shut, send A") // the old uplink is dead: nobody waits for it

	p = newPlay(Policy{Confirmed: ByTCP, Switch: BreakFirst, Close: 5 * time.Second})
	p.net("wan", "wan", "4g").online(1).log = nil
	p.net("4g", "wan", "4g").said(t, "shut") // the server may take one session only
	p.do(p.s.Broken(p.now, 1, Cause{})).said(t, "dial 4g")

	p = newPlay(Policy{Confirmed: ByTCP, Switch: BreakFirst, Close: 5 * time.Second})
	p.net("wan", "wan", "4g").online(1).log = nil
	p.net("4g", "wan", "4g").said(t, "shut")
	p.till(t, 5*time.Second).said(t, "dial 4g") // a server that does not close is not waited for longer

	p = newPlay(Policy{Confirmed: ByTCP, Switch: BreakFirst, Close: 5 * time.Second})
	p.net("wan", "wan", "4g").online(1).log = nil
	p.net("4g", "4g").said(t, "shut, dial 4g") // from a dead uplink no end comes

	p = newPlay(Policy{Confirmed: ByTCP, Switch: Stay})
	p.net("wan", "wan", "4g").online(1).log = nil
	p.net("4g", "wan", "4g").said(t, "")
	p.do(p.s.Broken(p.now, 1, Cause{Code: CodeReset})).said(t, "shut!, dial 4g")
}

// An uplink that comes back while the new session still connects: the old one stays.
func TestFollowGivesUpWhenTheUplinkIsBack(t *testing.T) {
	p := newPlay(Policy{Confirmed: ByTCP, Switch: Follow})
	p.net("wan", "wan", "4g").online(1).net("4g", "wan", "4g").log = nil
	p.net("wan", "wan", "4g").said(t, "shut!")
	p.online(2).said(t, "shut!") // a connection that nobody wants any more
	if st, _, up, _ := p.s.State(); st != OnLine || up != "wan" {
		t.Errorf("%v on %s", st, up)
	}
}

// The heartbeat is sent when idle; no answer breaks the session, and so does
// one that nobody acknowledges. A UDP heartbeat proves nothing.
func TestHeartbeat(t *testing.T) {
	beat := Fixed([]byte{2, 3})
	policy := Policy{Confirmed: ByTCP, Heartbeat: beat, HeartbeatEvery: time.Minute, HeartbeatExpect: []byte("pong")}
	p := newPlay(policy)
	p.net("wan", "wan").online(1).log = nil
	p.till(t, time.Minute).said(t, "send \x02\x03")
	p.do(p.s.Wrote(p.now, 1, 1, 2)).do(p.s.Acked(p.now, 1, 2)).said(t, "feed")
	p.do(p.s.Received(p.now, 1, []byte("pong"))).said(t, "feed")
	p.wait(time.Minute).log = nil
	p.do(p.s.Wrote(p.now, 1, 2, 4)).do(p.s.Acked(p.now, 1, 4))
	p.log = nil
	p.till(t, 15*time.Second).said(t, "shut!")

	policy.Confirmed, policy.Datagrams, policy.HeartbeatExpect = Handed, true, nil
	p = newPlay(policy)
	p.net("wan", "wan").online(1).log = nil
	p.wait(time.Minute).do(p.s.Wrote(p.now, 1, 1, 2)).said(t, "send \x02\x03")
}

// A message that cannot be framed gets its result and holds up nobody.
func TestMessageThatDoesNotFit(t *testing.T) {
	p := newPlay(Policy{Confirmed: ByTCP, Send: SendLength, WindowBytes: 1 << 20})
	p.net("wan", "wan").online(1).log = nil
	p.do(p.s.Offer(p.now, []Message{{Seq: 1, Data: make([]byte, 70000)}})).said(t, "confirm, done")
}

// Reconnect, the network watchdog's first rung, does not wait.
func TestReconnectIsAtOnce(t *testing.T) {
	p := newPlay(Policy{Confirmed: ByTCP})
	p.net("wan", "wan").online(1).log = nil
	p.do(p.s.Reconnect(p.now, "watchdog")).said(t, "shut!, dial wan")
	p.do(p.s.Dialed(p.now, 2, &Cause{})).log = nil
	p.do(p.s.Reconnect(p.now, "watchdog")).said(t, "dial wan")
	p.do(p.s.Stop(p.now)).said(t, "shut!")
}

// Datagrams have no end that a server could announce: break_first does not wait
// for one.
func TestBreakFirstOfDatagrams(t *testing.T) {
	p := newPlay(Policy{Confirmed: Handed, Datagrams: true, Switch: BreakFirst})
	p.net("wan", "wan", "4g").online(1).log = nil
	p.net("4g", "wan", "4g").said(t, "shut, dial 4g")
}
