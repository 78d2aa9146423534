package modem

import (
	"slices"
	"time"
)

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
	i := slices.IndexFunc(j.waiting, func(w waiting) bool { return w.is(p) })
	if i < 0 {
		i = len(j.waiting)
		j.waiting = append(j.waiting, waiting{since: now})
	}
	w := &j.waiting[i]
	if !slices.Contains(w.slots, slot) {
		w.slots = append(w.slots, slot)
	}
	if indexSeq(w.parts, p.Seq) < 0 {
		w.parts = append(w.parts, p)
	}
	var list []Joined
	if len(w.parts) == p.Total {
		list = append(list, j.take(i))
	}
	return append(list, j.Expired(now)...)
}

// Expired returns the incomplete messages that have waited too long, or are
// too many. Missing parts show as "…".
func (j *Joiner) Expired(now time.Time) []Joined {
	var list []Joined
	for len(j.waiting) > 0 {
		oldest := 0
		for i, w := range j.waiting {
			if w.since.Before(j.waiting[oldest].since) {
				oldest = i
			}
		}
		late := now.Sub(j.waiting[oldest].since) >= maxWait
		if !late && len(j.waiting) <= maxWaiting && j.Waiting() <= j.room() {
			break
		}
		list = append(list, j.take(oldest))
	}
	return list
}

func (j *Joiner) room() int {
	if j.Room > 0 {
		return j.Room
	}
	return maxSlots
}

// Waiting is the number of parts that wait on the card.
func (j *Joiner) Waiting() int {
	n := 0
	for _, w := range j.waiting {
		n += len(w.slots)
	}
	return n
}

// take removes a message and joins it.
func (j *Joiner) take(i int) Joined {
	w := j.waiting[i]
	j.waiting = slices.Delete(j.waiting, i, i+1)
	return Joined{SMS: join(w.parts), Slots: w.slots}
}

// is reports whether the part belongs to the message: another text in the same
// place is another message, of which the reference came round again.
func (w waiting) is(p Part) bool {
	q := w.parts[0]
	if q.From != p.From || q.Ref != p.Ref || q.Total != p.Total {
		return false
	}
	i := indexSeq(w.parts, p.Seq)
	return i < 0 || w.parts[i].same(p)
}
