package filter

import (
	"fmt"
	"slices"
	"strings"
)

// secretCommands carry PINs, passwords, telephone numbers or texts. Everything
// after their "=" is hidden.
var secretCommands = []string{
	"+CPIN", "+CPIN2", "^CPIN", "+CPWD", "+CLCK", "+CGAUTH", "+QICSGP", "^NDISDUP", "^AUTHDATA", "+MGAUTH", "$QCPDPP", "+CSTT",
	"+CSIM", "+CRSM", "+CGLA", "+CMGS", "+CMGW", "+CUSD", "+CPBW", "+CSCA", "+ECSIMCFG", "#PDPAUTH", "+CDATA", "+CACM",
}

// secretAnswers carry telephone numbers, texts or raw SIM files. Their strings
// are hidden.
var secretAnswers = []string{
	"+CUSD", "+CMGR", "+CMGL", "+CMT", "+CDS", "+CBM", "+CNUM", "+CLIP", "+CCWA", "+CPBR", "+CPBF", "+CSCA", "+CCFC",
	"+CSIM", "+CRSM", "+CGLA", "+CGAUTH", "+QICSGP", "^AUTHDATA", "+MGAUTH", "$QCPDPP", "+COLP",
}

// Masker hides what is secret in the lines of one direction. The zero value is
// at the beginning of a line.
type Masker struct{ text int } // lines that may still belong to an open string

// maxTextLines bounds a text in lines: one that is never closed hides no more.
const maxTextLines = 20

// Mask is the next line as a trace may show it.
func (m *Masker) Mask(s string) string {
	switch {
	case m.text > 0 && strings.Contains(s, `"`):
		m.text = 0
		return `***"`
	case m.text > 0 && s != "OK":
		m.text--
		return "***"
	case slices.Contains(secretAnswers, Prefix(s)) && openString(s):
		m.text = maxTextLines
		return Mask(s + `"`)
	}
	return Mask(s)
}

// Mask is a line, sent or received, as a trace may show it: without PINs,
// passwords, IMSI, ICCID, IMEI, telephone numbers and messages.
func Mask(s string) string {
	if body := strings.TrimRight(s, "\x1a"); isHex(strings.TrimLeft(body, "> ")) && len(body) >= 20 && !digits(body) {
		return fmt.Sprintf("*** (%d hex digits)", len(body))
	}
	if strings.HasSuffix(s, "\x1a") {
		return fmt.Sprintf("*** (%d characters)", len(s)-1)
	}
	if cut := secretFrom(s); cut >= 0 {
		return maskDigits(s[:cut]) + "***"
	}
	if slices.Contains(secretAnswers, Prefix(s)) {
		s = maskStrings(s)
	}
	return maskDigits(s)
}

// secretFrom is where the secret of a command line begins, -1 if it has none.
func secretFrom(s string) int {
	up := upper(s)
	first := -1
	for _, name := range secretCommands {
		i := strings.Index(up, name+"=")
		if end := i + len(name) + 1; i >= 0 && !strings.HasPrefix(s[end:], "?") && (first < 0 || end < first) {
			first = end
		}
	}
	if strings.HasPrefix(up, "ATD") && !strings.HasPrefix(up, "ATD*99") && len(up) > 3 {
		return 3
	}
	return first
}

// Hide replaces a command line that holds a secret, once and whatever its case:
// an echo may differ.
func Hide(s, secret, shown string) string {
	if i := strings.Index(upper(s), upper(secret)); i >= 0 && secret != "" {
		return s[:i] + shown + s[i+len(secret):]
	}
	return s
}

// upper is s in capitals. It leaves every byte where it is, which
// strings.ToUpper does not where s is no UTF-8.
func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// maskStrings hides what is between quotes.
func maskStrings(s string) string {
	var b strings.Builder
	for i, piece := range strings.Split(s, `"`) {
		if i > 0 {
			b.WriteByte('"')
		}
		if i%2 == 1 && piece != "" {
			piece = "***"
		}
		b.WriteString(piece)
	}
	return b.String()
}

// longDigits is the shortest run of digits that is hidden: a telephone number
// with its area. IMSI and IMEI have 15, ICCID 19 or 20.
const longDigits = 11

// maskDigits hides long runs of digits but for their beginning, which names the
// country and the network.
func maskDigits(s string) string {
	b := []byte(s)
	for i := 0; i < len(b); {
		j := i
		for j < len(b) && b[j] >= '0' && b[j] <= '9' {
			j++
		}
		if j-i >= longDigits {
			shown := 3
			if j-i >= 15 {
				shown = 5
			}
			for k := i + shown; k < j; k++ {
				b[k] = '*'
			}
			for ; j < len(b) && (b[j]|0x20) == 'f'; j++ { // the padding of an ICCID
				b[j] = '*'
			}
		}
		i = max(j, i+1)
	}
	return string(b)
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }
