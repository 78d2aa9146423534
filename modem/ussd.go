package modem

import (
	"encoding/hex"
	"errors"
	"strings"
	"unicode"

	"github.com/warthog618/sms/encoding/gsm7"
	"github.com/warthog618/sms/encoding/ucs2"
)

// USSD is what the network answers, +CUSD (TS 27.007 §7.15).
type USSD struct {
	Status USSDStatus
	Text   string // decoded
}

// USSDStatus is <m> of +CUSD.
type USSDStatus int

// The values of <m>.
const (
	USSDDone        USSDStatus = 0
	USSDAnswer      USSDStatus = 1 // the network waits for an answer
	USSDEnded       USSDStatus = 2 // by the network
	USSDOther       USSDStatus = 3 // another client has answered
	USSDUnsupported USSDStatus = 4
	USSDTimeout     USSDStatus = 5
)

func (s USSDStatus) String() string {
	names := [...]string{"done", "waits for an answer", "ended by the network", "answered elsewhere", "not supported", "timed out"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// maxUSSD bounds a text, in characters (TS 23.038: 182 of them).
const maxUSSD = 182

// ParseCUSD reads "+CUSD: 0,"text",15". charset is that of +CSCS: "GSM", "IRA"
// or "UCS2", "" for one that is not known.
func ParseCUSD(line, charset string) (USSD, bool) {
	f := fieldsOf(line)
	m, ok := between(f, 0, 0, 5)
	if prefixOf(line) != "+CUSD" || !ok {
		return USSD{}, false
	}
	dcs, ok := between(f, 2, 0, 255)
	if !ok {
		dcs = 15
	}
	return USSD{Status: USSDStatus(m), Text: decodeUSSD(field(f, 1), dcs, charset)}, true
}

// decodeUSSD reads a text: as it stands, or hexadecimal as the character set
// (+CSCS="UCS2"), the coding scheme (UCS2) or the maker (GSM septets, packed) has it.
func decodeUSSD(s string, dcs int, charset string) string {
	b, err := hex.DecodeString(s)
	switch {
	case err != nil || len(b) < 2:
		return cleanText(s)
	case strings.EqualFold(charset, "UCS2") || isUCS2(dcs):
		if t, ok := wideText(b); ok {
			return t
		}
	case charset == "":
		if t, ok := wideText(b); ok && usual(t) {
			return t
		}
	}
	if t, ok := packedText(b); ok && len(b) >= 4 && strings.ContainsAny(strings.ToUpper(s), "ABCDEF") {
		return t
	}
	return cleanText(s)
}

// isUCS2 reads a coding scheme of cell broadcast (TS 23.038 §5): groups 01xx
// with the character set 10, and 0001 0001.
func isUCS2(dcs int) bool { return dcs == 0x11 || dcs&0xc0 == 0x40 && dcs&0x0c == 0x08 }

func wideText(b []byte) (string, bool) {
	r, err := ucs2.Decode(b)
	if err != nil {
		return "", false
	}
	return cleanText(string(r)), true
}

func packedText(b []byte) (string, bool) {
	u := gsm7.Unpack7Bit(b, 0)
	d, err := gsm7.Decode(u)
	if err != nil {
		return "", false
	}
	t := strings.TrimRight(string(d), "@\r") // padding
	for _, r := range t {
		if !unicode.IsPrint(r) && r != '\n' && r != '\r' {
			return "", false
		}
	}
	return cleanText(t), t != ""
}

// usual reports whether all characters are of scripts that operators write in:
// digits that happen to be hexadecimal are mostly not.
func usual(t string) bool {
	for _, r := range t {
		switch {
		case r == '\n' || r == '\r' || r >= 0x20 && r < 0x250:
		case r >= 0x370 && r < 0x780, r >= 0x900 && r < 0xe80: // Greek to Arabic; of India, Thai
		case r >= 0x2000 && r < 0x2300, r >= 0x3000 && r < 0x3100: // punctuation, kana
		case r >= 0x4e00 && r < 0xa000, r >= 0xac00 && r < 0xd7b0, r >= 0xff00 && r < 0xfff0: // Han, Hangul, wide
		default:
			return false
		}
	}
	return t != ""
}

// cleanText keeps what a terminal may show.
func cleanText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		if r == '\r' {
			return -1
		}
		return '.'
	}, strings.ToValidUTF8(s, "."))
	if r := []rune(s); len(r) > 2*maxUSSD {
		s = string(r[:2*maxUSSD])
	}
	return s
}

// USSDCommand makes the command that sends a code or an answer to the
// network. charset is that of +CSCS. The answer comes later, as a URC.
func USSDCommand(code, charset string) (Command, error) {
	if code == "" || len(code) > maxUSSD {
		return Command{}, errors.New("USSD: a code has 1 to 182 characters")
	}
	for _, r := range code {
		if r < 0x20 || r > 0x7e || r == '"' {
			return Command{}, errors.New("USSD: a code is of digits, *, # and plain text")
		}
	}
	if strings.EqualFold(charset, "UCS2") {
		code = strings.ToUpper(hex.EncodeToString(ucs2.Encode([]rune(code))))
	}
	c := NewCommand(`+CUSD=1,"` + code + `",15`)
	c.Secret = true // codes hold telephone numbers and PINs
	return c, nil
}

// USSDCancel ends a session that waits for an answer.
func USSDCancel() Command { return NewCommand("+CUSD=2") }
