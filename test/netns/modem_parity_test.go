package netns

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/internal/status"
	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

// registering is a connection that tells the server who the modem is.
const registering = `
[[connection]]
name = "cloud"
host = "203.0.113.10"
port = 42145
[connection.register]
text = "reg {imei} {iccid} {imsi} {csq};"
`

// What LuatOS's mobile library tells and does, by "ctl modem", on a module that
// tells all of it. GP-01, GP-02, GP-04.
func TestGPMobileLibrary(t *testing.T) {
	t.Parallel()
	card := modemtest.SIM{ICCID: "89860000000000004711", IMSI: "460001234567890"}
	b, m := modemBoxOf(t, "quectel-qc", modemConfig+registering, modemtest.Options{SIM: &card, Pace: modemtest.Pace{Scan: time.Second}})
	server, err := b.Server.Talk("socat", "-u", "TCP-LISTEN:42145,reuseaddr,fork", "STDOUT")
	b.ok(err)
	b.ok(b.ISPs[0].Cut())
	b.start()
	b.modemIs(60*time.Second, modem.Connected, "")
	b.eventually(90*time.Second, "signal, cell and network are read", func() error {
		if s := b.modem(); s.Signal.RSRP == nil || s.Cell.EARFCN == 0 || s.PLMN == "" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	b.mobileStatus(m, card)
	b.want(0, "LTE", "modem", "cells")
	b.want(0, "46000", "modem", "scan")
	b.want(0, "12.50", "modem", "ussd", "*100#")
	b.mobileEvents()
	b.active(30*time.Second, "4g", "wan2")
	csq := *b.modem().Signal.CSQ
	want := fmt.Sprintf("reg %s %s %s %d;", m.Personality().IMEI, card.ICCID, card.IMSI, csq)
	b.ok(server.Hears(30*time.Second, want))
	if got := server.Got(); !strings.HasPrefix(got, want) {
		t.Errorf("the server read %q, want it to begin with %q", got, want)
	}
	b.lent(m)
	b.flight()
}

// mobileStatus wants every number of GP-01 in the JSON of "ctl modem".
func (b *box) mobileStatus(m *modemtest.Attached, card modemtest.SIM) {
	b.t.Helper()
	var list []status.Modem
	b.json(&list, "modem")
	if len(list) != 1 {
		b.t.Fatalf("%d modems", len(list))
	}
	s := list[0]
	if s.IMEI != m.Personality().IMEI || s.SIM != "READY" || s.PLMN != "46000" || s.Registration != "home" || s.RAT == "" || s.Band == "" {
		b.t.Errorf("%+v", s)
	}
	for what, masked := range map[string]string{card.IMSI: s.IMSI, card.ICCID: s.ICCID} {
		if masked == "" || !strings.Contains(masked, "*") || strings.Contains(masked, what) {
			b.t.Errorf("%q is shown as %q, want it masked", what, masked)
		}
	}
	q := s.Signal
	if q.CSQ == nil || q.RSSI == nil || q.RSRP == nil || q.RSRQ == nil || q.SINR == nil {
		b.t.Errorf("signal %+v, want every value", q)
	}
	if c := s.Cell; c.ID == "" || c.TAC == "" || c.EARFCN == 0 || c.PCI == 0 {
		b.t.Errorf("cell %+v, want every number", c)
	}
}

// mobileEvents wants LuatOS's messages of a start.
func (b *box) mobileEvents() {
	b.t.Helper()
	if list := b.kinds("SIM_IND"); len(list) == 0 || list[len(list)-1].Attrs["status"] != "RDY" {
		b.t.Errorf("SIM_IND: %v, want RDY last", list)
	}
	if list := b.kinds("CELL_INFO_UPDATE"); len(list) == 0 || list[0].Attrs["cell"] == "" {
		b.t.Errorf("CELL_INFO_UPDATE: %v, want one with a cell", list)
	}
	b.onMobile("IP_READY")
}

// onMobile wants an event of the modem's address.
func (b *box) onMobile(kind status.EventKind) {
	b.t.Helper()
	b.eventually(30*time.Second, string(kind)+" of LWIP_GP", func() error {
		list := b.kinds(kind)
		if !slices.ContainsFunc(list, func(e status.Event) bool { return e.Attrs["adapter"] == "LWIP_GP" && e.Attrs["uplink"] == "4g" }) {
			return fmt.Errorf("%v", list)
		}
		return nil
	})
}

// lent has a foreign program talk to the modem while we pause, and wants our own
// commands answered afterwards.
func (b *box) lent(m *modemtest.Attached) {
	b.t.Helper()
	path := strings.TrimSpace(b.want(0, "/dev/pts/", "modem", "at", "--lease", "30s"))
	out := b.Gateway.MustRun(b.t, "sh", "-c", "printf 'AT+CGMM\\r' | socat -t1 - "+path+",raw,echo=0")
	if !strings.Contains(out, "EC25") || !strings.Contains(out, "OK") {
		b.t.Errorf("the program read %q from the lent port, want the model", out)
	}
	before := len(m.Commands("AT+CSQ"))
	b.want(0, "+CSQ: ", "modem", "at", "--timeout", "20s", "+CSQ")
	if len(m.Commands("AT+CSQ")) == before {
		b.t.Error("our command did not reach the modem after the lease")
	}
	b.modemIs(30*time.Second, modem.Connected, "")
}

// flight wants the address lost by flight mode, and the card's message when it
// is pulled.
func (b *box) flight() {
	b.t.Helper()
	b.want(0, "", "modem", "flight", "on")
	b.modemIs(30*time.Second, modem.RadioOff, modem.CodeRadioOff)
	b.onMobile("IP_LOSE")
	b.want(0, "", "modem", "flight", "off")
	b.modemIs(60*time.Second, modem.Connected, "")
	b.want(0, "", "modem", "reset", "radio")
	b.modemIs(60*time.Second, modem.Connected, "")
}

// secretModem has every secret that a modem's configuration may hold.
const secretModem = `
apn = "private.example"
pdp_type = "IP"
user = "gw7"
password = "apn-Passw0rd"
auth = "chap"
pin = "8642"
`

// PIN, APN password, IMSI and ICCID are in nothing that the daemon says, writes
// or shows, be its log at debug; and the keys of GP-02 reach the modem.
func TestGPSecrets(t *testing.T) {
	t.Parallel()
	card := modemtest.SIM{ICCID: "89860000000000004711", IMSI: "460001234567890"}.Lock("8642", "87654321")
	config := strings.Replace(modemConfig, "[uplink.modem]\n", "[uplink.modem]"+secretModem, 1)
	b, m := modemBoxOf(t, "quectel-qc", config+registering, modemtest.Options{SIM: &card})
	server, err := b.Server.Talk("socat", "-u", "TCP-LISTEN:42145,reuseaddr,fork", "STDOUT")
	b.ok(err)
	b.ok(b.ISPs[0].Cut())
	b.ok(os.Chmod(b.Config, 0o640)) // as the packages install it
	b.start("--log-level", "debug")
	b.modemIs(60*time.Second, modem.Connected, "")
	b.active(30*time.Second, "4g", "wan2")
	b.ok(server.Hears(30*time.Second, card.IMSI)) // so the numbers were in our hands
	sent := strings.Join(m.Commands("AT"), "\n")
	for _, used := range []string{`+CPIN="8642"`, `"IP","private.example"`, "apn-Passw0rd"} {
		if !strings.Contains(sent, used) {
			t.Errorf("the modem was not told %q, so the search proves nothing:\n%s", used, sent)
		}
	}
	s := &stage{box: b}
	seen := s.everythingSaid("cloud")
	for _, args := range [][]string{{"modem"}, {"modem", "--json"}, {"modem", "cells"}, {"modem", "sim"}, {"modem", "export"}} {
		seen[strings.Join(args, " ")], _ = b.ctl(args...)
	}
	b.ok(filepath.WalkDir(b.Gateway.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && path != b.Config {
			text, _ := os.ReadFile(path)
			seen["the file "+path] = string(text)
		}
		return nil
	}))
	seen["log"] = b.Daemon.Output()
	if !strings.Contains(seen["modem export"], "+CPIN") || !strings.Contains(seen["log"], "DEBUG") && !strings.Contains(seen["log"], "level=debug") {
		t.Errorf("trace or log is empty, so the search proves nothing:\n%s\n%s", seen["modem export"], tail(seen["log"], 1000))
	}
	for where, text := range seen {
		for _, secret := range []string{`"8642"`, "apn-Passw0rd", card.IMSI, card.ICCID} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows %s: …%s…", where, secret, text[max(0, i-80):min(len(text), i+80)])
			}
		}
	}
}

// The network watchdog's rung for modems starts the module anew. WD-01, GP-02.
func TestGPWatchdogResetsTheModem(t *testing.T) {
	t.Parallel()
	config := modemConfig + registering + `
[watchdog]
timeout = "30s"
grace = "0s"
ladder = ["modem"]
device = ""
`
	b, m := modemBoxOf(t, "air780-at", config, modemtest.Options{Pace: modemtest.Pace{Boot: time.Second}})
	b.ok(b.ISPs[0].Cut())
	b.start()
	b.modemIs(60*time.Second, modem.Connected, "")
	b.active(30*time.Second, "4g", "wan2")
	b.ok(m.Fault("data-dead"))
	before := m.Counters().Resets
	b.eventually(90*time.Second, "the modem is reset", func() error {
		if n := m.Counters().Resets; n <= before {
			return fmt.Errorf("%d resets, events %v", n, b.kinds("watchdog"))
		}
		return nil
	})
	if err := b.rungs("modem"); err != nil && !slices.ContainsFunc(b.kinds("watchdog"), func(e status.Event) bool { return e.Attrs["rung"] == "modem" }) {
		t.Errorf("no event of the watchdog's step: %v", b.kinds("watchdog"))
	}
	m.Clear("data-dead")
	b.modemIs(60*time.Second, modem.Connected, "")
}

// The supply of an Ethernet device is on before the uplink is used, off while
// it is closed, and on again. DEV-22.
func TestDEV22PowerOfAnEthernetUplink(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		power := filepath.Join(t.TempDir(), "power")
		b.ok(os.WriteFile(power, []byte("0"), 0o644))
		b.write(strings.Replace(static, "device = \"wan1\"\n", "device = \"wan1\"\npower = \"file:"+power+"\"\n", 1))
		supply := func(want, when string) {
			t.Helper()
			b.eventually(20*time.Second, "the supply "+when, func() error {
				if now, _ := os.ReadFile(power); strings.TrimSpace(string(now)) != want {
					return fmt.Errorf("it is %q, want %q", now, want)
				}
				return nil
			})
		}
		b.start()
		supply("1", "at the start")
		b.active(20*time.Second, "wan", "wan1")
		b.want(0, "", "uplink", "wan", "down")
		supply("0", "while the uplink is closed")
		b.active(20*time.Second, "wan2", "wan2")
		b.want(0, "", "uplink", "wan", "up")
		supply("1", "when it is open again")
		b.active(20*time.Second, "wan", "wan1")
		other := power + "2"
		b.ok(os.WriteFile(other, []byte("0"), 0o644))
		b.write(strings.Replace(static, "device = \"wan1\"\n", "device = \"wan1\"\npower = \"file:"+other+"\"\n", 1))
		b.reload()
		power = other
		supply("1", "of the switch that a reload names")
	})
}

// The modem of another chip is any device: 192.168.111.1/24 by 192.168.111.2
// unless the configuration says otherwise. GP-06.
func TestGP06AnotherChipsModem(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		b.write(`
[[uplink]]
name = "chip"
adapter = "LWIP_GP_GW"
device = "wan1"
metered = false
[uplink.check]
interval = "1s"

[[lan]]
name = "lan"
ports = ["lan1"]
address = "192.168.5.1/24"

[time]
enabled = false
`)
		chip := b.ISPs[0] // it translates, as a chip with a modem does
		b.ok(chip.AddAddr("down0", "192.168.111.2/24"))
		chip.MustRun(t, "sh", "-c", "nft flush ruleset && nft add table ip chip && nft add chain ip chip post '{ type nat hook postrouting priority 100; }' && nft add rule ip chip post oifname up0 masquerade")
		b.staticClient()
		b.start()
		b.active(20*time.Second, "chip", "wan1")
		b.eventually(10*time.Second, "it is probed", func() error {
			if u := b.uplink("chip"); !u.Verified || u.Address != "192.168.111.1/24" {
				return fmt.Errorf("%s, address %s: %s", u.State, u.Address, u.Reason)
			}
			return nil
		})
		b.sees("198.18.1.2")
		b.ok(chip.Blackhole(true))
		b.eventually(30*time.Second, "its death is noticed", func() error {
			if u := b.uplink("chip"); u.Verified {
				return fmt.Errorf("%s: %s", u.State, u.Reason)
			}
			return nil
		})
	})
}
