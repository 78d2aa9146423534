package modem

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Values fill the placeholders of a profile's commands.
type Values struct {
	CID    int
	Access DataAccess
	Mode   string // {mode}, a value of Modes.Values
	Bands  string // {bands}
	Slot   int    // {slot} and {slot0}
}

// Commands makes the commands of a template list, with the timeouts of
// NewCommand. A command is left out where it asks for credentials ("[…]" around
// the whole) and there are none.
func (p Profile) Commands(list []string, v Values) []Command {
	var commands []Command
	for _, text := range list {
		if c := p.Command(text, v); c.Text != "" {
			commands = append(commands, c)
		}
	}
	return commands
}

// Command makes one command of a template; see Expand.
func (p Profile) Command(template string, v Values) Command {
	c := NewCommand(p.Expand(template, v))
	c.Secret = c.Secret || strings.Contains(template, "{password}")
	return c
}

// Expand fills a template. The placeholders are {cid}, {apn}, {user},
// {password}, {auth} (0 none, 1 PAP, 2 CHAP, AuthBoth), {pdp} ("IP"), {pdpn} (1 IPv4,
// 2 IPv6, 3 both), {mode}, {bands}, {slot}, {slot0}. A part in brackets stays only if there
// are credentials. What would end a string is escaped as V.250 §5.4.2.2 says.
func (p Profile) Expand(template string, v Values) string {
	for {
		before, rest, found := strings.Cut(template, "[")
		inner, after, closed := strings.Cut(rest, "]")
		if !found || !closed {
			break
		}
		if v.Access.User == "" && v.Access.Password == "" {
			inner = ""
		}
		template = before + inner + after
	}
	return strings.NewReplacer(
		"{cid}", strconv.Itoa(v.CID),
		"{apn}", Quoted(v.Access.APN),
		"{user}", Quoted(v.Access.User),
		"{password}", Quoted(v.Access.Password),
		"{auth}", strconv.Itoa(p.authNumber(v.Access)),
		"{pdpn}", pdpNumber(v.Access.PDPType),
		"{pdp}", pdpType(v.Access.PDPType),
		"{mode}", v.Mode,
		"{bands}", Quoted(v.Bands),
		"{slot0}", strconv.Itoa(v.Slot-1),
		"{slot}", strconv.Itoa(v.Slot),
	).Replace(template)
}

func (p Profile) authNumber(a DataAccess) int {
	switch {
	case a.Auth == "none" || a.User == "" && a.Password == "":
		return 0
	case a.Auth == "pap":
		return 1
	case a.Auth == "chap" || p.AuthBoth == 0:
		return 2
	}
	return p.AuthBoth
}

func pdpType(t string) string {
	if t == "" {
		return "IP"
	}
	return Quoted(t)
}

func pdpNumber(t string) string {
	switch t {
	case "IPV6":
		return "2"
	case "IPV4V6":
		return "3"
	}
	return "1"
}

// Quoted escapes what may not stand in a string of an AT command: a control
// character, a quotation mark or a backslash becomes a backslash and two hex
// digits (V.250 §5.4.2.2).
func Quoted(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c == 0x7f {
			fmt.Fprintf(&b, "\\%02X", c)
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// NewCommand makes a command of its text, with what follows from its name: the
// prefix of its lines, its timeout, whether it resets the modem, carries data
// or holds a secret. Priority is StatePriority.
func NewCommand(text string) Command {
	c := Command{Text: text, Priority: StatePriority}
	name := c.Name()
	if !bareAnswer(name) {
		c.Prefix = name
	}
	c.Timeout = timeoutOf(name, text)
	c.Dial = strings.HasPrefix(name, "D") || name == "+CGDATA"
	c.Resets = resets(text)
	if c.Dial || strings.HasPrefix(name, "H") {
		c.Prefix = ""
	}
	switch name {
	case "+CPIN", "+CLCK", "+CPWD", "^CPIN":
		c.Secret = text != name+"?"
	case "+CGAUTH", "+MGAUTH", "+QICSGP", "^AUTHDATA", "$QCPDPP", "^NDISDUP":
		c.Secret = strings.Contains(text, "\"")
	case "+CSIM":
		c.Secret = !strings.HasSuffix(text, "=10,\"0020000100\"") && !strings.HasSuffix(text, "=10,\"002C000100\"")
	}
	return c
}

// bareNames are the commands whose lines have no prefix, or another one than
// the command: all are kept.
const bareNames = " I +CGMI +CGMM +CGMR +GMI +GMM +GMR +CGSN +GSN +CIMI +ICCID +CCID +QCCID +CICCID ^ICCID +CEREG +SETUSB +GTCCINFO +CMGL +CMGR "

// resetTexts are the commands after which the port vanishes.
const resetTexts = " +CFUN=1,1 +CFUN=15 +CFUN=16 +CFUN=6 +RESET +ECRST +CRESET ^RESET +CPOF +TRB +QPOWD=1 "

// listed reports whether a word stands in a list with a blank on either side
// of each: it is a third of the code of a switch.
func listed(list, word string) bool {
	return word != "" && strings.Contains(list, " "+word+" ")
}

func bareAnswer(name string) bool {
	return listed(bareNames, name) || !strings.ContainsAny(name, "+^$*#")
}

func resets(text string) bool {
	return listed(resetTexts, text) || strings.HasPrefix(text, "+CUSBPIDSWITCH=")
}

// timeouts are how many seconds a command may take that is no query (TS 27.007,
// ModemManager, vendors' manuals), the longest first.
var timeouts = [...]struct {
	seconds int
	names   string
}{
	{180, " +CGACT +CGDATA "},
	{140, " +CGATT "},
	{120, " +COPS +CMGS "},
	{30, " +CUSD +QNETDEVCTL +RNDISCALL +ECNETDEVCTL +GTRNDIS ^NDISDUP $QCRMCALL +DIALMODE "},
	{15, " +CFUN +RESET +ECRST +CRESET +SETUSB +GTUSBMODE +QCFG $MYCONFIG +ECPCFG +CUSBPIDSWITCH "},
	{5, " +CPIN +CMGL +CMGR +CMGD +QENG +CCED +GTCCINFO "},
}

// Timeouts that depend on more than the name.
const (
	queryTimeout  = 3 * time.Second
	scanTimeout   = 315 * time.Second // +COPS=?, as ModemManager
	detachTimeout = 45 * time.Second  // +CGACT=0
	dialTimeout   = 180 * time.Second
)

// timeoutOf is the time a command may take.
func timeoutOf(name, text string) time.Duration {
	switch {
	case text == "+COPS=?":
		return scanTimeout
	case strings.HasSuffix(text, "?"):
		return queryTimeout
	case text == "+CGACT=0" || strings.HasPrefix(text, "+CGACT=0,"):
		return detachTimeout
	case strings.HasPrefix(name, "D"):
		return dialTimeout
	}
	for _, t := range timeouts {
		if listed(t.names, name) {
			return time.Duration(t.seconds) * time.Second
		}
	}
	return queryTimeout
}
