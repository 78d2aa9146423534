package data

import (
	"bytes"
	"net/netip"
	"strings"

	"luatnetd/modem"
)

// maxLine bounds a line of pppd's log.
const maxLine = 1 << 10

// pppdLog is what the log of a pppd has told so far. Its lines are those of
// pppd 2.4.9 and 2.5 in English, which is all that pppd speaks.
type pppdLog struct {
	rest    []byte // of a line whose end has not come
	bearer  modem.Bearer
	netdev  string
	peer4   bool // "remote IP address" has come: IPv4 is up
	peer6   bool // "remote LL address": IPv6 is up
	cause   modem.DataCause
	message string // the line of the cause
}

// ends are the lines that tell why a session ends, and what they mean. They
// hold no secret, so they may be shown. A later one in this list never replaces
// an earlier one: after "No response to …" comes "Modem hangup", too.
var ends = []struct {
	text  string
	cause modem.DataCause
}{
	{"No response to ", modem.DataNoEcho},
	{"authentication failed", modem.DataAuth},
	{"peer refused to authenticate", modem.DataAuth},
	{"No auth is possible", modem.DataAuth},
	{"lacks PPP kernel support", modem.DataSystem},
	{"lacks kernel support for PPP", modem.DataSystem},
	{"Couldn't open the /dev/ppp device", modem.DataSystem},
	{"Couldn't set tty to PPP discipline", modem.DataSystem},
	{"unrecognized option", modem.DataSystem},
	{"LCP: timeout sending Config-Requests", modem.DataNegotiat},
	{"IPCP: timeout sending Config-Requests", modem.DataNegotiat},
	{"Could not determine local IP address", modem.DataNegotiat},
	{"Serial line is looped back", modem.DataNegotiat},
	{"LCP terminated by peer", modem.DataPeer},
	{"Modem hangup", modem.DataPeer},
	{"Hangup (SIGHUP)", modem.DataPeer},
}

// write takes the next bytes of the log, and reports whether they tell of the bearer.
func (l *pppdLog) write(b []byte) (bearer bool) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte{'\n'})
		if !ok {
			break
		}
		bearer = l.line(strings.TrimSpace(string(line))) || bearer
		l.rest = rest
	}
	l.rest = bytes.Clone(l.rest[max(0, len(l.rest)-maxLine):])
	return bearer
}

// line takes a line, and reports whether it tells of the bearer.
func (l *pppdLog) line(s string) bool {
	switch word := s[strings.LastIndexByte(s, ' ')+1:]; {
	case strings.HasPrefix(s, "Using interface "):
		l.netdev = word
	case strings.HasPrefix(s, "Renamed interface "):
		l.netdev = word
	case strings.HasPrefix(s, "local  IP address "):
		l.bearer = modem.Bearer{Addr4: address(word)}
	case strings.HasPrefix(s, "remote IP address "):
		l.bearer.Gateway4 = address(word)
		l.peer4 = true
	case strings.HasPrefix(s, "primary   DNS address "), strings.HasPrefix(s, "secondary DNS address "):
		addDNS(&l.bearer, word)
	case strings.HasPrefix(s, "remote LL address "):
		l.peer6 = true
	default:
		l.end(s)
		return false
	}
	return true
}

// end notes why the session ends, if the line tells.
func (l *pppdLog) end(line string) {
	for _, e := range ends {
		if e.cause == l.cause {
			return
		}
		if strings.Contains(line, e.text) {
			l.cause, l.message = e.cause, printable(line)
			return
		}
	}
}

func address(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a.Unmap()
}

// up reports whether data flows as the plan wants.
func (l *pppdLog) up(pdpType string) bool {
	if pdpType == "IPV6" {
		return l.peer6
	}
	return l.peer4
}

// exitUnknown stands for the exit status of a pppd that was not our child: nobody
// tells it. The others are in pppd(8), EXIT STATUS.
const exitUnknown = -1

// exitCause is why pppd ended, by its exit status and its log. The log is asked
// first where the status is vague: 2.4.9 ends a silent link with 16, as for a
// hang-up.
func exitCause(status int, l *pppdLog) modem.DataCause {
	switch status {
	case 15:
		return modem.DataNoEcho
	case 11, 19:
		return modem.DataAuth
	case 10, 17:
		return modem.DataNegotiat
	case 8:
		return modem.DataConnect
	case 0, 12, 13, 16, exitUnknown:
		if l.cause != modem.DataOK {
			return l.cause
		}
		return modem.DataPeer
	}
	return modem.DataSystem // 1 to 7, 9, 14, 18, and a signal that was not ours
}
