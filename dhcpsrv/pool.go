package dhcpsrv

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"net/netip"
)

// maxPool bounds the memory that a configuration can ask for: a /16.
const maxPool = 1 << 16

// pool is a range of addresses and which of them may not be handed out at
// present: taken by a binding or an offer, or excluded for good.
type pool struct {
	first uint32
	size  int
	taken []uint64 // one bit per address
	never []uint64 // excluded by configuration
}

func newPool(start, end netip.Addr) pool {
	if !start.Is4() || !end.Is4() || end.Less(start) {
		return pool{}
	}
	n := min(int64(number(end))-int64(number(start))+1, maxPool)
	words := (n + 63) / 64
	return pool{first: number(start), size: int(n), taken: make([]uint64, words), never: make([]uint64, words)}
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func address(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// all are the addresses of the range, excluded ones too.
func (p *pool) all() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for i := range p.size {
			if !yield(address(p.first + uint32(i))) {
				return
			}
		}
	}
}

// index is the position of a in the range, -1 if it is outside.
func (p *pool) index(a netip.Addr) int {
	if !a.Is4() || number(a) < p.first || number(a)-p.first >= uint32(p.size) {
		return -1
	}
	return int(number(a) - p.first)
}

// has reports whether a is for dynamic clients.
func (p *pool) has(a netip.Addr) bool {
	i := p.index(a)
	return i >= 0 && p.never[i/64]&(1<<(i%64)) == 0
}

func (p *pool) exclude(a netip.Addr) {
	if i := p.index(a); i >= 0 {
		p.never[i/64] |= 1 << (i % 64)
	}
}

// set notes whether a is taken; an address outside of the range is ignored.
func (p *pool) set(a netip.Addr, taken bool) {
	i := p.index(a)
	switch {
	case i < 0:
	case taken:
		p.taken[i/64] |= 1 << (i % 64)
	default:
		p.taken[i/64] &^= 1 << (i % 64)
	}
}

// next returns the first free address at or after position from, wrapping
// round; ok is false when there is none.
func (p *pool) next(from int) (a netip.Addr, ok bool) {
	if p.size == 0 {
		return a, false
	}
	words := len(p.taken)
	start := from / 64
	for i := range words + 1 {
		w := (start + i) % words
		open := ^(p.taken[w] | p.never[w])
		if i == 0 {
			open &= ^uint64(0) << (from % 64)
		}
		if w == words-1 && p.size%64 != 0 {
			open &= 1<<(p.size%64) - 1
		}
		if open != 0 {
			return address(p.first + uint32(w*64+bits.TrailingZeros64(open))), true
		}
	}
	return a, false
}

// capacity is the number of addresses for dynamic clients.
func (p *pool) capacity() int {
	n := p.size
	for _, w := range p.never {
		n -= bits.OnesCount64(w)
	}
	return n
}

// hash spreads keys over the pool: the same client lands on the same address
// even when every record of it is lost, so that adoption is seldom needed. It
// is FNV-1a with a final mix, written out because its value is kept for years:
// it must not change with a library.
func hash(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}
