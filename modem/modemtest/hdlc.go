package modemtest

import "bytes"

// HDLC-like framing of PPP on asynchronous links (RFC 1662).
const (
	frameFlag   = 0x7e
	frameEscape = 0x7d
)

// fcs is the 16 bit frame check sequence (RFC 1662 §C.2), bit by bit.
func fcs(b []byte) uint16 {
	crc := uint16(0xffff)
	for _, ch := range b {
		crc ^= uint16(ch)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0x8408
			} else {
				crc >>= 1
			}
		}
	}
	return ^crc
}

// pppFrame is a packet of that protocol on the wire, every control character escaped.
func pppFrame(protocol uint16, body []byte) []byte {
	raw := append([]byte{0xff, 0x03, byte(protocol >> 8), byte(protocol)}, body...)
	sum := fcs(raw)
	raw = append(raw, byte(sum), byte(sum>>8))
	out := []byte{frameFlag}
	for _, ch := range raw {
		if ch < 0x20 || ch == frameFlag || ch == frameEscape {
			out = append(out, frameEscape, ch^0x20)
			continue
		}
		out = append(out, ch)
	}
	return append(out, frameFlag)
}

// pppFrames takes whole frames out of rest and returns protocol and body of
// those whose check sequence is right.
func pppFrames(rest []byte, each func(protocol uint16, body []byte)) []byte {
	for {
		start := bytes.IndexByte(rest, frameFlag)
		if start < 0 {
			return nil
		}
		end := bytes.IndexByte(rest[start+1:], frameFlag)
		if end < 0 {
			return rest[start:]
		}
		if protocol, body, ok := unframe(rest[start+1 : start+1+end]); ok {
			each(protocol, body)
		}
		rest = rest[start+1+end:]
	}
}

// unframe takes the escapes off and checks.
func unframe(b []byte) (protocol uint16, body []byte, ok bool) {
	var raw []byte
	for i := 0; i < len(b); i++ {
		ch := b[i]
		if ch == frameEscape && i+1 < len(b) {
			i++
			ch = b[i] ^ 0x20
		}
		raw = append(raw, ch)
	}
	if len(raw) < 5 {
		return 0, nil, false
	}
	n := len(raw) - 2
	if fcs(raw[:n]) != uint16(raw[n])|uint16(raw[n+1])<<8 {
		return 0, nil, false
	}
	raw = raw[:n]
	if raw[0] == 0xff && raw[1] == 0x03 {
		raw = raw[2:]
	}
	if raw[0]&1 == 1 { // compressed protocol field
		return uint16(raw[0]), raw[1:], true
	}
	if len(raw) < 2 {
		return 0, nil, false
	}
	return uint16(raw[0])<<8 | uint16(raw[1]), raw[2:], true
}
