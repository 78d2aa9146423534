package dhcpsrv

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// The sizes of the two fields that can take options when the options field is
// full, without their END byte (RFC 2132 §9.3).
const (
	roomFile  = offCookie - offFile - 1
	roomSname = offFile - offSname - 1
)

// encode builds a reply. The library is not used for it: it sorts options by
// number, knows no size limit and no overload (S31, S33).
func encode(r *request, ciaddr, yiaddr netip.Addr, list []Option) []byte {
	b := make([]byte, offOptions, minPayload)
	b[0], b[1], b[offHlen] = 2, byte(r.msg.HWType), r.hlen
	copy(b[4:], r.msg.TransactionID[:])
	binary.BigEndian.PutUint16(b[10:], r.msg.Flags) // reserved bits as sent (N10)
	putAddr(b[12:], ciaddr)
	putAddr(b[16:], yiaddr)
	copy(b[28:], r.msg.ClientHWAddr)
	copy(b[offCookie:], []byte{99, 130, 83, 99})

	main, file, sname := layout(list, r.limit()-offOptions-1)
	b = append(append(b, main...), optEnd)
	if len(file) > 0 {
		copy(b[offFile:], append(file, optEnd))
	}
	if len(sname) > 0 {
		copy(b[offSname:], append(sname, optEnd))
	}
	if n := minPayload - len(b); n > 0 {
		b = append(b, make([]byte, n)...)
	}
	return b
}

func putAddr(b []byte, a netip.Addr) {
	if a.Is4() {
		v := a.As4()
		copy(b, v[:])
	}
}

// layout packs options, the most wanted first, into room bytes. Only when they
// do not fit, the file and sname fields are used as well, and only when that
// is not enough, options are dropped, the least wanted first (S33, N14).
func layout(list []Option, room int) (main, file, sname []byte) {
	if n := len(list); n > 0 && list[n-1].Code == 82 {
		last := appendOption(nil, list[n-1])
		if len(last) <= room {
			main, file, sname = layout(list[:n-1], room-len(last))
			return append(main, last...), file, sname
		}
		list = list[:n-1]
	}
	var all []byte
	for _, o := range list {
		all = appendOption(all, o)
	}
	if len(all) <= room {
		return all, nil, nil
	}
	room -= 3 // option 52 itself
	for _, o := range list {
		v := appendOption(nil, o)
		split := len(o.Value) > 255
		switch {
		case len(main)+len(v) <= room:
			main = append(main, v...)
		case !split && len(file)+len(v) <= roomFile:
			file = append(file, v...)
		case !split && len(sname)+len(v) <= roomSname:
			sname = append(sname, v...)
		}
	}
	var use byte
	if len(file) > 0 {
		use |= 1
	}
	if len(sname) > 0 {
		use |= 2
	}
	if use != 0 {
		// First of all, so that a reader knows early; 53 stays within reach.
		at := min(3, len(main))
		main = slices.Insert(main, at, optOverload, 1, use)
	}
	return main, file, sname
}

// appendOption writes an option, in pieces when it is longer than 255 bytes
// (RFC 3396 §5).
func appendOption(b []byte, o Option) []byte {
	v := o.Value
	for {
		n := min(len(v), 255)
		b = append(append(b, o.Code, byte(n)), v[:n]...)
		if v = v[n:]; len(v) == 0 {
			return b
		}
	}
}
