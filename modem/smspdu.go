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

	"github.com/warthog618/sms"
	"github.com/warthog618/sms/encoding/tpdu"
	"github.com/warthog618/sms/encoding/ucs2"
)

// Part is one received PDU: a short message, or a piece of a long one. Join
// makes an SMS of parts.
type Part struct {
	From  string // telephone number or name
	At    time.Time
	Ref   int // of a long message; parts of one have the same From, Ref and Total
	Total int // 1 for a short message
	Seq   int // from 1 on

	Report bool // a status report: the message with reference Ref has the status
	Status int  // TS 23.040 §9.2.3.15: below 32 delivered, from 64 on given up

	alphabet tpdu.Alphabet
	udh      tpdu.UserDataHeader
	data     []byte // septets, UCS2 or octets
	raw      string // of a PDU that could not be read
}

// maxPDU bounds a PDU, in hexadecimal digits: 12 octets of SMSC and 164 of TPDU, and as much again.
const maxPDU = 704

// DecodePDU reads a PDU as +CMGR, +CMGL and +CMT show it: hexadecimal, with the
// address of the service centre before it. A PDU that cannot be read gives an error and
// a Part that shows it as it is: it has to leave the card as any other.
func DecodePDU(text string) (Part, error) {
	text = strings.TrimSpace(text)
	broken := Part{Total: 1, Seq: 1, raw: printable(text, maxPDU)}
	b, err := hex.DecodeString(text)
	if err != nil || len(text) > maxPDU {
		return broken, errors.New("short message: not a PDU")
	}
	if len(b) < 1 || len(b) < 1+int(b[0]) {
		return broken, errors.New("short message: the PDU is cut")
	}
	t := tpdu.TPDU{Direction: tpdu.MT}
	if err := readTPDU(&t, b[1+int(b[0]):]); err != nil {
		return broken, fmt.Errorf("short message: %w", err)
	}
	switch t.SmsType() {
	case tpdu.SmsDeliver:
		return partOf(t), nil
	case tpdu.SmsStatusReport:
		return Part{From: t.RA.Number(), At: t.DT.Time, Ref: int(t.MR), Total: 1, Seq: 1, Report: true, Status: int(t.ST)}, nil
	}
	return broken, errors.New("short message: neither a message nor a status report")
}

// readTPDU makes a panic of the library an error: what comes over the air must
// not end a modem's task, again after each restart.
func readTPDU(t *tpdu.TPDU, b []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the library cannot read it")
		}
	}()
	return t.UnmarshalBinary(b)
}

func partOf(t tpdu.TPDU) Part {
	p := Part{From: t.OA.Number(), At: t.SCTS.Time, Total: 1, Seq: 1, udh: t.UDH, data: t.UD}
	p.alphabet, _ = t.Alphabet()
	if total, seq, ref, ok := t.ConcatInfo(); ok && total > 1 && seq >= 1 && seq <= total {
		p.Total, p.Seq, p.Ref = total, seq, ref
	}
	return p
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
			b.WriteString(septets(p))
		}
	}
	if len(wide) > 0 {
		runes, _ := ucs2.Decode(wide[:len(wide)&^1]) // half a surrogate at the end is left out
		b.WriteString(string(runes))
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

func septets(p Part) (s string) {
	defer func() {
		if recover() != nil {
			s = "(unreadable) " + hex.EncodeToString(p.data)
		}
	}()
	d, err := tpdu.DecodeUserData(p.data, p.udh, p.alphabet, tpdu.WithAllCharsets)
	if err != nil {
		return "(unreadable) " + hex.EncodeToString(p.data)
	}
	return string(d)
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

// maxParts bounds a message that is sent: each part is billed.
const maxParts = 10

// EncodeSMS makes the commands that send a text: one, or one for each part of
// a long one. Characters beyond GSM 03.38 make it UCS2. ref tells the parts of
// different messages from each other; it should differ from that of the last message.
func EncodeSMS(to, message string, ref byte) ([]Command, error) {
	da, err := destination(to)
	if err != nil {
		return nil, err
	}
	message = strings.ToValidUTF8(message, "\ufffd")
	if message == "" {
		return nil, errors.New("short message: the text is empty")
	}
	if len(message) > maxParts*160*3 {
		return nil, tooLong(len(message))
	}
	list, err := sms.Encode([]byte(message), sms.WithTemplateOption(tpdu.WithDA(da)), reference(ref))
	if err != nil {
		return nil, fmt.Errorf("short message: %w", err)
	}
	if len(list) > maxParts {
		return nil, tooLong(len(message))
	}
	var commands []Command
	for _, t := range list {
		b, err := t.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("short message: %w", err)
		}
		c := NewCommand("+CMGS=" + strconv.Itoa(len(b)))      // without the SMSC
		c.PDU = "00" + strings.ToUpper(hex.EncodeToString(b)) // 00: the SMSC of the card
		commands = append(commands, c)
	}
	return commands, nil
}

func tooLong(n int) error {
	return fmt.Errorf("short message: %d bytes are more than %d parts hold", n, maxParts)
}

// reference is the encoder's counter for the parts of a long message: always
// the same number, so that EncodeSMS is a function of its arguments.
type reference byte

// Count is what the library asks for.
func (r reference) Count() int { return int(r) }

// ApplyEncoderOption sets the counters; the modem replaces TP-MR by its own.
func (r reference) ApplyEncoderOption(e *sms.Encoder) { e.ConcatRef, e.MsgCount = r, reference(0) }

// destination reads a telephone number: digits with an optional +. Short
// numbers (10086) have no international form, so the type is set by the +.
func destination(to string) (tpdu.Address, error) {
	number := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -()", r) {
			return -1
		}
		return r
	}, to)
	bare, international := strings.CutPrefix(number, "+")
	if digits(bare, 1, 20) != bare || bare == "" {
		return tpdu.Address{}, errors.New("short message: the telephone number is not 1 to 20 digits with or without a +")
	}
	a := tpdu.NewAddress()
	a.SetNumber(bare)
	if !international {
		a.SetTypeOfNumber(tpdu.TonUnknown)
	}
	return a, nil
}

// Stored is a message in the modem's store.
type Stored struct {
	Index int // of +CMGL; -1 in an answer to +CMGR, which does not say it
	Stat  int // 0 received unread, 1 received read, 2 to be sent, 3 sent
	PDU   string
}

// Received reports whether somebody else has sent it.
func (s Stored) Received() bool { return s.Stat == 0 || s.Stat == 1 }

// ParseCMGL reads the answers to +CMGL and +CMGR in PDU mode: a header, then
// the PDU in a line of its own.
func ParseCMGL(lines []string) []Stored {
	var list []Stored
	for i := 0; i+1 < len(lines); i++ {
		s := Stored{Index: -1}
		f := fieldsOf(lines[i])
		ok := false
		switch prefixOf(lines[i]) {
		case "+CMGL": // index, stat, name, length
			if s.Index, ok = between(f, 0, 0, 9999); !ok {
				continue
			}
			f = f[1:]
		case "+CMGR": // stat, name, length
		default:
			continue
		}
		if s.Stat, ok = between(f, 0, 0, 3); !ok {
			continue
		}
		if pdu := strings.TrimSpace(lines[i+1]); prefixOf(pdu) == "" && pdu != "" {
			s.PDU = pdu
			list = append(list, s)
			i++
		}
	}
	return list
}

// ParseCMTI reads "+CMTI: "SM",3", a new message, and "+CDSI", a new report.
func ParseCMTI(line string) (store string, index int, ok bool) {
	switch prefixOf(line) {
	case "+CMTI", "+CDSI":
	default:
		return "", 0, false
	}
	f := fieldsOf(line)
	index, ok = between(f, 1, 0, 9999)
	return printable(field(f, 0), 8), index, ok
}

// ParseCPMS reads how many messages the first store holds and can hold:
// "+CPMS: "SM",3,40,…", and the answer to a setting, which has no names.
func ParseCPMS(lines []string) (used, total int, ok bool) {
	for _, line := range lines {
		f := fieldsOf(line)
		if prefixOf(line) != "+CPMS" {
			continue
		}
		if len(f) > 0 && !isNumber(f[0]) {
			f = f[1:]
		}
		used, ok = between(f, 0, 0, 9999)
		total, okTotal := between(f, 1, 0, 9999)
		return used, total, ok && okTotal
	}
	return 0, 0, false
}

// ParseCMGS returns the reference of a message that was sent; its status
// report has the same.
func ParseCMGS(lines []string) (int, bool) {
	for _, line := range lines {
		if n, ok := between(fieldsOf(line), 0, 0, 255); ok && prefixOf(line) == "+CMGS" {
			return n, true
		}
	}
	return 0, false
}

// same reports whether two parts are the same piece, sent twice by the network.
func (p Part) same(q Part) bool {
	return p.Seq == q.Seq && p.alphabet == q.alphabet && p.raw == q.raw && bytes.Equal(p.data, q.data)
}
