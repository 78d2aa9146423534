package dhcpsrv

import (
	"strings"
	"testing"

	"luatnetd/netif"
)

func TestS25_N19_Names(t *testing.T) {
	for in, want := range map[string]string{
		"lifx bulb": "lifx-bulb", "ESP_51569C": "esp-51569c", "ppj's iPad": "ppjs-ipad", "EXAMPLE\x00junk": "example",
		strings.Repeat("a", 64): strings.Repeat("a", 63), "-a-": "a", "": "", "--": "", "Übung": "bung", "小米": "",
		"host.example.org": "host", "localhost": "", "WPAD": "", "isatap": "", "<script>alert(1)": "script-alert-1",
		"a\nb": "a-b", "1": "1", "../../etc": "", strings.Repeat("a", 62) + "-b": strings.Repeat("a", 62),
	} {
		if got := cleanName(in); got != want {
			t.Errorf("cleanName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestS25_FirstHolderKeepsTheName(t *testing.T) {
	cfg := config()
	cfg.Hostname = "router"
	cfg.Hosts = []Host{{Name: "nas", MACs: []netif.MAC{mac(9)}, Address: ip("192.168.5.10")}}
	r := newRig(t, cfg)
	named := func(n int, name string) string {
		return r.lease(r.must(mac(n), raw(12, []byte(name)...))).Hostname
	}
	for _, tt := range []struct {
		client     int
		name, want string
	}{
		{1, "pad", "pad"}, {2, "Pad", "pad-2"}, {1, "pad", "pad"}, {2, "pad", "pad-2"}, {3, "router", "router-2"},
		{4, "nas", "nas-2"}, {9, "something", "nas"}, {5, "localhost", ""}, {6, "\x00\xff", ""},
	} {
		if got := named(tt.client, tt.name); got != tt.want {
			t.Errorf("client %d says %q: %q, want %q", tt.client, tt.name, got, tt.want)
		}
	}
	// A name is free again when its holder is gone.
	r.send(message(t, mac(1), releaseMsg, r.table.byKey[macKey(mac(1))].addr.String()))
	if got := named(7, "pad"); got != "pad" {
		t.Errorf("after its release: %q", got)
	}
	if got := named(1, "pad"); got != "pad-3" {
		t.Errorf("the first holder comes back: %q", got)
	}
	// A new host entry takes its name from a dynamic client.
	cfg.Hosts = append(cfg.Hosts, Host{Name: "pad", MACs: []netif.MAC{mac(20)}, Address: ip("192.168.5.11")})
	r.take(r.table.Update(r.now, cfg))
	if got := r.lease(r.table.byKey[macKey(mac(7))].addr).Hostname; got == "pad" {
		t.Error("a dynamic client keeps the name of a host entry")
	}
}

func FuzzCleanName(f *testing.F) {
	f.Add("ppj's iPad")
	f.Fuzz(func(t *testing.T, in string) {
		got := cleanName(in)
		if len(got) > 63 || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(got, "-") != got {
			t.Errorf("cleanName(%q) = %q", in, got)
		}
		if cleanName(got) != got {
			t.Errorf("cleanName(%q) = %q is not stable", in, got)
		}
	})
}
