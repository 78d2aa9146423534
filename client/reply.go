package client

import (
	"bytes"
	"fmt"
	"strconv"
)

// ReplyPattern recognises the answer to a message.
type ReplyPattern struct {
	head, tail []byte
	any        bool
	id         bool
}

// ParseReply reads a pattern such as "ack {id}" or "OK". The empty pattern is
// any answer, which only works with one message outstanding. {id} may stand
// once; what is around it must be in the answer as written.
func ParseReply(text string) (ReplyPattern, error) {
	if text == "" {
		return ReplyPattern{any: true}, nil
	}
	t, err := ParseTemplate(text)
	if err != nil {
		return ReplyPattern{}, err
	}
	switch {
	case len(t.parts) == 1:
		return ReplyPattern{head: []byte(t.parts[0])}, nil
	case len(t.parts) == 3 && t.parts[1] == "id":
		return ReplyPattern{head: []byte(t.parts[0]), tail: []byte(t.parts[2]), id: true}, nil
	default:
		return ReplyPattern{}, fmt.Errorf("%q: a reply pattern may hold {id} once and no other placeholder", text)
	}
}

// Equal reports whether two patterns recognise the same answers.
func (p ReplyPattern) Equal(o ReplyPattern) bool {
	return bytes.Equal(p.head, o.head) && bytes.Equal(p.tail, o.tail) && p.any == o.any && p.id == o.id
}

// Single reports whether the pattern cannot tell two messages apart, so that
// only one may be outstanding.
func (p ReplyPattern) Single() bool { return !p.id }

// Match reports whether frame is an answer, and to which id (0 where the
// pattern has none).
func (p ReplyPattern) Match(frame []byte) (id uint64, ok bool) {
	switch {
	case p.any:
		return 0, len(frame) > 0
	case !p.id:
		return 0, bytes.Contains(frame, p.head)
	}
	for from := 0; ; {
		i := bytes.Index(frame[from:], p.head)
		if i < 0 {
			return 0, false
		}
		start := from + i + len(p.head)
		end := start
		for end < len(frame) && frame[end] >= '0' && frame[end] <= '9' {
			end++
		}
		inside := len(p.head) == 0 && start > 0 && frame[start-1] >= '0' && frame[start-1] <= '9' // a part of a number
		if end > start && !inside && bytes.HasPrefix(frame[end:], p.tail) {
			if id, err := strconv.ParseUint(string(frame[start:end]), 10, 64); err == nil {
				return id, true
			}
		}
		if from = from + i + 1; from >= len(frame) {
			return 0, false
		}
	}
}
