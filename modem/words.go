package modem

import (
	"errors"
	"fmt"
	"time"
)

// Priority of a command in a port's queue.
type Priority int

// The priorities; a lower one waits for a higher one, never the other way round.
const (
	PollPriority  Priority = iota // signal, cells: skipped rather than late
	StatePriority                 // the machine's next step
	UserPriority                  // somebody waits at a terminal
)

func (p Priority) String() string {
	return [...]string{"poll", "state", "user"}[min(max(p, 0), 2)]
}

// Command is one AT command, without "AT" and without the final CR.
type Command struct {
	Text     string        // "+CSQ"
	Prefix   string        // of the lines that belong to the answer, "+CSQ"; "" keeps every line
	Timeout  time.Duration // from the moment it is queued, waiting included
	Priority Priority
	PDU      string // hex; not empty: Text asks for the '>' prompt (+CMGS), this is sent after it
	Dial     bool   // the port carries data after CONNECT (ATD, +CGDATA)
	Resets   bool   // the port may vanish in place of an answer (+CFUN=1,1)
	Secret   bool   // Text holds a PIN or a password: traces show the name of the command only
}

// Name is the command's name without its arguments: "+CPIN" of "+CPIN=\"1234\"".
func (c Command) Name() string {
	for i, r := range c.Text {
		if r == '=' || r == '?' {
			return c.Text[:i]
		}
	}
	return c.Text
}

// String is the command as a log or a trace may show it.
func (c Command) String() string {
	if c.Secret {
		return "AT" + c.Name() + "=***"
	}
	return "AT" + c.Text
}

// Reply is what came of a command.
type Reply struct {
	Lines []string // information lines with the command's prefix, without CR and LF
	Err   error    // nil: OK or CONNECT; else one of the errors below
}

// URC is an unsolicited result code.
type URC struct {
	Prefix string // "+CREG"; "" where the line has no colon ("RING")
	Line   string // whole
	Count  int    // lines of this prefix that were coalesced into this, the newest one; at least 1
}

// The errors of a Reply.
var (
	ErrError     = errors.New("the modem answered ERROR")
	ErrTimeout   = errors.New("the modem did not answer in time")
	ErrStuck     = errors.New("the port takes no bytes")
	ErrGone      = errors.New("the port is gone")
	ErrUnsynced  = errors.New("the port's answers cannot be told apart")
	ErrCancelled = errors.New("the command was withdrawn")
)

// CMEError is "+CME ERROR" (TS 27.007 §9.2). Modems that answer in words in
// spite of +CMEE=1 get the number of these words; -1 where there is none.
type CMEError struct {
	Code int
	Text string // as the modem wrote it
}

func (e CMEError) Error() string { return fmt.Sprintf("CME error %s", number(e.Code, e.Text)) }

// CMSError is "+CMS ERROR" (TS 27.005 §3.2.5); Code is -1 where the modem gave words only.
type CMSError struct {
	Code int
	Text string
}

func (e CMSError) Error() string { return fmt.Sprintf("CMS error %s", number(e.Code, e.Text)) }

// ConnectError is the final result of a call that did not come about: "NO
// CARRIER", "BUSY", "NO DIALTONE", "NO ANSWER".
type ConnectError string

func (e ConnectError) Error() string { return string(e) }

func number(code int, text string) string {
	switch {
	case code < 0:
		return text
	case text == "" || text == fmt.Sprint(code):
		return fmt.Sprint(code)
	}
	return fmt.Sprintf("%d (%s)", code, text)
}
