package client

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Room says what may be read from the queue now: at most so many messages of
// together about so many bytes, after the given one. No message: not now.
func (s *Session) Room() (after uint64, messages, size int) {
	if s.cur == nil || s.settling() || s.stopped {
		return s.cursor, 0, 0 // not online, or settling
	}
	open, used := s.win.open()
	messages, size = s.p.WindowMessages-open, s.p.WindowBytes-used
	if s.p.Confirmed == ByReply && s.p.Reply.Single() {
		messages = 1 - open
	}
	if messages <= 0 || size <= 0 {
		return s.cursor, 0, 0
	}
	return s.cursor, messages, size
}

// Offer hands messages of the queue to the wire, in order.
func (s *Session) Offer(now time.Time, list []Message) []Order {
	var writes []Write
	for i := range list {
		m := &list[i]
		if m.Seq <= s.cursor || s.cur == nil {
			continue
		}
		s.cursor = m.Seq
		if s.win.ahead[m.Seq] {
			s.over(m.Seq)
			continue
		}
		wire, err := s.wire(m)
		if err != nil {
			s.over(m.Seq)
			s.order(Order{Do: OrderConfirm, Seq: m.Seq, Result: Result{Reason: err.Error()}})
			continue
		}
		f := s.launch(now, wire)
		f.seq, f.id = m.Seq, m.ID
		if s.p.Confirmed == ByReply {
			f.again, f.bytes = now.Add(s.p.ReplyWait), wire
		}
		w := Write{Token: f.token, Seq: m.Seq, Bytes: wire}
		if s.p.RegisterEach {
			w.Hide = len(wire) - len(m.Data)
		}
		writes = append(writes, w)
		s.count.Sent++
		s.count.SentBytes += uint64(len(m.Data))
	}
	if len(writes) > 0 {
		s.cur.sent = now
		s.order(Order{Do: OrderSend, Link: s.cur.link, Writes: writes})
	}
	s.finish()
	return s.orders()
}

// wire is a message as it goes on the wire.
func (s *Session) wire(m *Message) ([]byte, error) {
	var body []byte
	if s.p.RegisterEach {
		body = s.p.Register.Fill(s.values, m.ID)
	}
	if s.p.Prefix {
		body = append(body, SendPrefix(m.Source)...)
	}
	return s.p.Send.Frame(nil, append(body, m.Data...))
}

// over puts a message that has its result already into the window, in its turn.
func (s *Session) over(seq uint64) {
	s.tokens++
	s.win.list = append(s.win.list, &flight{seq: seq, token: s.tokens, done: true})
}

func (s *Session) launch(now time.Time, wire []byte) *flight {
	s.tokens++
	f := &flight{token: s.tokens, size: len(wire), at: now}
	s.win.list = append(s.win.list, f)
	return f
}

// extra sends a heartbeat or registration: it takes part in the window, so that
// a dead peer is noticed by it, too.
func (s *Session) extra(now time.Time, t Template) {
	s.cur.sent = now // even where there is nothing to say: the next one is due later
	body := t.Fill(s.values, 0)
	wire, err := s.p.Send.Frame(nil, body)
	if err != nil || len(body) == 0 {
		return
	}
	f := s.launch(now, wire)
	s.order(Order{Do: OrderSend, Link: s.cur.link, Writes: []Write{{Token: f.token, Bytes: wire, Hide: len(wire)}}})
}

// again sends what was not answered in time once more, under the same id.
// Where an answer does not name its message, a second copy on the same session
// would confirm the next one: then the session ends instead, and the message is
// sent again on a new one.
func (s *Session) again(now time.Time) {
	for _, f := range s.win.list {
		if f.done || f.again.IsZero() || now.Before(f.again) {
			continue
		}
		if s.p.Reply.Single() {
			s.lose(now, Cause{Code: CodeTimeout, Text: fmt.Sprintf("the server did not answer within %v", s.p.ReplyWait)}, true)
			return
		}
		f.again = now.Add(s.p.ReplyWait)
		s.count.Resent++
		s.cur.sent = now
		s.order(Order{Do: OrderSend, Link: s.cur.link, Writes: []Write{{Token: f.token, Seq: f.seq, Bytes: f.bytes}}})
	}
}

// Wrote tells that a write is with the kernel, and how far the wire is.
func (s *Session) Wrote(now time.Time, link int, token, end uint64) []Order {
	if s.cur == nil || s.cur.link != link {
		return nil
	}
	i, ok := slices.BinarySearchFunc(s.win.list, token, func(f *flight, t uint64) int {
		return cmp.Compare(f.token, t)
	})
	if !ok {
		return nil
	}
	f := s.win.list[i]
	f.written, f.end = true, end
	if s.p.Confirmed == Handed || s.p.Datagrams && f.seq == 0 {
		s.confirm(f, false)
		s.finish()
		s.settled(now)
	}
	return s.orders()
}

// Waiting reports on which link acknowledgements are worth asking for; false:
// nothing is in flight that they could confirm.
func (s *Session) Waiting() (link int, ok bool) {
	if s.cur == nil {
		return 0, false
	}
	for _, f := range s.win.list {
		if !f.done && f.written && (s.p.Confirmed != ByReply || f.seq == 0) {
			return s.cur.link, true
		}
	}
	return 0, false
}

// Acked tells up to which offset the other end's TCP has acknowledged.
func (s *Session) Acked(now time.Time, link int, offset uint64) []Order {
	if s.cur == nil || s.cur.link != link {
		return nil
	}
	if offset > s.win.acked {
		s.win.acked, s.win.moved = offset, now
	}
	for _, f := range s.win.list {
		if f.written && f.end > offset {
			break // offsets grow
		}
		if !f.done && f.written && (s.p.Confirmed != ByReply || f.seq == 0) {
			s.confirm(f, true)
		}
	}
	s.finish()
	s.settled(now)
	return s.orders()
}

// confirm gives a flight its result. proof says that the other end is there.
func (s *Session) confirm(f *flight, proof bool) {
	f.done, f.bytes = true, nil
	if f.seq != 0 {
		s.count.Confirmed++
		s.order(Order{Do: OrderConfirm, Seq: f.seq, Result: Result{OK: true}})
	}
	if proof {
		s.proven()
	}
}

// proven notes that the network carried something both ways.
func (s *Session) proven() {
	s.cur.proven, s.failures = true, 0
	if !slices.ContainsFunc(s.out, func(o Order) bool { return o.Do == OrderFeed }) {
		s.order(Order{Do: OrderFeed})
	}
}

func (s *Session) finish() {
	if s.win.settle() {
		s.order(Order{Do: OrderDone, Seq: s.win.done})
	}
}

// Received tells what came in. Data is not kept.
func (s *Session) Received(now time.Time, link int, data []byte) []Order {
	if s.cur == nil || s.cur.link != link || len(data) == 0 {
		return s.aside(now, link, data)
	}
	s.count.ReceivedBytes += uint64(len(data))
	s.proven()
	for _, frame := range s.cur.cut.Add(now, data) {
		s.frame(now, frame)
	}
	s.finish()
	s.settled(now)
	return s.orders()
}

// aside takes what comes in on a session that does not carry the traffic yet,
// or no longer: it is delivered like the rest.
func (s *Session) aside(now time.Time, link int, data []byte) []Order {
	l := s.closing[link]
	if s.settling() && s.next.link == link {
		l = s.next
	}
	if l == nil || len(data) == 0 {
		return nil
	}
	s.count.ReceivedBytes += uint64(len(data))
	l.proven = true
	s.order(Order{Do: OrderFeed})
	for _, frame := range l.cut.Add(now, data) {
		if _, ok := s.p.Reply.Match(frame); ok && s.p.Confirmed == ByReply && !s.p.Reply.any {
			continue // an acknowledgement that comes too late: the message is sent again
		}
		s.order(Order{Do: OrderDeliver, Data: frame})
	}
	return s.orders()
}

// frame takes one whole message of the server.
func (s *Session) frame(now time.Time, frame []byte) {
	if e := s.p.HeartbeatExpect; len(e) > 0 && !s.cur.expect.IsZero() && bytes.Contains(frame, e) {
		s.cur.expect = time.Time{}
		return
	}
	if s.p.Confirmed == ByReply {
		if id, ok := s.p.Reply.Match(frame); ok && s.answered(now, id) && !s.p.Reply.any {
			return // an acknowledgement is not for the serial port
		}
	}
	s.order(Order{Do: OrderDeliver, Data: frame})
}

// answered confirms the message that an answer belongs to; false: it belongs to none.
func (s *Session) answered(now time.Time, id uint64) bool {
	for _, f := range s.win.list {
		if !f.done && f.seq != 0 && (s.p.Reply.Single() || f.id == id) {
			s.win.moved = now
			s.confirm(f, true)
			return true
		}
	}
	return !s.p.Reply.Single() // a late second answer to the same id is no news either
}
