package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBootRefusesOnlyTheWhole(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		is         error
	}{
		{"not TOML", "version = 1\n[[lan]\n", nil},
		{"version", "version = 2\n[[lan]]\nname = \"lan\"\ndevice = \"e\"\n", nil},
		{"nothing", "version = 1\n", ErrEmpty},
		{"nothing usable", "version = 1\n[[uplink]]\nname = \"u\"\n", ErrUnusable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _, err := ParseBoot("x", []byte(tt.text))
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Fatalf("got %v, want %v", err, tt.is)
			}
			var problems Problems
			if tt.is == nil && (!errors.As(err, &problems) || problems[0].Code() != "config-file-refused") {
				t.Errorf("got %v", err)
			}
			if (cfg != nil) != errors.Is(err, ErrEmpty) {
				t.Errorf("configuration: %v", cfg)
			}
		})
	}
}

// TestBootAgreesWithParse where there is nothing wrong.
func TestBootAgreesWithParse(t *testing.T) {
	want := mustParse(t, Reference())
	got, dropped, err := ParseBoot("test.toml", []byte(Reference()))
	if err != nil || dropped != nil {
		t.Fatalf("%v, %v", dropped, err)
	}
	if diff := cmp.Diff(want, got, equal...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const goodEntries = `
[[uplink]]
name = "wan"
device = "eth0"
[[uplink]]
name = "wan2"
device = "eth2"
[[lan]]
name = "lan"
ports = ["eth1"]
[[lan.dhcp.host]]
mac = "02:00:5e:10:00:01"
address = "192.168.5.10"
`

// TestBootDropsTheEntry: one bad entry added to a good file changes nothing
// of the good part.
func TestBootDropsTheEntry(t *testing.T) {
	want := mustParse(t, "version = 1\n"+goodEntries)
	for _, tt := range []struct{ name, text, code, entry string }{
		{"uplink without device", "[[uplink]]\nname = \"bad\"\n", "config-uplink-dropped", "bad"},
		{"uplink with a bad address", "[[uplink]]\nname = \"bad\"\ndevice = \"e9\"\naddress = \"1.2.3\"\n", "config-uplink-dropped", "bad"},
		{"uplink with a typo in address", "[[uplink]]\nname = \"bad\"\ndevice = \"e9\"\nadress = \"dhcp\"\n", "config-uplink-dropped", "bad"},
		{"uplink with LuatOS's static_ip", "[[uplink]]\nname = \"bad\"\ndevice = \"e9\"\nstatic_ip = {}\n", "config-uplink-dropped", "bad"},
		{"uplink on the LAN's port", "[[uplink]]\nname = \"bad\"\ndevice = \"eth1\"\n", "config-uplink-dropped", "bad"},
		{"uplink with the LAN's name", "[[uplink]]\nname = \"lan\"\ndevice = \"e9\"\n", "config-uplink-dropped", "lan"},
		{"host outside", "[[lan.dhcp.host]]\nname = \"bad\"\nmac = \"02:00:5e:10:00:02\"\naddress = \"10.0.0.1\"\n", "config-host-dropped", "lan/bad"},
		{"host twice", "[[lan.dhcp.host]]\nname = \"bad\"\nmac = \"02:00:5e:10:00:01\"\naddress = \"192.168.5.11\"\n", "config-host-dropped", "lan/bad"},
		{"host with a bad MAC", "[[lan.dhcp.host]]\nmac = \"02:00\"\naddress = \"192.168.5.11\"\n", "config-host-dropped", "lan/#2"},
		{"option", "[[lan.dhcp.option]]\ncode = 3\nip = \"192.168.5.1\"\n", "config-option-dropped", "lan/#1"},
		{"forward", "[[port_forward]]\nname = \"bad\"\nproto = \"tcp\"\nport = 0\nto = \"192.168.5.10\"\n", "config-forward-dropped", "bad"},
		{"allow", "[[firewall.allow]]\nfrom = \"nobody\"\nto = \"lan\"\n", "config-allow-dropped", "#1"},
		{"LAN without ports", "[[lan]]\nname = \"bad\"\n", "config-lan-dropped", "bad"},
		{"connection without host", "[[connection]]\nname = \"bad\"\nport = 1\n", "config-connection-dropped", "bad"},
		{"connection with a bad section", "[[connection]]\nname = \"bad\"\nhost = \"h\"\nport = 1\n[connection.keepalive]\ncount = 0\n", "config-connection-dropped", "bad"},
		{"connection with an unknown key", "[[connection]]\nname = \"bad\"\nhost = \"h\"\nport = 1\nhots = 1\n", "config-connection-dropped", "bad"},
		{"serial", "[[serial]]\ndevice = \"ttyS0\"\n", "config-source-dropped", "#1"},
		{"server on an uplink", "[[server]]\nname = \"bad\"\nlan = \"wan\"\n", "config-server-dropped", "bad"},
		{"oneshot of nobody", "[[oneshot]]\nname = \"bad\"\nconnection = \"gone\"\n", "config-source-dropped", "bad"},
		{"time", "[time]\nport = 0\n", "config-key-ignored", ""},
		{"unknown section", "[metrics]\nport = 1\n", "config-key-ignored", ""},
		{"later section", "[[radio]]\nname = \"r\"\n", "config-section-ignored", ""},
		{"firewall", "[firewall]\nicmp_rate = \"many\"\n", "config-key-ignored", ""},
		{"failover", "[failover]\nstartup_grace = 10\n", "config-key-ignored", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, dropped, err := ParseBoot("test.toml", []byte("version = 1\n"+goodEntries+tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(dropped) != 1 || dropped[0].Code() != tt.code || dropped[0].Entry != tt.entry {
				t.Errorf("dropped %+v", dropped)
			}
			if diff := cmp.Diff(want, got, equal...); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestBootKeepsTheLAN whatever is wrong in it, as long as it has a device.
func TestBootKeepsTheLAN(t *testing.T) {
	for _, bad := range []string{
		"address = \"nonsense\"", "address = 5", "name = \"B A D\"", "upstream = 5", "dhcp = 5", "dhcp = {pool_start = \"1.1.1.1\", pool_end = 7}",
		"dhcp.pool_start = \"192.168.5.50\"", "dhcp.lease = \"never\"", "dhcp.host = 1", "dhcp.option = [1]", "colour = \"red\"",
		"device = \"eth9\"", "address = \"10.0.0.0/8\"", "address = \"192.168.5.1/31\"",
	} {
		text := "version = 1\n[[lan]]\nports = [\"eth1\", \"eth2\", \"eth2\", \"no/such\"]\n" + bad + "\n"
		cfg, dropped, err := ParseBoot("x", []byte(text))
		if err != nil || len(cfg.LANs) != 1 || len(dropped) < 3 {
			t.Errorf("%s: %v, %v", bad, dropped, err)
			continue
		}
		l := cfg.LANs[0]
		if !l.Bridge || len(l.Ports) != 2 || !l.Address.IsValid() || !l.DHCP.PoolStart.IsValid() || l.Name == "" || l.Device != "br-"+l.Name {
			t.Errorf("%s: %+v", bad, l)
		}
	}
}

// TestBootTakesTheSafeSide where a word cannot be read.
func TestBootTakesTheSafeSide(t *testing.T) {
	cfg, dropped, err := ParseBoot("x", []byte("version = 1\n[[uplink]]\nname = \"u\"\ndevice = \"e\"\nmetered = \"yes\"\n[[lan]]\nname = \"l\"\ndevice = \"f\"\nupstream = [\"gone\"]\n[firewall]\nisolate_lans = \"yes\"\nipv6 = \"pas\"\n"))
	if err != nil || len(dropped) != 4 {
		t.Fatalf("%v, %v", dropped, err)
	}
	if !cfg.Uplinks[0].Metered || !cfg.Firewall.IsolateLANs || cfg.Firewall.IPv6 != "block" {
		t.Errorf("got %+v", cfg)
	}
	if diff := cmp.Diff([]string{"gone"}, cfg.LANs[0].Upstream); diff != "" {
		t.Errorf("a LAN must not leave by another uplink than it may use: %s", diff)
	}
}

// TestBootBadUplinkKeepsUpstream: the LAN's only uplink is dropped.
func TestBootBadUplinkKeepsUpstream(t *testing.T) {
	cfg, dropped, err := ParseBoot("x", []byte("version = 1\n[[uplink]]\nname = \"u\"\n[[lan]]\nname = \"l\"\ndevice = \"f\"\nupstream = \"u\"\n"))
	if err != nil || len(dropped) != 2 || dropped[1].Code() != "config-upstream-missing" {
		t.Fatalf("%v, %v", dropped, err)
	}
	if diff := cmp.Diff([]string{"u"}, cfg.LANs[0].Upstream); diff != "" {
		t.Error(diff)
	}
}

// TestBootAnyLineSpoiled spoils each value of the reference in turn: boot
// never refuses, and the LANs stay unless it is their device that is spoiled.
func TestBootAnyLineSpoiled(t *testing.T) {
	lines := strings.Split(Reference(), "\n")
	for i, line := range lines {
		key, _, ok := strings.Cut(line, " = ")
		if !ok || strings.HasPrefix(line, "#") || key == "version" {
			continue
		}
		for _, value := range []string{"1979-05-27", `"\u0001"`, "[[1]]", "{x = 1}", "-1"} {
			spoiled := append([]string(nil), lines...)
			spoiled[i] = key + " = " + value
			if (key == "text" || key == "delimiter" || key == "key_password") && value[0] == '"' {
				continue // any text will do
			}
			cfg, dropped, err := ParseBoot("x", []byte(strings.Join(spoiled, "\n")))
			if err != nil || len(dropped) == 0 {
				t.Errorf("%s in line %d: %v, %v", spoiled[i], i+1, dropped, err)
				continue
			}
			lost := key == "ports" || line == `device = "br-guest"`
			if len(cfg.LANs) != 2 && !lost {
				t.Errorf("%s in line %d: LANs %+v", spoiled[i], i+1, cfg.LANs)
			}
			if len(cfg.Uplinks) < 2 {
				t.Errorf("%s in line %d: uplinks %+v", spoiled[i], i+1, cfg.Uplinks)
			}
		}
	}
}

// TestBootRoutesNeverOpen: where routes were written and cannot be read,
// nothing passes; no route at all would let everything go everywhere.
func TestBootRoutesNeverOpen(t *testing.T) {
	const cloud = "version = 1\n[[connection]]\nname = \"cloud\"\nhost = \"h\"\nport = 1\n"
	for _, text := range []string{"[[route]]\nfrom = 5\n", "[[route]]\nform = [\"ctl\"]\n", "[[route]]\nfrom = [\"gone\"]\n", "route = 5\n"} {
		if strings.HasPrefix(text, "route") {
			text = strings.Replace(cloud, "version = 1\n", "version = 1\n"+text, 1)
		} else {
			text = cloud + text
		}
		cfg, dropped, err := ParseBoot("x", []byte(text))
		if err != nil || len(dropped) != 1 || len(cfg.Routes) != 1 || len(cfg.Routes[0].From) != 1 || cfg.Routes[0].From[0] == "ctl" {
			t.Errorf("%q: %v, %v, %+v", text, err, dropped, cfg)
		}
	}
	if cfg := mustParse(t, cloud); cfg.Routes != nil {
		t.Errorf("routes without a route: %v", cfg.Routes)
	}
}

// TestBootConnectionWaitsForItsUplink where that was left out: it must not
// leave by another one.
func TestBootConnectionWaitsForItsUplink(t *testing.T) {
	cfg, dropped, err := ParseBoot("x", []byte("version = 1\n[[uplink]]\nname = \"u\"\n[[connection]]\nname = \"c\"\nhost = \"h\"\nport = 1\nuplink = \"u\"\n"))
	if err != nil || len(dropped) != 2 || dropped[1].Code() != "config-upstream-missing" || len(cfg.Connections) != 1 || cfg.Connections[0].Uplink != "u" {
		t.Fatalf("%v, %v, %+v", err, dropped, cfg)
	}
}

// TestBootManyProblems ends soon: a thousand bad hosts are a second's work at most.
func TestBootManyProblems(t *testing.T) {
	var b strings.Builder
	b.WriteString("version = 1\n" + goodEntries)
	for i := range 3000 {
		fmt.Fprintf(&b, "[[lan.dhcp.host]]\nname = \"h%d\"\nmac = \"02:00:5e:10:00:01\"\naddress = \"192.168.5.%d\"\n", i/2, i%300)
	}
	cfg, dropped, err := ParseBoot("x", []byte(b.String()))
	if err != nil || len(cfg.LANs[0].DHCP.Hosts) != 1 || len(dropped) < 3000 {
		t.Errorf("%d hosts, %d dropped, %v", len(cfg.LANs[0].DHCP.Hosts), len(dropped), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Reference()))
	f.Add([]byte(Example()))
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, s := range []string{"lan = [{name = \"a\"}, 1, [2]]", "a.b.c = 1\n[a]\n[[a.b]]", "[lan]\n[[lan]]", "\"\" = 1\n[\"\".\"\"]", "version = 1\nuplink = [[]]", "x = \"\"\"\n\\\n\"\"\"\r\n# \u00e9\ny = [1,\n2] z"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := strings.Count(string(text), "\n") + 1
		judge := func(list Problems) {
			for i, p := range list {
				if p.Line < 1 || p.Line > lines || p.Col < 1 || p.Key == "" || p.Value == "" || p.Want == "" || p.Scope == "" {
					t.Fatalf("incomplete problem %+v", p)
				}
				if i > 0 && p.Line < list[i-1].Line {
					t.Fatalf("not sorted: %v", list)
				}
				if m := goWords.FindString(p.Want + p.Hint); m != "" && p.Key != "file" {
					t.Fatalf("%q in %v", m, p)
				}
			}
		}
		cfg, problems := Parse("fuzz.toml", text)
		if (cfg == nil) != (len(problems) > 0) {
			t.Fatalf("both or neither: %v, %v", cfg, problems)
		}
		judge(problems)
		boot, dropped, err := ParseBoot("fuzz.toml", text)
		judge(dropped)
		if (boot == nil) != (err != nil && !errors.Is(err, ErrEmpty)) {
			t.Fatalf("boot: %v, %v", boot, err)
		}
		if cfg != nil {
			if diff := cmp.Diff(cfg, boot, equal...); diff != "" || dropped != nil {
				t.Fatalf("boot differs from a valid file: %v (-parse +boot)\n%s", dropped, diff)
			}
		}
		if boot != nil && err == nil {
			mustHold(t, boot)
		}
	})
}

// mustHold checks what nobody checks again after Parse.
func mustHold(t *testing.T, c *Config) {
	t.Helper()
	names := map[string]bool{"": true, "router": true}
	for _, u := range c.Uplinks {
		named := (u.Device == "") != u.Match.IsZero() || u.Driven() && u.Match.IsZero()
		if names[u.Name] || !validName(u.Name) || !named || u.Mode == "" || (u.Mode == ModeStatic) != u.Address.IsValid() || u.Address.IsValid() && !u.Gateway.IsValid() {
			t.Fatalf("uplink %+v", u)
		}
		names[u.Name] = true
		if k := u.Check; len(k.Methods) == 0 || k.Timeout > k.Interval || k.Timeout <= 0 || k.IntervalMiss > k.Interval || k.FailAfter < 1 || k.RecoverAfter < 1 {
			t.Fatalf("check %+v", k)
		}
	}
	for i, l := range c.LANs {
		if names[l.Name] || !validName(l.Name) || !validDevice(l.Device) || !l.Address.IsValid() || l.DHCP.Lease <= 0 {
			t.Fatalf("lan %+v", l)
		}
		names[l.Name] = true
		d := l.DHCP
		if !l.Address.Contains(d.PoolStart) || !l.Address.Contains(d.PoolEnd) || d.PoolEnd.Less(d.PoolStart) || !l.Address.Addr().Less(d.PoolStart) && !d.PoolEnd.Less(l.Address.Addr()) {
			t.Fatalf("pool of %+v", l)
		}
		for _, h := range d.Hosts {
			if len(h.MACs) == 0 || !l.Address.Contains(h.Address) || h.Address == l.Address.Addr() {
				t.Fatalf("host %+v", h)
			}
		}
		for _, o := range c.LANs[:i] {
			if o.Address.Overlaps(l.Address) {
				t.Fatalf("overlap of %+v and %+v", o, l)
			}
		}
		for _, u := range c.Uplinks {
			if u.Address.Overlaps(l.Address) || u.Device == l.Device && u.Device != "" {
				t.Fatalf("%+v collides with %+v", u, l)
			}
		}
	}
	for _, f := range c.Forwards {
		if f.Port == 0 || f.PortEnd < f.Port || f.To.Port() == 0 || f.Uplink != "" && c.Uplink(f.Uplink) == nil {
			t.Fatalf("forward %+v", f)
		}
	}
}
