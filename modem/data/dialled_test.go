package data

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"luatnetd/modem"
)

// The tools here are stand-ins that replay what real ones have printed: there is
// no QMI or MBIM device to talk to. What they show is our sequence, our reading
// of the answers, and what we do when a tool refuses or hangs.

// replay answers by the words in the arguments: one "pattern) answer" a line.
func replay(cases string) string {
	return "echo \"${0##*/} $*\" >>\"$LOG\"\ncase \"$*\" in\n" + cases + "\nesac\n"
}

// uqmi of OpenWrt 22.03; its settings as captured, addresses of RFC 5737.
const uqmiReplay = `
*--wda-get-data-format*) echo '"raw-ip"';;
*--get-client-id*) echo 20;;
*--start-network*) echo 2267587312;;
*--get-current-settings*) cat <<'J'
{
	"pdp-type": "ipv4",
	"ip-family": "ipv4",
	"mtu": 1460,
	"ipv4": {
		"ip": "192.0.2.9",
		"dns1": "198.51.100.1",
		"dns2": "198.51.100.2",
		"gateway": "192.0.2.10",
		"subnet": "255.255.255.252"
	},
	"ipv6": {

	},
	"domain-names": {

	}
}
J
;;`

// qmicli of libqmi 1.32.
const qmicliReplay = `
*--wda-get-data-format*) cat <<'T'
[/dev/cdc-wdm0] Successfully got data format
                   QoS flow header: no
               Link layer protocol: 'raw-ip'
  Uplink data aggregation protocol: 'disabled'
Downlink data aggregation protocol: 'disabled'
T
;;
*--wds-start-network*) cat <<'T'
[/dev/cdc-wdm0] Network started
	Packet data handle: '2267587312'
[/dev/cdc-wdm0] Client ID not released:
	Service: 'wds'
	    CID: '19'
T
;;
*--wds-get-current-settings*) cat <<'T'
[/dev/cdc-wdm0] Current settings retrieved:
           IP Family: IPv4
        IPv4 address: 192.0.2.9
    IPv4 subnet mask: 255.255.255.252
IPv4 gateway address: 192.0.2.10
    IPv4 primary DNS: 198.51.100.1
  IPv4 secondary DNS: 198.51.100.2
                 MTU: 1460
             Domains: none
T
;;`

const umbimReplay = `
*config*) cat <<'T'
  ipv4address: 192.0.2.9/30
  ipv4gateway: 192.0.2.10
  ipv4mtu: 1460
  ipv4dnsserver: 198.51.100.1
  ipv4dnsserver: 198.51.100.2
T
;;`

const mbimcliReplay = `
*--connect*) cat <<'T'
[/dev/cdc-wdm0] Successfully connected

[/dev/cdc-wdm0] Connection status:
	      Session ID: '0'
	Activation state: 'activated'
[/dev/cdc-wdm0] IPv4 configuration available: 'address, gateway, dns, mtu'
     IP [0]: '192.0.2.9/30'
    Gateway: '192.0.2.10'
    DNS [0]: '198.51.100.1'
    DNS [1]: '198.51.100.2'
        MTU: '1460'

[/dev/cdc-wdm0] IPv6 configuration available: 'none'
[/dev/cdc-wdm0] Session not closed:
	    TRID: '7'
T
;;
*--disconnect*) ;;
*) printf "[/dev/cdc-wdm0] Session not closed:\n\t    TRID: '4'\n";;`

func wdmPlan(kind modem.DataKind) modem.DataPlan {
	return modem.DataPlan{
		Kind: kind, Netdev: "wwan0", Control: "/dev/cdc-wdm0",
		Settings: modem.DataAccess{APN: "internet", PDPType: "IP"},
	}
}

// raw makes the driver's attribute, as it is after the start of the system.
func (b *bench) raw(value string) string {
	b.t.Helper()
	path := filepath.Join(b.env.Sysfs, "class/net/wwan0/qmi/raw_ip")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(value+"\n"), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.env.Write = func(path string, data []byte) error {
		b.note("raw_ip " + string(data))
		return os.WriteFile(path, data, 0o644)
	}
	return path
}

func TestToolsStartAndStop(t *testing.T) {
	const u, q, s, c = "uqmi -d /dev/cdc-wdm0 ", "qmicli -d /dev/cdc-wdm0 ", "umbim -d /dev/cdc-wdm0 ", "mbimcli -d /dev/cdc-wdm0 "
	for _, tt := range []struct {
		program, replay string
		kind            modem.DataKind
		up, down        []string
	}{
		{"uqmi", uqmiReplay, modem.DataQMI, []string{
			u + "-t 3000 --get-pin-status", u + "-s --stop-network 0xffffffff --autoconnect",
			u + "-s --wda-set-data-format 802.3", u + "-s --wda-get-data-format", "link wwan0 down", "raw_ip Y",
			u + "-s --get-client-id wds", u + "-s --set-client-id wds,20 --set-ip-family ipv4",
			u + "-s --set-client-id wds,20 --start-network --apn internet",
			u + "-s --set-client-id wds,20 --get-current-settings", "link wwan0 up",
		}, []string{
			u + "-s --set-client-id wds,20 --stop-network 0xffffffff --autoconnect",
			u + "-s --set-client-id wds,20 --stop-network 2267587312",
			u + "-s --set-client-id wds,20 --release-client-id wds",
		}},
		{"qmicli", qmicliReplay, modem.DataQMI, []string{
			q + "--wda-get-data-format", "link wwan0 down", "raw_ip Y",
			q + "--wds-start-network=apn='internet',ip-type=4 --client-no-release-cid",
			q + "--wds-get-current-settings --client-cid=19 --client-no-release-cid", "link wwan0 up",
		}, []string{q + "--wds-stop-network=2267587312 --client-cid=19"}},
		{"umbim", umbimReplay, modem.DataMBIM, []string{
			s + "-n caps", s + "-n -t 4 subscriber", s + "-n -t 5 registration", s + "-n -t 6 attach",
			s + "-n -t 7 connect ipv4:internet none  ", s + "-n -t 8 config", "link wwan0 up",
		}, []string{s + "-t 8 disconnect"}},
		{"mbimcli", mbimcliReplay, modem.DataMBIM, []string{
			c + "--query-subscriber-ready-status --no-close",
			c + "--query-registration-state --no-open=4 --no-close", c + "--attach-packet-service --no-open=4 --no-close",
			c + "--connect=apn='internet',ip-type=ipv4 --no-open=4 --no-close", "link wwan0 up",
		}, []string{c + "--disconnect --no-open=7"}},
	} {
		t.Run(tt.program, func(t *testing.T) {
			b := newBench(t)
			b.raw("N")
			b.program(tt.program, replay(tt.replay))
			p := b.start(wdmPlan(tt.kind))
			want := modem.DataChanged{Up: true, Netdev: "wwan0", Bearer: bearer("192.0.2.9", "192.0.2.10", 1460, "198.51.100.1", "198.51.100.2")}
			if d := cmp.Diff(want, next(t, p), addresses, prefixes); d != "" {
				t.Errorf("change (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.up, b.calls()); d != "" {
				t.Errorf("calls (-want +got):\n%s", d)
			}
			stop(t, p)
			if c := next(t, p); c.Up || c.Cause != modem.DataAsked {
				t.Errorf("change %+v", c)
			}
			closed(t, p)
			if d := cmp.Diff(tt.down, b.calls()[len(tt.up):]); d != "" {
				t.Errorf("calls of the stop (-want +got):\n%s", d)
			}
			if left, _ := os.ReadDir(b.env.Dir); len(left) != 0 {
				t.Errorf("files left: %v", left)
			}
		})
	}
}

// What was begun is ended, and the tool's own words come out.
func TestToolThatIsRefused(t *testing.T) {
	for _, tt := range []struct {
		program, replay, words string
		kind                   modem.DataKind
		last                   string
	}{
		{"uqmi", "*--wda-get*) echo '\"802.3\"';;\n*--get-client-id*) echo 20;;\n*--start-network*) echo '\"Call failed\"'; exit 1;;",
			`uqmi: "Call failed"`, modem.DataQMI, "--release-client-id wds"},
		{"uqmi", "*--wda-get*) echo '\"802.3\"';;\n*--get-client-id*) echo '\"No effect\"';;",
			"uqmi: No effect", modem.DataQMI, "--get-client-id wds"},
		{"qmicli", "*--wda-get*) echo \"Link layer protocol: '802-3'\";;\n*--wds-start*) echo \"error: couldn't start network: QMI protocol error (14): 'CallFailed'\" >&2; exit 1;;",
			"qmicli: error: couldn't start network: QMI protocol error (14): 'CallFailed'", modem.DataQMI, "--client-no-release-cid"},
		{"umbim", "*connect*) exit 1;;", "umbim: exit status 1", modem.DataMBIM, "disconnect"},
		{"mbimcli", "*--connect*) echo \"error: operation failed: ServiceNotActivated\" >&2; exit 1;;\n*) echo \"TRID: '4'\";;",
			"mbimcli: error: operation failed: ServiceNotActivated", modem.DataMBIM, "--disconnect --no-open=4"},
		{"umbim", "*config*) ;;", "umbim: the network gave no address", modem.DataMBIM, "disconnect"},
	} {
		t.Run(tt.program, func(t *testing.T) {
			b := newBench(t)
			b.program(tt.program, replay(tt.replay))
			p := b.start(wdmPlan(tt.kind))
			c := next(t, p)
			if c.Up || c.Cause != modem.DataConnect || !strings.HasPrefix(c.Message, tt.words) {
				t.Errorf("change %+v, want %q", c, tt.words)
			}
			closed(t, p)
			if calls := b.calls(); !strings.HasSuffix(calls[len(calls)-1], tt.last) {
				t.Errorf("the last call is %q, want %q", calls[len(calls)-1], tt.last)
			}
		})
	}
}

// An Ethernet modem after a raw one: the driver is told, once.
func TestRawIPFollowsTheModem(t *testing.T) {
	b := newBench(t)
	path := b.raw("Y")
	m := &wdm{plan: wdmPlan(modem.DataQMI), env: b.env}
	for range 2 {
		if err := m.rawIP(false); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]string{"link wwan0 down", "raw_ip N"}, b.calls()); d != "" {
		t.Errorf("done (-want +got):\n%s", d)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if m.rawIP(false) != nil || m.rawIP(true) == nil {
		t.Error("an old driver does Ethernet, and cannot do raw IP")
	}
}

// A password never becomes an argument: QMI takes the modem's own profile, MBIM
// has none.
func TestToolsKeepThePassword(t *testing.T) {
	for program, text := range map[string]string{"uqmi": uqmiReplay, "qmicli": qmicliReplay} {
		b := newBench(t)
		b.raw("Y")
		b.program(program, replay(text))
		plan := wdmPlan(modem.DataQMI)
		plan.Settings.User, plan.Settings.Password = "me", "hunter2"
		p := b.start(plan)
		if !next(t, p).Up {
			t.Fatal("not up")
		}
		stop(t, p)
		<-p.Changes()
		all := strings.Join(b.calls(), "\n")
		if strings.Contains(all, "hunter2") || !strings.Contains(all, "profile 1") && !strings.Contains(all, "3gpp-profile=1") {
			t.Errorf("calls:\n%s", all)
		}
	}
	b := newBench(t)
	b.program("umbim", replay(umbimReplay))
	plan := wdmPlan(modem.DataMBIM)
	plan.Settings.Password = "hunter2"
	if err := b.plane(plan).Start(t.Context(), nil); err == nil || strings.Contains(err.Error(), "hunter2") || len(b.calls()) != 0 {
		t.Errorf("error %v, calls %q", err, b.calls())
	}
	plan.Settings = modem.DataAccess{APN: "a',password='x"}
	if err := b.plane(plan).Start(t.Context(), nil); err == nil {
		t.Error("an APN with a quote was accepted")
	}
}

func TestToolsSessionIsAdopted(t *testing.T) {
	b := newBench(t)
	b.raw("Y")
	b.program("uqmi", replay(uqmiReplay))
	ctx, cancel := context.WithCancel(t.Context())
	p := b.plane(wdmPlan(modem.DataQMI))
	if err := p.Start(ctx, nil); err != nil {
		t.Fatal(err)
	}
	first := next(t, p)
	started := len(b.calls())
	cancel()
	closed(t, p)
	if len(b.calls()) != started {
		t.Errorf("let go, but: %q", b.calls()[started:])
	}
	other := wdmPlan(modem.DataQMI)
	other.Settings.APN = "else"
	if b.plane(other).Adopt(t.Context()) {
		t.Error("another plan's session was adopted")
	}
	p = b.plane(wdmPlan(modem.DataQMI))
	if !p.Adopt(t.Context()) {
		t.Fatal("not adopted")
	}
	if d := cmp.Diff(first, next(t, p), addresses, prefixes); d != "" {
		t.Errorf("adopted (-want +got):\n%s", d)
	}
	if got := b.calls()[started:]; len(got) != 2 || !strings.Contains(got[0], "--get-current-settings") {
		t.Errorf("calls of the adoption: %q", got)
	}
	stop(t, p)
	<-p.Changes()

	// The modem has been reset meanwhile.
	b.program("uqmi", replay("*--get-current-settings*) echo '\"Out of call\"';;"))
	if err := os.WriteFile(filepath.Join(b.env.Dir, "gp.wdm.session"), []byte(`{"Program":"uqmi","Control":"/dev/cdc-wdm0","Netdev":"wwan0","APN":"internet","PDPType":"IP","Calls":[{"Family":"ipv4","Client":"20","Handle":"1"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p = b.plane(wdmPlan(modem.DataQMI))
	if !p.Adopt(t.Context()) {
		t.Fatal("the modem was not asked")
	}
	if c := next(t, p); c.Up || c.Message != "uqmi: Out of call" {
		t.Errorf("change %+v", c)
	}
}

// Stop ends a start that hangs, and nothing is left running.
func TestStopEndsAStart(t *testing.T) {
	b := newBench(t)
	b.program("uqmi", replay("*--get-pin-status*) exec sleep 1000;;"))
	p := b.start(wdmPlan(modem.DataQMI))
	stop(t, p)
	if c := next(t, p); c.Up || c.Cause != modem.DataAsked {
		t.Errorf("change %+v", c)
	}
	closed(t, p)
}

func TestDualStackTakesWhatTheNetworkGives(t *testing.T) {
	b := newBench(t)
	b.raw("Y")
	b.program("uqmi", replay(`*--wda-get*) echo '"raw-ip"';;
*--get-client-id*) n=$(grep -c get-client-id "$LOG"); echo $((20 + n));;
*wds,22*--start-network*) echo '"Call failed"'; exit 1;;
*--start-network*) echo 7;;
*--get-current-settings*) echo '{"mtu":1500,"ipv4":{"ip":"192.0.2.9","gateway":"192.0.2.10","dns1":"0.0.0.0"},"ipv6":{"ip":"2001:db8::9","ip-prefix-length":64}}';;`))
	plan := wdmPlan(modem.DataQMI)
	plan.Settings.PDPType = "IPV4V6"
	p := b.start(plan)
	c := next(t, p)
	want := bearer("192.0.2.9", "192.0.2.10", 1500)
	want.Addr6 = netip.MustParsePrefix("2001:db8::9/64")
	if d := cmp.Diff(want, c.Bearer, addresses, prefixes); d != "" || !c.Up {
		t.Errorf("%+v (-want +got):\n%s", c, d)
	}
	stop(t, p)
	<-p.Changes()
	if all := strings.Join(b.calls(), "\n"); strings.Count(all, "--release-client-id") != 2 {
		t.Errorf("both clients are to be released:\n%s", all)
	}
}

func TestMBIMReadsBothFamilies(t *testing.T) {
	// As recorded from an FM350, addresses of RFC 5737 and RFC 3849.
	got := parseMBIMCLI(`[/dev/wwanctrl] IPv4 configuration available: 'address, gateway, dns'
     IP [0]: '192.0.2.24/24'
    Gateway: '192.0.2.1'
    DNS [0]: '198.51.100.7'
[/dev/wwanctrl] IPv6 configuration available: 'address, dns, mtu'
     IP [0]: '2001:db8::24/64'
    DNS [0]: '2001:db8:101:c::7'
        MTU: '1420'
`)
	want := bearer("192.0.2.24", "192.0.2.1", 1420, "198.51.100.7", "2001:db8:101:c::7")
	want.Addr6 = netip.MustParsePrefix("2001:db8::24/64")
	if d := cmp.Diff(want, got, addresses, prefixes); d != "" {
		t.Errorf("bearer (-want +got):\n%s", d)
	}
}

func TestMissingTools(t *testing.T) {
	b := newBench(t)
	for kind, names := range map[modem.DataKind]string{modem.DataQMI: "uqmi or qmicli", modem.DataMBIM: "umbim or mbimcli"} {
		if _, err := New(wdmPlan(kind), b.env); Cause(err) != modem.DataMissing || !strings.Contains(err.Error(), names) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := New(modem.DataPlan{Kind: "pigeon"}, b.env); err == nil {
		t.Error("an unknown plane was accepted")
	}
	b.env.Name = "../x"
	if _, err := New(pppPlan, b.env); err == nil {
		t.Error("a path was accepted as a name")
	}
}
