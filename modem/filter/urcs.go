package filter

import (
	"slices"

	"luatnetd/modem"
)

// MaxURCs is how many unsolicited codes may wait.
const MaxURCs = 64

// URCs is a bounded queue of unsolicited codes, in their order. When it is full
// the newest value of a prefix takes the place of an older one and counts it, so
// that a storm of one prefix costs no other. The zero value is empty.
type URCs struct {
	Lost int // codes that were dropped because MaxURCs prefixes waited
	list []modem.URC
}

// Put adds a code.
func (q *URCs) Put(u modem.URC) {
	if len(q.list) >= MaxURCs {
		q.makeRoom(&u)
	}
	q.list = append(q.list, u)
}

func (q *URCs) makeRoom(u *modem.URC) {
	if i := slices.IndexFunc(q.list, func(o modem.URC) bool { return alike(o, *u) }); i >= 0 {
		u.Count += q.list[i].Count
		q.list = slices.Delete(q.list, i, i+1)
		return
	}
	for i, old := range q.list {
		j := slices.IndexFunc(q.list[i+1:], func(o modem.URC) bool { return alike(o, old) })
		if j >= 0 {
			q.list[i+1+j].Count += old.Count
			q.list = slices.Delete(q.list, i, i+1)
			return
		}
	}
	q.Lost += q.list[0].Count
	q.list = slices.Delete(q.list, 0, 1)
}

func alike(a, b modem.URC) bool {
	return a.Prefix == b.Prefix && (a.Prefix != "" || a.Line == b.Line)
}

// Take removes the oldest.
func (q *URCs) Take() (modem.URC, bool) {
	if len(q.list) == 0 {
		return modem.URC{}, false
	}
	u := q.list[0]
	q.list = slices.Delete(q.list, 0, 1)
	return u, true
}
