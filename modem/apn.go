package modem

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// APNOrigin says where an APN comes from.
type APNOrigin string

// The origins, in the order in which they are tried.
const (
	APNConfigured APNOrigin = "configured"
	APNRemembered APNOrigin = "remembered" // it has worked with this card
	APNModule     APNOrigin = "module"     // it was in the module already
	APNNetwork    APNOrigin = "network"    // the network has chosen it at the attach
	APNDatabase   APNOrigin = "database"   // of the card's operator
	APNWellKnown  APNOrigin = "well known"
	APNEmpty      APNOrigin = "empty" // the network may choose
)

// APNCandidate is an access to try.
type APNCandidate struct {
	Access DataAccess
	Origin APNOrigin
}

// APNInput is what is known when an APN is chosen.
type APNInput struct {
	Set     SIMSettings
	Card    CardMemory
	CID     int
	Defined []Context // +CGDCONT?
	Given   []Context // +CGCONTRDP, nil where the modem does not tell
	IMSI    string
	ICCID   string // for the operator where the IMSI is not known
}

// maxCandidates bounds one round: 96 networks are shared by several providers.
const maxCandidates = 12

// APNCandidates lists what is to be tried, in order. A configured APN stands
// alone: a private network must not be left for a public one because it is down.
func APNCandidates(in APNInput) []APNCandidate {
	base := DataAccess{User: in.Set.User, Password: in.Set.Password, Auth: in.Set.Auth, PDPType: in.Set.PDPType}
	if in.Set.APN != "" {
		base.APN = in.Set.APN
		return []APNCandidate{{base, APNConfigured}}
	}
	var list []APNCandidate
	add := func(a DataAccess, origin APNOrigin) {
		if base.User != "" || base.Password != "" {
			a.User, a.Password, a.Auth = base.User, base.Password, base.Auth
		}
		if base.PDPType != "" {
			a.PDPType = base.PDPType
		}
		same := func(c APNCandidate) bool {
			return strings.EqualFold(c.Access.APN, a.APN) && c.Access.User == a.User && c.Access.Password == a.Password
		}
		if len(list) < maxCandidates && !slices.ContainsFunc(list, same) {
			list = append(list, APNCandidate{a, origin})
		}
	}
	if in.Card.APN != "" {
		add(DataAccess{APN: in.Card.APN, PDPType: in.Card.PDPType}, APNRemembered)
	}
	if c, ok := contextOf(in.Defined, in.CID); ok && c.APN != "" {
		add(DataAccess{APN: c.APN, PDPType: writable(c.Type)}, APNModule)
	} else if c, ok := contextOf(in.Given, in.CID); ok && c.APN != "" {
		add(DataAccess{}, APNNetwork) // left empty: it has just been given
	}
	for _, a := range ProviderAPNs(in.IMSI, in.ICCID) {
		add(a, APNDatabase)
	}
	add(DataAccess{APN: "internet"}, APNWellKnown)
	add(DataAccess{}, APNEmpty)
	return list
}

// contextOf returns the context with that number.
func contextOf(list []Context, cid int) (Context, bool) {
	i := slices.IndexFunc(list, func(c Context) bool { return c.CID == cid })
	if i < 0 {
		return Context{}, false
	}
	return list[i], true
}

// writable is a PDP type of ours, "" for another one (PPP, "Non-IP").
func writable(t string) string {
	switch t {
	case "IP", "IPV6", "IPV4V6":
		return t
	}
	return ""
}

// Context is the command that defines the context, and false if it is defined
// so already: writing it again makes some modules attach anew.
func (c APNCandidate) Context(defined []Context, cid int) (Command, bool) {
	text := Profile{}.Expand(`+CGDCONT={cid},"{pdp}","{apn}"`, Values{CID: cid, Access: c.Access})
	have, ok := contextOf(defined, cid)
	want := c.Access.PDPType
	if want == "" {
		want = "IP"
	}
	if ok && c.Origin == APNNetwork && c.Access.PDPType == "" {
		return NewCommand(text), false
	}
	return NewCommand(text), !ok || !strings.EqualFold(have.APN, c.Access.APN) || have.Type != want
}

// APNChoice goes through the candidates of one card. A refusal of the APN, and
// nothing else, leads to the next one; a full round takes ten minutes at least.
type APNChoice struct {
	list    []APNCandidate
	i       int
	began   time.Time // of this round
	retyped bool      // the PDP type of this candidate was changed once
}

// minRound is the time of a round through all candidates.
const minRound = 10 * time.Minute

// NewAPNChoice begins a round. APNCandidates has at least one candidate.
func NewAPNChoice(in APNInput, now time.Time) *APNChoice {
	return &APNChoice{list: APNCandidates(in), began: now}
}

// Current is the candidate to try.
func (c *APNChoice) Current() APNCandidate { return c.list[c.i] }

// Len is the number of candidates.
func (c *APNChoice) Len() int { return len(c.list) }

// Refused moves to the next candidate and returns how long to wait before it is
// tried. PDP types (see Refusal) are changed first, once for each candidate.
func (c *APNChoice) Refused(now time.Time, r Refusal) time.Duration {
	if r.Kind == RefusedType && !c.retyped {
		if t := r.otherType(c.list[c.i].Access.PDPType); t != "" {
			c.list[c.i].Access.PDPType, c.retyped = t, true
			return 0
		}
	}
	c.retyped = false
	c.i++
	if c.i < len(c.list) {
		return 0
	}
	c.i = 0
	wait := max(0, c.began.Add(minRound).Sub(now))
	c.began = now.Add(wait)
	return wait
}

// RefusalKind says what the network did not like.
type RefusalKind int

// The kinds.
const (
	NotRefused  RefusalKind = iota // another failure: the same again, later
	RefusedAPN                     // the next candidate
	RefusedType                    // another PDP type
	RefusedAuth                    // user and password: stands until the configuration changes
)

// Refusal is the network's refusal of a context.
type Refusal struct {
	Kind RefusalKind
	ESM  int // cause, 0 unknown
}

// JudgeRefusal reads the error of an activation and the extended error report
// that was asked for after it (zero if the modem has none).
func JudgeRefusal(err error, report CEER) Refusal {
	if report.ESM && report.Cause != 0 {
		if r := refusalOfESM(report.Cause); r.Kind != NotRefused {
			return r
		}
	}
	if !report.ESM && report.Cause == 19 { // EMM "ESM failure": the attach failed for its APN
		return Refusal{Kind: RefusedAPN}
	}
	var cme CMEError
	if !errors.As(err, &cme) {
		return Refusal{}
	}
	switch cme.Code {
	case 127, 132, 133, 134, 148:
		return Refusal{Kind: RefusedAPN}
	case 128:
		return Refusal{Kind: RefusedType}
	case 129, 149:
		return Refusal{Kind: RefusedAuth}
	}
	return Refusal{}
}

// refusalOfESM reads a cause of TS 24.301 §9.9.4.4.
func refusalOfESM(cause int) Refusal {
	r := Refusal{ESM: cause}
	switch cause {
	case 27, 32, 33, 66:
		r.Kind = RefusedAPN
	case 28, 50, 51, 52:
		r.Kind = RefusedType
	case 29:
		r.Kind = RefusedAuth
	}
	return r
}

// otherType is the PDP type to try instead: what the cause allows, else the
// other family; "" if it was that already.
func (r Refusal) otherType(was string) string {
	if was == "" {
		was = "IP"
	}
	other := map[string]string{"IP": "IPV6", "IPV6": "IP", "IPV4V6": "IP"}[was]
	switch r.ESM {
	case 50:
		other = "IP"
	case 51:
		other = "IPV6"
	}
	if other == was {
		return ""
	}
	return other
}
