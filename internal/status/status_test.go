package status

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew; read the difference before you commit it")

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// online is a gateway with two uplinks, two LANs and nothing wrong.
func online() *Document {
	return &Document{
		API: APIVersion, Version: "1.2.3", Config: "/etc/luatnetd/luatnetd.toml", Started: noon.Add(-time.Hour), At: noon, Turns: 4711,
		Active: "wan", Adapter: "LWIP_ETH", Reason: "wan is the first usable uplink", Since: noon.Add(-90 * time.Second),
		Order: []string{"wan", "4g"}, Path: "eth0",
		Uplinks: []Uplink{{
			Name: "wan", Adapter: "LWIP_ETH", Print: "Ethernet", Device: "eth0", Index: 1, Mark: "0x100", Present: true, Carrier: true,
			Mode: "dhcp", State: "CONNECTED", Ready: true, Verified: true, Active: true, Since: noon.Add(-90 * time.Second), Reason: "icmp answers",
			Address: "192.0.2.10/24", Gateway: "192.0.2.1", DNS: []string{"192.0.2.1"}, MTU: 1500, Lease: "BOUND", LeaseFor: 3600,
			RTTms: 12.34, Round: 18, Targets: []Target{
				{Kind: "icmp", Address: "1.1.1.1", Alive: true, Ever: true, At: noon, RTTms: 12.34},
				{Kind: "tcp", Address: "8.8.8.8:443", Ever: true, At: noon, Reason: "no answer within 1s"},
			},
		}, {
			Name: "4g", Adapter: "LWIP_GP", Print: "4G", Device: "usb0", Index: 2, Mark: "0x200", Present: true, Carrier: true,
			Mode: "external", State: "CONNECTED", Ready: true, Verified: true, Since: noon.Add(-time.Hour), Reason: "icmp answers",
			Address: "10.0.0.7/30", MTU: 1430, Metered: true, RTTms: 48, Loss: 0.0625, Round: 3,
		}},
		LANs: []LAN{{
			Name: "lan", Device: "br-lan", Ports: []string{"eth1", "eth2"}, Address: "192.168.5.1/24", Carrier: true, DHCP: true,
			Pool: "192.168.5.100-192.168.5.200", Leases: []Lease{
				{LAN: "lan", Address: "192.168.5.100", MAC: "02:00:00:00:00:01", Hostname: "phone", State: "bound", Left: 3599.5},
				{LAN: "lan", Address: "192.168.5.9", MAC: "02:00:00:00:00:02", State: "bound", Static: true},
			},
		}, {Name: "guest", Device: "eth3", Address: "192.168.6.1/24", Upstream: []string{"4g", "wan"}, Leases: []Lease{}}},
		Health: []Code{}, Kernel: Kernel{Seq: 9, At: noon.Add(-90 * time.Second), TookMs: 3.5, Ops: []string{"route add default"}},
		Why: []Why{{Uplink: "wan", Rule: "active", Text: "first in the order"}, {Uplink: "4g", Rule: "order", Text: "usable, behind wan"}, {Rule: "main", Text: "wan, 4g"}},
	}
}

// hold is the same gateway with both providers gone.
func hold() *Document {
	d := online()
	d.Active, d.Adapter, d.Hold, d.Order = "", "", true, nil
	d.Reason = "no uplink is usable: wan has no carrier, 4g does not answer"
	d.Uplinks[0].State, d.Uplinks[0].Ready, d.Uplinks[0].Active, d.Uplinks[0].Carrier = "OPENED", false, false, false
	d.Uplinks[0].Reason, d.Uplinks[0].Address, d.Uplinks[0].Gateway, d.Uplinks[0].RTTms = "no carrier", "", "", 0
	d.Uplinks[1].State, d.Uplinks[1].Ready, d.Uplinks[1].Loss, d.Uplinks[1].Reason = "OPENED", false, 1, "icmp does not answer"
	d.Path = "usb0"
	d.LANs = d.LANs[:1]
	return d
}

func troubled() *Document {
	d := online()
	d.Use, d.UseUntil = "wan", noon.Add(10*time.Minute)
	d.Health = []Code{
		{Code: "config-empty", Severity: "notice", Text: "a notice"},
		{Code: "state-indexes", Severity: "warning", Text: "a warning"},
		{Code: "state-dir", Severity: "error", Text: "the first error"},
		{Code: "lease-overlaps-lan", Severity: "error", Entry: "wan", Text: "the second error"},
	}
	d.SortHealth()
	d.LANs[1].Down = true // by the operator
	return d
}

func TestText(t *testing.T) {
	forever := online()
	forever.Use = "4g"
	dark := hold()
	dark.Path = ""
	down := hold()
	down.Hold, down.Reason = false, "every uplink is closed"
	for name, d := range map[string]*Document{
		"online": online(), "hold": hold(), "nothing": {At: noon, Health: []Code{{Code: "config-empty", Severity: "notice", Text: "nothing is configured"}}},
		"override": forever, "health": troubled(), "dark": dark, "offline": down,
	} {
		t.Run(name, func(t *testing.T) { golden(t, "status-"+name+".txt", d.Text()) })
	}
}

func TestOtherTexts(t *testing.T) {
	golden(t, "uplinks.txt", online().UplinksText())
	golden(t, "leases.txt", online().LeasesText())
	golden(t, "leases-none.txt", (&Document{}).LeasesText())
	golden(t, "explain.txt", online().ExplainText())
	golden(t, "explain-hold.txt", hold().ExplainText())
	e := Event{Seq: 1, At: noon.Add(1500 * time.Millisecond), Kind: "IP_READY", Text: "wan has address 192.0.2.10/24"}
	golden(t, "event.txt", e.Line()+"\n")
	var lines []string
	for _, x := range []Target{
		{Kind: "icmp", Address: "1.1.1.1", Alive: true, Ever: true, At: noon, RTTms: 12.34},
		{Kind: "gateway", Ever: true, At: noon, Reason: "no answer within 1s"},
		{Kind: "tcp", Address: "8.8.8.8:443", At: noon, Reason: "connection refused"},
		{Kind: "dns", Address: "8.8.8.8:53"},
	} {
		lines = append(lines, x.Line())
	}
	golden(t, "targets.txt", strings.Join(lines, "\n")+"\n")
}

// The field names are the control API: they may grow, never change or go.
func TestJSONIsStable(t *testing.T) {
	b, err := json.MarshalIndent(troubled(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "document.json", string(b)+"\n")
	var back Document
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(troubled(), &back); d != "" {
		t.Errorf("a program that reads the document gets another one (-sent +got):\n%s", d)
	}
}

// Every exported field has a JSON name of its own: a field without a tag would
// put its Go name into the API.
func TestEveryFieldHasAJSONName(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(r reflect.Type) {
		for r.Kind() == reflect.Slice || r.Kind() == reflect.Map || r.Kind() == reflect.Pointer {
			r = r.Elem()
		}
		if r.Kind() != reflect.Struct || r == reflect.TypeFor[time.Time]() || seen[r] {
			return
		}
		seen[r] = true
		for i := range r.NumField() {
			name, _, _ := strings.Cut(r.Field(i).Tag.Get("json"), ",")
			if name == "" || name != strings.ToLower(name) {
				t.Errorf("%s.%s has JSON name %q, want one in lower case", r.Name(), r.Field(i).Name, name)
			}
			walk(r.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[Document]())
	walk(reflect.TypeFor[Event]())
}

func TestLookups(t *testing.T) {
	d := online()
	if got := d.UplinkNames(); !cmp.Equal(got, []string{"wan", "4g"}) {
		t.Errorf("UplinkNames = %v", got)
	}
	if got := d.LANNames(); !cmp.Equal(got, []string{"lan", "guest"}) {
		t.Errorf("LANNames = %v", got)
	}
	if u := d.Uplink("4g"); u == nil || u.Device != "usb0" {
		t.Errorf("Uplink(4g) = %+v", u)
	}
	if u := d.Uplink("lan"); u != nil {
		t.Errorf("Uplink(lan) = %+v, want none", u)
	}
	if got := (&Document{}).Leases(); got == nil || len(got) != 0 {
		t.Errorf("Leases of nothing = %#v, want an empty list: null is not one", got)
	}
}
