package lease

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"luatnetd/netif"
)

// Form is a kind of client identifier (option 61).
type Form string

// The forms. FormAuto is a policy only: keep the form that last won a lease
// here, and alternate when nobody answers it. Some providers tie the address
// to the identifier, some servers answer one form only.
const (
	FormAuto Form = "auto"
	FormMAC  Form = "mac"  // hardware type and address, as most providers expect
	FormDUID Form = "duid" // RFC 4361: 255, IAID, DUID
	FormNone Form = "none" // no option 61: the server goes by chaddr
	FormHex  Form = "hex"  // the bytes of the configuration
)

// ClientID is the configured policy. The zero value is auto.
type ClientID struct {
	Form  Form
	Bytes []byte // FormHex only
}

// ParseClientID reads auto, mac, duid, none, or bytes in hex, which may be
// separated by colons: "01:02:00:5e:10:00:01".
func ParseClientID(s string) (ClientID, error) {
	switch f := Form(s); f {
	case "":
		return ClientID{Form: FormAuto}, nil
	case FormAuto, FormMAC, FormDUID, FormNone:
		return ClientID{Form: f}, nil
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) < 2 || len(b) > 255 { // RFC 2132 §9.14
		return ClientID{}, fmt.Errorf("client id %q: want auto, mac, duid, none or 2 to 255 bytes in hex", s)
	}
	return ClientID{Form: FormHex, Bytes: b}, nil
}

// identity is the form in use and its bytes, empty for FormNone.
type identity struct {
	form  Form
	bytes []byte
}

func (i identity) equal(o identity) bool {
	return i.form == o.form && slices.Equal(i.bytes, o.bytes)
}

// forms lists the forms to try, the one that won last time first.
func (c Config) forms(mac netif.MAC, winner Form) []Form {
	switch f := c.ClientID.Form; {
	case f == FormHex || f == FormDUID:
		return []Form{f}
	case mac.IsZero():
		return []Form{FormDUID} // without chaddr nothing else tells us apart
	case f == FormMAC || f == FormNone:
		return []Form{f}
	}
	list := []Form{FormMAC, FormNone, FormDUID}
	if i := slices.Index(list, winner); i > 0 {
		list = slices.Insert(slices.Delete(list, i, i+1), 0, winner)
	}
	return list
}

// identity makes the client identifier of a form.
func (c Config) identity(f Form, mac netif.MAC) identity {
	id := identity{form: f}
	switch f {
	case FormHex:
		id.bytes = c.ClientID.Bytes
	case FormMAC:
		id.bytes = append([]byte{hwEthernet}, mac[:]...)
	case FormDUID:
		duid := c.DUID
		if len(duid) == 0 {
			duid = append([]byte{0, 3, 0, hwEthernet}, mac[:]...) // DUID-LL, RFC 8415 §11.4
		}
		id.bytes = append([]byte{255}, mac[2:]...) // the IAID: stable, differs per device
		id.bytes = append(id.bytes, duid...)
	}
	return id
}

// formFor chooses the form after so many rounds without an answer. Without a
// memory: two rounds of patience, then each form in turn. A form that won here
// before gets six rounds (3 minutes: a provider's outage must not change our
// identity), then every second one.
func formFor(forms []Form, silent int, won bool) Form {
	if !won {
		return forms[max(silent-silentBroadcast, 0)%len(forms)]
	}
	k := silent - silentWinner
	if k < 0 || k%2 == 1 || len(forms) == 1 {
		return forms[0]
	}
	return forms[1+k/2%(len(forms)-1)]
}
