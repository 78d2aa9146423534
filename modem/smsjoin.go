package modem

import "time"

// Joiner puts the parts of long messages together. What waits for its other
// parts stays on the card as well, so a restart loses nothing. The zero Joiner is ready.
type Joiner struct {
	Room    int // parts that may wait on the card; 0: maxSlots
	waiting []waiting
}

// Joined is a whole message, and where its parts lie: they are deleted once
// the message is kept.
type Joined struct {
	SMS   SMS
	Slots []int
}

type waiting struct {
	since time.Time // the first part was read
	parts []Part
	slots []int
}

// Bounds of what waits for its other parts. A part that is a day late does not
// come; ten slots are what the smallest card has.
const (
	maxWait    = 24 * time.Hour
	maxWaiting = 8 // messages
	maxSlots   = 8 // parts of all messages, of the 10 that fit on the smallest card
)

// Add takes a part that was read from a slot, and returns the messages that
// are to be kept now: the one that has become whole, and the oldest, incomplete, where too many
// parts would stay on the card. The same slot counts once.
func (j *Joiner) Add(now time.Time, slot int, p Part) []Joined {
	if p.Total <= 1 {
		return []Joined{{SMS: join([]Part{p}), Slots: []int{slot}}}
	}
	w := j.find(p)
	if w == nil {
		j.waiting = append(j.waiting, waiting{since: now})
		w = &j.waiting[len(j.waiting)-1]
	}
	if !w.has(slot) {
		w.slots = append(w.slots, slot)
	}
	if indexSeq(w.parts, p.Seq) < 0 {
		w.parts = append(w.parts, p)
	}
	if len(w.parts) == p.Total {
		return append(j.take(func(v waiting) bool { return v.is(p) }), j.Expired(now)...)
	}
	return j.Expired(now)
}

// Expired returns the incomplete messages that have waited too long, or are
// too many. Missing parts show as "…".
func (j *Joiner) Expired(now time.Time) []Joined {
	list := j.take(func(w waiting) bool { return now.Sub(w.since) >= maxWait })
	for len(j.waiting) > maxWaiting || len(j.waiting) > 0 && j.slots() > j.room() {
		oldest := 0
		for i, w := range j.waiting {
			if w.since.Before(j.waiting[oldest].since) {
				oldest = i
			}
		}
		n := 0
		list = append(list, j.take(func(waiting) bool { n++; return n-1 == oldest })...)
	}
	return list
}

func (j *Joiner) room() int {
	if j.Room > 0 {
		return j.Room
	}
	return maxSlots
}

// Waiting is the number of parts that wait.
func (j *Joiner) Waiting() int { return j.slots() }

func (j *Joiner) slots() int {
	n := 0
	for _, w := range j.waiting {
		n += len(w.slots)
	}
	return n
}

// take removes the messages that are wanted and returns them joined.
func (j *Joiner) take(wanted func(waiting) bool) []Joined {
	var list []Joined
	var rest []waiting
	for _, w := range j.waiting {
		if wanted(w) {
			list = append(list, Joined{SMS: join(w.parts), Slots: w.slots})
			continue
		}
		rest = append(rest, w)
	}
	j.waiting = rest
	return list
}

// find returns the message that the part belongs to: another text in the same
// place is another message with a reference that came round again.
func (j *Joiner) find(p Part) *waiting {
	for i := range j.waiting {
		if w := &j.waiting[i]; w.is(p) {
			return w
		}
	}
	return nil
}

func (w waiting) is(p Part) bool {
	q := w.parts[0]
	if q.From != p.From || q.Ref != p.Ref || q.Total != p.Total {
		return false
	}
	i := indexSeq(w.parts, p.Seq)
	return i < 0 || w.parts[i].same(p)
}

func (w waiting) has(slot int) bool {
	for _, s := range w.slots {
		if s == slot {
			return true
		}
	}
	return false
}
