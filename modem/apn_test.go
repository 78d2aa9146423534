package modem

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func apnShown(list []APNCandidate) string {
	var words []string
	for _, c := range list {
		words = append(words, fmt.Sprintf("%s(%s)", c.Access.APN, c.Origin))
	}
	return strings.Join(words, " ")
}

func TestAPNCandidates(t *testing.T) {
	defined := []Context{{CID: 1, Type: "IPV4V6", APN: "old"}, {CID: 2, Type: "IP", APN: "ims"}}
	for _, tt := range []struct {
		name string
		in   APNInput
		want string
	}{
		{"configured stands alone", APNInput{Set: SIMSettings{APN: "corp.private"}, Card: CardMemory{APN: "cmnet"}, CID: 1, Defined: defined, IMSI: "460001234567890"}, "corp.private(configured)"},
		{"all", APNInput{Card: CardMemory{APN: "worked"}, CID: 1, Defined: defined, IMSI: "460001234567890"},
			"worked(remembered) old(module) cmnet(database) internet(well known) (empty)"},
		{"once each", APNInput{Card: CardMemory{APN: "CMNET"}, CID: 1, Defined: []Context{{CID: 1, APN: "cmnet"}}, IMSI: "460001234567890"},
			"CMNET(remembered) internet(well known) (empty)"},
		{"of the network", APNInput{CID: 1, Defined: []Context{{CID: 1, Type: "IP"}}, Given: []Context{{CID: 1, APN: "cmnet"}}, IMSI: "460001234567890"},
			"(network) cmnet(database) internet(well known)"},
		{"another context", APNInput{CID: 5, Defined: defined, Given: []Context{{CID: 1, APN: "x"}}}, "internet(well known) (empty)"},
		{"machines' cards", APNInput{CID: 1, IMSI: "460041234567890"}, "cmiot(database) cmnet(database) internet(well known) (empty)"},
		{"by ICCID", APNInput{CID: 1, ICCID: "89860112345678901234"}, "3gnet(database) internet(well known) (empty)"},
		{"three digits", APNInput{CID: 1, IMSI: "310410123456789"}, "NXTGENPHONE(database) att.mvno(database) tfdata(database) internet(well known) (empty)"},
		{"unknown operator", APNInput{CID: 1, IMSI: "999991234567890"}, "internet(well known) (empty)"},
	} {
		if got := apnShown(APNCandidates(tt.in)); got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, got, tt.want)
		}
	}
	list := APNCandidates(APNInput{Set: SIMSettings{User: "u", Password: "p", Auth: "pap", PDPType: "IPV4V6"}, CID: 1, IMSI: "460111234567890"})
	for _, c := range list {
		if c.Access.User != "u" || c.Access.Password != "p" || c.Access.PDPType != "IPV4V6" {
			t.Errorf("%s: the configured user and type are lost", c.Access)
		}
	}
	list = APNCandidates(APNInput{CID: 1, IMSI: "460111234567890"})
	if a := list[0].Access; a.APN != "ctnet" || a.User == "" || a.Password == "" {
		t.Errorf("%s: no credentials", a)
	}
}

func TestAPNContext(t *testing.T) {
	defined := []Context{{CID: 1, Type: "IP", APN: "cmnet"}}
	for _, tt := range []struct {
		name    string
		c       APNCandidate
		cid     int
		defined []Context
		want    string // "" nothing is written
	}{
		{"is so already", APNCandidate{DataAccess{APN: "CMNET"}, APNDatabase}, 1, defined, ""},
		{"another APN", APNCandidate{DataAccess{APN: "cmiot"}, APNDatabase}, 1, defined, `+CGDCONT=1,"IP","cmiot"`},
		{"another type", APNCandidate{DataAccess{APN: "cmnet", PDPType: "IPV6"}, APNDatabase}, 1, defined, `+CGDCONT=1,"IPV6","cmnet"`},
		{"not defined", APNCandidate{DataAccess{}, APNEmpty}, 5, defined, `+CGDCONT=5,"IP",""`},
		{"given by the network", APNCandidate{DataAccess{}, APNNetwork}, 1, []Context{{CID: 1, Type: "IPV4V6"}}, ""},
		{"given, another type", APNCandidate{DataAccess{PDPType: "IP"}, APNNetwork}, 1, []Context{{CID: 1, Type: "IPV4V6"}}, `+CGDCONT=1,"IP",""`},
	} {
		c, needed := tt.c.Context(tt.defined, tt.cid)
		if needed != (tt.want != "") || needed && c.Text != tt.want {
			t.Errorf("%s: %v %s, want %q", tt.name, needed, c.Text, tt.want)
		}
	}
}

func TestAPNChoice(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	c := NewAPNChoice(APNInput{CID: 1, IMSI: "460001234567890"}, now)
	refused := Refusal{Kind: RefusedAPN, ESM: 27}
	for _, want := range []string{"cmnet", "internet", ""} {
		if c.Current().Access.APN != want {
			t.Fatalf("candidate %q, want %q", c.Current().Access.APN, want)
		}
		now = now.Add(time.Minute)
		wait := c.Refused(now, refused)
		if last := want == ""; last != (wait > 0) || last && wait != 7*time.Minute {
			t.Fatalf("after %q: wait %v", want, wait)
		}
	}
	if c.Current().Access.APN != "cmnet" {
		t.Fatal("the second round begins elsewhere")
	}
	now = now.Add(7 * time.Minute)
	for range c.Len() - 1 {
		if c.Refused(now, refused) != 0 {
			t.Fatal("waits within a round")
		}
	}
	if wait := c.Refused(now.Add(time.Hour), refused); wait != 0 {
		t.Errorf("after an hour: wait %v", wait)
	}
}

func TestAPNTypes(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		was  string
		esm  int
		want string // after one refusal; "" is the next candidate
	}{
		{"", 51, "IPV6"}, {"IP", 51, "IPV6"}, {"IPV6", 50, "IP"}, {"IPV4V6", 50, "IP"}, {"IPV4V6", 51, "IPV6"}, {"IPV4V6", 52, "IP"},
		{"IP", 50, ""}, {"IPV6", 51, ""}, {"IP", 28, "IPV6"}, {"IPV6", 0, "IP"},
	} {
		c := NewAPNChoice(APNInput{Set: SIMSettings{APN: "a", PDPType: tt.was}, CID: 1}, now)
		wait := c.Refused(now, Refusal{Kind: RefusedType, ESM: tt.esm})
		if got := c.Current().Access.PDPType; tt.want != "" && (got != tt.want || wait != 0) || tt.want == "" && wait != minRound {
			t.Errorf("%q refused with %d: %q after %v", tt.was, tt.esm, got, wait)
		}
		if wait := c.Refused(now, Refusal{Kind: RefusedType, ESM: tt.esm}); tt.want != "" && wait != minRound {
			t.Errorf("%q refused twice with %d: wait %v", tt.was, tt.esm, wait)
		}
	}
}

func TestJudgeRefusal(t *testing.T) {
	for _, tt := range []struct {
		err    error
		report CEER
		want   Refusal
	}{
		{CMEError{Code: 132}, CEER{}, Refusal{Kind: RefusedAPN}},
		{CMEError{Code: 133}, CEER{}, Refusal{Kind: RefusedAPN}},
		{CMEError{Code: 134}, CEER{}, Refusal{Kind: RefusedAPN}},
		{CMEError{Code: 148}, CEER{}, Refusal{Kind: RefusedAPN}},
		{ParseCMEError("requested service option not subscribed"), CEER{}, Refusal{Kind: RefusedAPN}},
		{CMEError{Code: 148}, CEER{Cause: 50, ESM: true}, Refusal{Kind: RefusedType, ESM: 50}},
		{ErrError, CEER{Cause: 27, ESM: true}, Refusal{Kind: RefusedAPN, ESM: 27}},
		{ErrError, CEER{Cause: 33, ESM: true}, Refusal{Kind: RefusedAPN, ESM: 33}},
		{ErrError, CEER{Cause: 29, ESM: true}, Refusal{Kind: RefusedAuth, ESM: 29}},
		{CMEError{Code: 149}, CEER{}, Refusal{Kind: RefusedAuth}},
		{ErrError, CEER{Cause: 19}, Refusal{Kind: RefusedAPN}},
		{ErrError, CEER{Cause: 33}, Refusal{}}, // an EMM cause is none of the session
		{ErrError, CEER{Cause: 38, ESM: true}, Refusal{}},
		{CMEError{Code: 30}, CEER{}, Refusal{}},
		{ErrTimeout, CEER{}, Refusal{}},
		{errors.Join(ErrError, CMEError{Code: 133}), CEER{}, Refusal{Kind: RefusedAPN}},
		{nil, CEER{}, Refusal{}},
	} {
		if got := JudgeRefusal(tt.err, tt.report); got != tt.want {
			t.Errorf("%v, %+v: %+v, want %+v", tt.err, tt.report, got, tt.want)
		}
	}
}

// The table of modem/gen: every line whole, and the networks of China that the specification lists.
func TestProviders(t *testing.T) {
	for _, plmn := range []string{"46000", "46001", "46002", "46003", "46004", "46005", "46006", "46007", "46008", "46009", "46011", "46012", "46015",
		"26202", "23410", "310410", "40410", "50501"} {
		list := providersOf(plmn)
		if len(list) == 0 {
			t.Errorf("%s has no APN", plmn)
		}
		for _, a := range list {
			if a.APN == "" || a.Auth != "" && a.Auth != "pap" && a.Auth != "chap" {
				t.Errorf("%s: %+v", plmn, a)
			}
		}
	}
	for _, imsi := range []string{"", "1", "12345", "00000000000000"} {
		if list := ProviderAPNs(imsi, ""); len(list) != 0 {
			t.Errorf("%q: %v", imsi, list)
		}
	}
	if len(providersGZ) > 10<<10 {
		t.Errorf("the table has grown to %d bytes", len(providersGZ))
	}
}
