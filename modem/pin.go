package modem

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
)

// leastTries is what a card's counter must show before a PIN is sent: one
// mistake of ours must leave a person two (OpenWrt's qmi.sh refuses below 3).
const leastTries = 3

// allowedTries is the least with which an operator may let a PIN go out: never
// the last try.
const allowedTries = 2

// refusedKept bounds the PINs that are remembered as refused.
const refusedKept = 8

// triesUnknown stands for a counter that cannot be read.
const triesUnknown = -1

// pinVerdict says whether a PIN may be sent.
type pinVerdict struct {
	send bool
	note bool // CardMemory.try first, and on disk
	code Code // why not
}

// CardKey names a card in Memory without telling its number.
func CardKey(iccid string) string {
	if iccid == "" {
		return ""
	}
	return digest("card", iccid)
}

// digest is a hash of parts that cannot run into each other.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// hash is what Memory keeps of a PIN.
func (c CardMemory) hash(pin string) string { return digest("pin", c.Salt, pin) }

// judge applies the rules of spec 4.1 to a card that asks for its PIN: tries
// is its counter. A refused PIN is never sent again; one whose fate is unknown
// only if the counter shows that it cost nothing; one that was right before
// goes out again after each reset.
func (c CardMemory) judge(pin string, tries int) pinVerdict {
	h := c.hash(pin)
	switch {
	case !pinDigits(pin):
		return pinVerdict{code: CodePINNeeded}
	case slices.Contains(c.Refused, h):
		return pinVerdict{code: CodePINWrong}
	case tries != triesUnknown && tries < leastTries && !(c.Allowed && tries >= allowedTries):
		return pinVerdict{code: CodePINTries}
	case c.Proved == h:
		return pinVerdict{send: true}
	case c.Trying != h:
		return pinVerdict{send: true, note: true}
	case tries == triesUnknown || c.Tries == triesUnknown:
		return pinVerdict{code: CodePINUnsure}
	case tries < c.Tries:
		return pinVerdict{code: CodePINWrong}
	}
	return pinVerdict{send: true}
}

// pinDigits reports whether the text can be a PIN (TS 11.11 §9.3).
func pinDigits(pin string) bool {
	for _, r := range pin {
		if r < '0' || r > '9' {
			return false
		}
	}
	return len(pin) >= 4 && len(pin) <= 8
}

// try notes that the PIN goes out next. A PIN whose fate is still unknown and
// that makes room is taken for refused where no counter can tell.
func (c CardMemory) try(pin string, tries int) CardMemory {
	h := c.hash(pin)
	if c.Trying != "" && c.Trying != h && c.Tries == triesUnknown {
		c = c.refuse(c.Trying)
	}
	c.Trying, c.Tries, c.Allowed = h, tries, false
	return c
}

// prove notes that the PIN was right.
func (c CardMemory) prove(pin string) CardMemory {
	c.Proved, c.Trying, c.Tries = c.hash(pin), "", 0
	return c
}

// refusePIN notes that the card refused the PIN.
func (c CardMemory) refusePIN(pin string) CardMemory { return c.refuse(c.hash(pin)) }

func (c CardMemory) refuse(h string) CardMemory {
	if c.Proved == h {
		c.Proved = ""
	}
	if c.Trying == h {
		c.Trying, c.Tries = "", 0
	}
	c.Refused = append(slices.Clone(c.Refused), h)
	if n := len(c.Refused); n > refusedKept {
		c.Refused = c.Refused[n-refusedKept:]
	}
	return c
}

// forgive forgets what went wrong with PINs, and lets the next one go out
// though only two tries are left: the operator says so.
func (c CardMemory) forgive() CardMemory {
	c.Trying, c.Tries, c.Refused, c.Allowed = "", 0, nil, true
	return c
}

// refusedPIN reports whether an answer to +CPIN= says that the PIN was wrong
// (TS 27.007 §9.2.1: 16 incorrect password, 12 PUK required).
func refusedPIN(err error) bool {
	var cme CMEError
	return errors.As(err, &cme) && (cme.Code == 16 || cme.Code == 12)
}
