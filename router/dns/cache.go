package dns

import (
	"bytes"
	"time"
)

// Bounds of the cache.
const (
	maxCached  = 8 << 10        // bytes of one message; rarer than they are big
	entryExtra = 256            // bytes that an entry costs beside message and key
	staleKeep  = 24 * time.Hour // RFC 8767 §5; without a limit dead names live for weeks
)

// Flags in a key. The last three bytes of a key are flags and scope.
const (
	keyDO        = 1 << iota // RFC 4035 §3.2.1: DNSSEC records only to who asks for them
	keyCD                    // RFC 4035 §3.2.2: may be unvalidated
	keyNoRD                  // never cached; keeps flights apart
	keyFailed    = 1 << 7    // remembers a failure beside the answers
	keyTail      = 7         // type, class, flags, scope
	keyTypeAt    = 7         // from the end
	keyFlagsAt   = 3
	keyScopeAt   = 2
	keyAllTypes  = 0 // RFC 2308 §5: NXDOMAIN holds for every type
	failedFirst  = time.Second
	failedMost   = 5 * time.Second  // RFC 9520 §3.2 allows 5 min; uplinks come back sooner
	failedRetry  = 30 * time.Second // RFC 8767 §5, while a stale answer helps out
	entriesFirst = 64
)

// appendKey appends the cache key of a question: name in lower case, type,
// class, flags, scope of the uplink.
func appendKey(b []byte, q *question, name []byte, scope uint16) []byte {
	flags := byte(0)
	if q.do {
		flags |= keyDO
	}
	if q.flags&flagCD != 0 {
		flags |= keyCD
	}
	if q.flags&flagRD == 0 {
		flags |= keyNoRD
	}
	b = append16(append16(append(b, name...), q.typ), q.class)
	return append16(append(b, flags), scope)
}

// entry is one cached answer, or one failure.
type entry struct {
	key      string
	answer   answer
	stored   time.Time
	expire   time.Time // fresh until then; for a failure: hold until then
	negative bool
	epoch    uint32 // negative answers and failures end with an uplink change
	failures uint8

	older, newer *entry
}

func (e *entry) size() int { return len(e.key) + len(e.answer.msg) + 2*len(e.answer.ttls) + entryExtra }

// cache keeps answers in wire form, the least recently used go first.
type cache struct {
	limit   int // bytes
	used    int
	epoch   uint32
	entries map[string]*entry
	ends    entry // ends.newer is the oldest, ends.older the newest

	evicted uint64
}

func newCache(limit int) *cache {
	c := &cache{limit: limit, entries: make(map[string]*entry, entriesFirst)}
	c.ends.newer, c.ends.older = &c.ends, &c.ends
	return c
}

// fresh returns the answer for key that may still be used, nil for none.
func (c *cache) fresh(now time.Time, key []byte) *entry {
	if e := c.live(now, c.entries[string(key)]); e != nil {
		return e
	}
	typ := [2]byte(key[len(key)-keyTypeAt:])
	put16(key, len(key)-keyTypeAt, keyAllTypes)
	e := c.live(now, c.entries[string(key)])
	copy(key[len(key)-keyTypeAt:], typ[:])
	return e
}

func (c *cache) live(now time.Time, e *entry) *entry {
	if e == nil || !now.Before(e.expire) || (e.negative && e.epoch != c.epoch) {
		return nil
	}
	c.touch(e)
	return e
}

// stale returns a positive answer for key that is no longer fresh, of the same
// scope or else the youngest of the others. A newer NXDOMAIN rules it out.
func (c *cache) stale(now time.Time, key []byte, scopes uint16) *entry {
	at := len(key) - keyScopeAt
	own := u16(key, at)
	defer put16(key, at, own)
	var best *entry
	for scope := range scopes + 1 {
		put16(key, at, scope)
		e := c.staleIn(now, key)
		if e == nil || (scope != own && bytes.HasPrefix(key, ipv4only)) {
			continue // RFC 7050 §3: another uplink's prefix is of no use
		}
		if scope == own {
			return e
		}
		if best == nil || e.stored.After(best.stored) {
			best = e
		}
	}
	return best
}

var ipv4only = []byte(mustName("ipv4only.arpa"))

func (c *cache) staleIn(now time.Time, key []byte) *entry {
	e := c.entries[string(key)]
	if e == nil || e.negative || now.Sub(e.expire) > staleKeep {
		return nil
	}
	typ := [2]byte(key[len(key)-keyTypeAt:])
	put16(key, len(key)-keyTypeAt, keyAllTypes)
	gone := c.entries[string(key)]
	copy(key[len(key)-keyTypeAt:], typ[:])
	if gone != nil && gone.stored.After(e.stored) {
		return nil
	}
	return e
}

// put stores an answer for ttl seconds.
func (c *cache) put(now time.Time, key []byte, a answer, ttl uint32) {
	if ttl == 0 || len(a.msg) > maxCached || key[len(key)-keyFlagsAt]&keyNoRD != 0 {
		return
	}
	e := &entry{
		key: string(key), answer: a, stored: now, negative: a.negative(), epoch: c.epoch,
		expire: now.Add(time.Duration(ttl) * time.Second),
	}
	k := []byte(e.key)
	put16(k, len(k)-keyTypeAt, keyAllTypes)
	if a.rcode() == rcodeNXDomain {
		c.drop(c.entries[e.key])
		e.key = string(k)
	} else {
		c.drop(c.entries[string(k)]) // the name exists after all
	}
	c.insert(e)
	c.drop(c.entries[c.failedKey(key)])
}

// failed remembers that nobody answered, longer each time, and for failedRetry
// when there is a stale answer to give meanwhile.
func (c *cache) failed(now time.Time, key []byte, helped bool) {
	e := &entry{key: c.failedKey(key), stored: now, negative: true, epoch: c.epoch, failures: 1}
	if old := c.entries[e.key]; old != nil && old.epoch == c.epoch && now.Sub(old.expire) < failedRetry {
		e.failures = min(old.failures+1, 8)
	}
	hold := min(failedFirst<<(e.failures-1), failedMost)
	if helped {
		hold = failedRetry
	}
	e.expire = now.Add(hold)
	c.insert(e)
}

// holding reports whether the question failed so lately that it is not to be
// asked again.
func (c *cache) holding(now time.Time, key []byte) bool {
	return c.live(now, c.entries[c.failedKey(key)]) != nil
}

func (c *cache) failedKey(key []byte) string {
	k := append(make([]byte, 0, maxName+keyTail), key...)
	k[len(k)-keyFlagsAt] |= keyFailed
	return string(k)
}

func (c *cache) insert(e *entry) {
	c.drop(c.entries[e.key])
	c.entries[e.key] = e
	c.used += e.size()
	c.link(e)
	for c.used > c.limit && c.ends.newer != &c.ends {
		c.drop(c.ends.newer)
		c.evicted++
	}
}

func (c *cache) drop(e *entry) {
	if e == nil {
		return
	}
	delete(c.entries, e.key)
	c.used -= e.size()
	c.unlink(e)
}

func (c *cache) touch(e *entry) {
	c.unlink(e)
	c.link(e)
}

func (c *cache) unlink(e *entry) { e.older.newer, e.newer.older = e.newer, e.older }

func (c *cache) link(e *entry) {
	e.older, e.newer = c.ends.older, &c.ends
	e.older.newer, c.ends.older = e, e
}
