package modem

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/warthog618/sms/encoding/gsm7"
	"github.com/warthog618/sms/encoding/tpdu"
	"github.com/warthog618/sms/encoding/ucs2"
)

// maxParts bounds a message that is sent: each part is billed.
const maxParts = 10

// What fits into one message: septets or octets, and of a part of a long one,
// which has a header of six octets (TS 23.040 §9.2.3.24.1).
const (
	maxSeptets, partSeptets = 160, 153
	maxOctets, partOctets   = 140, 134
)

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
	if len(message) > maxParts*partSeptets*3 {
		return nil, errTooLong
	}
	u, dcs := alphabetOf(message)
	chunks := chunk(u, dcs)
	if len(chunks) > maxParts {
		return nil, errTooLong
	}
	var commands []Command
	for i, c := range chunks {
		var header []byte
		if len(chunks) > 1 {
			header = []byte{5, 0, 3, ref, byte(len(chunks)), byte(i + 1)}
		}
		commands = append(commands, submit(da, dcs, header, c))
	}
	return commands, nil
}

var errTooLong = fmt.Errorf("short message: the text is longer than %d parts hold", maxParts)

// The data coding schemes in use.
const dcsGSM, dcsUCS2 = 0x00, 0x08

// alphabetOf codes the text in septets, or in UCS2 where it has other characters.
func alphabetOf(message string) (u []byte, dcs byte) {
	if u, err := gsm7.Encode([]byte(message)); err == nil {
		return u, dcsGSM
	}
	return ucs2.Encode([]rune(message)), dcsUCS2
}

// chunk cuts a text that is too long, but neither behind an escape nor within
// a surrogate pair: either half would be another character.
func chunk(u []byte, dcs byte) [][]byte {
	whole, part := maxSeptets, partSeptets
	if dcs == dcsUCS2 {
		whole, part = maxOctets, partOctets
	}
	if len(u) <= whole {
		return [][]byte{u}
	}
	var list [][]byte
	for len(u) > part {
		n := part
		switch {
		case dcs == dcsUCS2 && u[n-2]&0xfc == 0xd8:
			n -= 2
		case dcs == dcsGSM && u[n-1] == gsmEscape:
			n--
		}
		list, u = append(list, u[:n]), u[n:]
	}
	return append(list, u)
}

// gsmEscape leads to the extension table (TS 23.038 §6.2.1).
const gsmEscape = 0x1b

// submit makes the command for one SMS-SUBMIT (TS 23.040 §9.2.2.2): first
// octet, reference (the modem sets it), address, PID, DCS, length, header, text.
func submit(da []byte, dcs byte, header, u []byte) Command {
	first := byte(typeSubmit)
	if len(header) > 0 {
		first |= headerFollow
	}
	length := len(header) + len(u)
	if dcs == dcsGSM {
		length = (len(header)*8+6)/7 + len(u)
		u = gsm7.Pack7Bit(u, fillBits(len(header)))
	}
	b := append([]byte{first, 0}, da...)
	b = append(b, 0, dcs, byte(length))
	b = append(append(b, header...), u...)
	c := NewCommand("+CMGS=" + strconv.Itoa(len(b)))      // without the SMSC
	c.PDU = "00" + strings.ToUpper(hex.EncodeToString(b)) // 00: the SMSC of the card
	return c
}

// destination reads a telephone number: digits with an optional +. Short
// numbers (10086) have no international form, so the type is set by the +.
func destination(to string) ([]byte, error) {
	number := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -()", r) {
			return -1
		}
		return r
	}, to)
	bare, international := strings.CutPrefix(number, "+")
	if digits(bare, 1, 20) != bare || bare == "" {
		return nil, errors.New("short message: the telephone number is not 1 to 20 digits with or without a +")
	}
	a := tpdu.NewAddress()
	a.SetNumber(bare)
	if !international {
		a.SetTypeOfNumber(tpdu.TonUnknown)
	}
	return a.MarshalBinary()
}
