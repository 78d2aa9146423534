package dns

import (
	"fmt"
	"net/netip"
	"strings"
)

// lower appends name to b in lower case. Length bytes are below 64 and so are
// no letters: the whole name can be treated alike (RFC 4343 §3).
func lower(b, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// wireName turns a name of a configuration or lease into lower-case wire form.
// A final dot is allowed; escapes are not.
func wireName(s string) (string, error) {
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	var b []byte
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return "", fmt.Errorf("name %q: labels have 1 to 63 bytes", s)
		}
		b = append(append(b, byte(len(label))), label...)
	}
	if len(b)+1 > maxName {
		return "", fmt.Errorf("name %q: longer than 253 bytes", s)
	}
	return string(append(b, 0)), nil
}

// mustName is wireName for names that are constants of this package.
func mustName(s string) string {
	w, err := wireName(s)
	if err != nil {
		panic(err)
	}
	return w
}

// labels holds the offset of every label of one name.
type labels struct {
	at [maxName/2 + 1]uint8
	n  int
}

// split finds the labels of an uncompressed name.
func (l *labels) split(name []byte) {
	l.n = 0
	for off := 0; name[off] != 0; off += int(name[off]) + 1 {
		l.at[l.n] = uint8(off)
		l.n++
	}
}

// tail returns the last n labels of name with the root.
func (l *labels) tail(name []byte, n int) []byte {
	if n >= l.n {
		return name
	}
	return name[l.at[l.n-n]:]
}

// reverse reads a name below in-addr.arpa or ip6.arpa (RFC 1035 §3.5,
// RFC 3596 §2.5). A name with fewer labels stands for a whole prefix.
func reverse(name []byte, l *labels) (netip.Prefix, bool) {
	if l.n < 3 {
		return netip.Prefix{}, false
	}
	switch string(l.tail(name, 2)) {
	case zoneInAddr:
		return reverse4(name, l)
	case zoneIP6:
		return reverse6(name, l)
	}
	return netip.Prefix{}, false
}

var (
	zoneInAddr = mustName("in-addr.arpa")
	zoneIP6    = mustName("ip6.arpa")
)

func reverse4(name []byte, l *labels) (netip.Prefix, bool) {
	var a [4]byte
	n := l.n - 2
	if n > len(a) {
		return netip.Prefix{}, false
	}
	for i := range n {
		label := name[l.at[n-1-i]:]
		v, digits := 0, label[1:1+label[0]]
		if len(digits) > 3 || (len(digits) > 1 && digits[0] == '0') {
			return netip.Prefix{}, false
		}
		for _, c := range digits {
			if c < '0' || c > '9' {
				return netip.Prefix{}, false
			}
			v = v*10 + int(c-'0')
		}
		if v > 255 {
			return netip.Prefix{}, false
		}
		a[i] = byte(v)
	}
	return netip.PrefixFrom(netip.AddrFrom4(a), 8*n), true
}

func reverse6(name []byte, l *labels) (netip.Prefix, bool) {
	var a [16]byte
	n := l.n - 2
	if n > 2*len(a) {
		return netip.Prefix{}, false
	}
	for i := range n {
		label := name[l.at[n-1-i]:]
		v := strings.IndexByte("0123456789abcdef", label[1])
		if label[0] != 1 || v < 0 {
			return netip.Prefix{}, false
		}
		a[i/2] |= byte(v) << (4 * (1 - i%2))
	}
	return netip.PrefixFrom(netip.AddrFrom16(a), 4*n), true
}
