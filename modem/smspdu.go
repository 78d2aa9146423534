package modem

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/warthog618/sms/encoding/gsm7"
	"github.com/warthog618/sms/encoding/tpdu"
	"github.com/warthog618/sms/encoding/ucs2"
)

// Part is one received PDU: a short message, or a piece of a long one. A
// Joiner makes an SMS of parts.
type Part struct {
	From  string // telephone number or name
	At    time.Time
	Ref   int // of a long message; parts of one have the same From, Ref and Total
	Total int // 1 for a short message
	Seq   int // from 1 on

	Report bool // a status report: the message with reference Ref has the status
	Status int  // TS 23.040 §9.2.3.15: below 32 delivered, from 64 on given up

	alphabet tpdu.Alphabet
	data     []byte // septets, UCS2 or octets
	raw      string // of a PDU that could not be read
}

// maxPDU bounds a PDU, in hexadecimal digits: 12 octets of SMSC and 164 of TPDU, and as much again.
const maxPDU = 704

// Bits of the first octet of a TPDU (TS 23.040 §9.2.3).
const (
	messageType  = 0x03
	typeDeliver  = 0x00
	typeReport   = 0x02
	typeSubmit   = 0x01
	headerFollow = 0x40
)

var errCut = errors.New("short message: the PDU is cut")

// DecodePDU reads a PDU as +CMGR, +CMGL and +CMT show it: hexadecimal, with the
// address of the service centre before it. A PDU that cannot be read gives an error and
// a Part that shows it as it is: it has to leave the card as any other.
//
// The library codes addresses, times and alphabets. The frame around them is
// ours: its codec of all six kinds of PDU, and its tables of thirteen national alphabets, weigh
// 100 kB on MIPS. Messages in these alphabets show with letters of the default one.
func DecodePDU(text string) (Part, error) {
	text = strings.TrimSpace(text)
	broken := Part{Total: 1, Seq: 1, raw: printable(text, maxPDU)}
	b, err := hex.DecodeString(text)
	if err != nil || len(text) > maxPDU {
		return broken, errors.New("short message: not a PDU")
	}
	if len(b) < 1 || len(b) < 2+int(b[0]) {
		return broken, errCut
	}
	b = b[1+int(b[0]):]
	p := Part{Total: 1, Seq: 1}
	switch b[0] & messageType {
	case typeDeliver:
		err = p.deliver(b[0]&headerFollow != 0, b[1:])
	case typeReport:
		err = p.report(b[1:])
	default:
		err = errors.New("short message: neither a message nor a status report")
	}
	if err != nil {
		return broken, err
	}
	return p, nil
}

// deliver reads what follows the first octet of SMS-DELIVER (TS 23.040
// §9.2.2.1): address, PID, DCS, seven octets of time, length, header, text.
func (p *Part) deliver(header bool, b []byte) error {
	var a tpdu.Address
	n, err := a.UnmarshalBinary(b)
	if err != nil {
		return fmt.Errorf("short message: %w", err)
	}
	if b = b[n:]; len(b) < 10 {
		return errCut
	}
	p.From, p.At = a.Number(), timeOf(b[2:9])
	if p.alphabet, err = tpdu.DCS(b[1]).Alphabet(); err != nil {
		p.alphabet = tpdu.Alpha7Bit // a reserved coding group is treated so, TS 23.038 §4
	}
	return p.userData(header, int(b[9]), b[10:])
}

// userData reads header and text; length is in septets or octets.
func (p *Part) userData(header bool, length int, b []byte) error {
	octets := length
	if p.alphabet == tpdu.Alpha7Bit {
		octets = (length*7 + 7) / 8
	}
	if len(b) < octets {
		return errCut
	}
	b = b[:octets]
	udhl := 0 // with the octet that says it
	if header {
		var h tpdu.UserDataHeader
		var err error
		if udhl, err = h.UnmarshalBinary(b); err != nil || udhl > len(b) {
			return errCut
		}
		if total, seq, ref, ok := h.ConcatInfo(); ok && total > 1 && seq >= 1 && seq <= total {
			p.Total, p.Seq, p.Ref = total, seq, ref
		}
	}
	p.data = b[udhl:]
	if p.alphabet == tpdu.Alpha7Bit {
		want := length - (udhl*8+6)/7
		p.data = gsm7.Unpack7Bit(p.data, fillBits(udhl))
		p.data = p.data[:max(0, min(want, len(p.data)))]
	}
	return nil
}

// fillBits are what fills up a header to septets.
func fillBits(udhl int) int { return (7 - udhl%7) % 7 }

// report reads what follows the first octet of SMS-STATUS-REPORT (TS 23.040
// §9.2.2.3): reference, address, two times, status.
func (p *Part) report(b []byte) error {
	if len(b) < 1 {
		return errCut
	}
	p.Report, p.Ref = true, int(b[0])
	var a tpdu.Address
	n, err := a.UnmarshalBinary(b[1:])
	if err != nil {
		return fmt.Errorf("short message: %w", err)
	}
	if b = b[1+n:]; len(b) < 15 {
		return errCut
	}
	p.From, p.At, p.Status = a.Number(), timeOf(b[7:14]), int(b[14])
	return nil
}

// timeOf reads seven octets, zero where the service centre wrote nonsense.
func timeOf(b []byte) time.Time {
	var t tpdu.Timestamp
	if err := t.UnmarshalBinary(b); err != nil {
		return time.Time{}
	}
	return t.Time
}

// text decodes the parts of one message, in order.
func text(parts []Part) string {
	var b strings.Builder
	var wide []byte // UCS2 is joined first: a surrogate pair may lie in two parts
	for _, p := range parts {
		switch {
		case p.raw != "":
			b.WriteString("(unreadable) " + p.raw)
		case p.alphabet == tpdu.AlphaUCS2:
			wide = append(wide, p.data...)
		case p.alphabet == tpdu.Alpha8Bit:
			b.WriteString("(binary) " + hex.EncodeToString(p.data))
		default:
			d, _ := gsm7.Decode(p.data) // without Strict it fails never
			b.Write(d)
		}
	}
	if len(wide) > 0 {
		runes, _ := ucs2.Decode(wide[:len(wide)&^1]) // half a surrogate at the end is left out
		b.WriteString(string(runes))
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

// join makes the message of its parts, by sequence; missing ones show as "…".
func join(parts []Part) SMS {
	first := parts[0]
	var ordered []Part
	var b strings.Builder
	flush := func() {
		b.WriteString(text(ordered))
		ordered = nil
	}
	for seq := 1; seq <= first.Total; seq++ {
		i := indexSeq(parts, seq)
		if i < 0 {
			flush()
			b.WriteString("…")
			continue
		}
		ordered = append(ordered, parts[i])
	}
	flush()
	m := SMS{From: first.From, Text: b.String(), At: first.At}
	m.Key = key(m, first.Ref)
	return m
}

func indexSeq(parts []Part, seq int) int {
	for i, p := range parts {
		if p.Seq == seq {
			return i
		}
	}
	return -1
}

// key is the same for the same message, whenever and from wherever it is read.
func key(m SMS, ref int) string {
	h := sha256.New()
	for _, s := range []string{m.From, m.At.UTC().Format(time.RFC3339), strconv.Itoa(ref), m.Text} {
		h.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// same reports whether two parts are the same piece, sent twice by the network.
func (p Part) same(q Part) bool {
	return p.Seq == q.Seq && p.alphabet == q.alphabet && p.raw == q.raw && bytes.Equal(p.data, q.data)
}
