package data

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"luatnetd/modem"
)

func TestOptions(t *testing.T) {
	plan := modem.DataPlan{Netdev: "wwan0", Settings: modem.DataAccess{User: "me", Password: `p "a\ss`, Auth: "pap"}}
	got, err := options(plan, "gp", "/run/x/none")
	if err != nil {
		t.Fatal(err)
	}
	want := `nodetach
nopersist
maxfail 1
nolock
local
nocrtscts
noauth
hide-password
noipdefault
nodefaultroute
usepeerdns
novj
noccp
nobsdcomp
nodeflate
lcp-echo-interval 5
lcp-echo-failure 3
lcp-max-terminate 1
ipparam "gp"
ip-up-script "/run/x/none"
ip-down-script "/run/x/none"
ifname "wwan0"
user "me"
password "p \"a\\ss"
noipv6
refuse-chap
refuse-mschap
refuse-mschap-v2
refuse-eap
`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("options (-want +got):\n%s", d)
	}
}

func TestOptionsFollowTheSettings(t *testing.T) {
	for _, tt := range []struct {
		name      string
		access    modem.DataAccess
		has, lack []string
	}{
		{"nothing", modem.DataAccess{}, []string{"noipv6"}, []string{"user", "password ", "refuse-pap", "ifname"}},
		{"IPv6", modem.DataAccess{PDPType: "IPV6"}, []string{"+ipv6", "noip\n"}, []string{"noipv6"}},
		{"both", modem.DataAccess{PDPType: "IPV4V6"}, []string{"+ipv6"}, []string{"noipv6", "noip\n"}},
		{"chap", modem.DataAccess{Auth: "chap"}, []string{"refuse-pap"}, []string{"refuse-chap"}},
		{"none", modem.DataAccess{Auth: "none"}, []string{"refuse-pap", "refuse-chap"}, nil},
		{"either", modem.DataAccess{Auth: "both"}, nil, []string{"refuse"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := options(modem.DataPlan{Settings: tt.access}, "gp", "/none")
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range tt.has {
				if !strings.Contains(got, w) {
					t.Errorf("no %q in\n%s", w, got)
				}
			}
			for _, w := range tt.lack {
				if strings.Contains(got, w) {
					t.Errorf("%q in\n%s", w, got)
				}
			}
		})
	}
}

// A line break in a password would be an option of its own: "connect rm".
func TestOptionsRefuseControlCharacters(t *testing.T) {
	plan := modem.DataPlan{Settings: modem.DataAccess{User: "me", Password: "hunter2\nconnect /bin/sh"}}
	_, err := options(plan, "gp", "/none")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v: want one, without the password", err)
	}
}
