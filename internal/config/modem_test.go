package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"luatnetd/modem"
)

// TestDEV24Modem is what [uplink.modem] means, by hand.
func TestDEV24Modem(t *testing.T) {
	any := modem.SIMSettings{PDPType: "IP", Roaming: true}
	base := modem.Settings{Uplink: "u", SIM: any, USBMode: "keep", Data: "auto"}
	with := func(f func(*modem.Settings)) modem.Settings {
		s := base
		f(&s)
		return s
	}
	for _, tt := range []struct {
		name, text string
		want       modem.Settings
		power      PowerSwitch
	}{
		{"nothing written", "", base, PowerSwitch{}},
		{"an empty section", "[uplink.modem]\n", base, PowerSwitch{}},
		{"GP-02 apn, pin, ipv6", "[uplink.modem]\napn = \"cmnet\"\nuser = \"a\"\npassword = \"b\"\npin = \"1234\"\npdp_type = \"IPV4V6\"\nroaming = false\nsim_slot = 2\n",
			with(func(s *modem.Settings) {
				s.SIM = modem.SIMSettings{APN: "cmnet", User: "a", Password: "b", PIN: "1234", PDPType: "IPV4V6"}
				s.SIMSlot = 2
			}), PowerSwitch{}},
		{"per card", "[uplink.modem]\napn = \"a\"\npin = \"1111\"\n[[uplink.modem.sim]]\niccid = \"8986001122334455667F\"\napn = \"b\"\nroaming = false\n",
			with(func(s *modem.Settings) {
				s.SIM = modem.SIMSettings{APN: "a", PIN: "1111", PDPType: "IP", Roaming: true}
				s.ByICC = map[string]modem.SIMSettings{"8986001122334455667": {APN: "b", PIN: "1111", PDPType: "IP"}}
			}), PowerSwitch{}},
		{"DEV-22 pwrpin", "[uplink.modem]\npower = \"gpio:/dev/gpiochip1:0:low\"\n",
			with(func(s *modem.Settings) { s.Power = true }),
			PowerSwitch{Chip: "/dev/gpiochip1", ActiveLow: true}},
		{"a serial line with its netdev", "device = \"m0\"\n[uplink.modem]\nport = \"/dev/ttyS1\"\ndata = \"netdev\"\n",
			with(func(s *modem.Settings) { s.Port, s.Netdev, s.Data = "/dev/ttyS1", "m0", "netdev" }), PowerSwitch{}},
		{"which of several", "[uplink.modem.match]\nusb_id = \"2c7c:0125\"\nimei = \"860000000000006\"\npath = \"usb1/1-2\"\n",
			with(func(s *modem.Settings) {
				s.Match = modem.Match{Path: "usb1/1-2", IMEI: "860000000000006", VID: 0x2c7c, PID: 0x0125}
			}), PowerSwitch{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := mustParse(t, "version = 1\n[[uplink]]\nname = \"u\"\nadapter = \"LWIP_GP\"\n"+tt.text).Uplinks[0]
			if !u.Driven() || !u.Metered || u.Mode != ModeDHCP {
				t.Errorf("driven %v, metered %v, mode %s", u.Driven(), u.Metered, u.Mode)
			}
			if diff := cmp.Diff(tt.want, u.Modem.Settings); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.power, u.Modem.Switch); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDEV24System: somebody else drives it, only the netdev is used.
func TestDEV24System(t *testing.T) {
	u := mustParse(t, "version = 1\n[[uplink]]\nname = \"u\"\nadapter = \"LWIP_GP\"\ndevice = \"wwan0\"\naddress = \"external\"\n[uplink.modem]\nowner = \"system\"\n").Uplinks[0]
	if u.Driven() || u.Device != "wwan0" || u.Mode != ModeExternal {
		t.Errorf("%+v", u)
	}
	u = mustParse(t, "version = 1\n[[uplink]]\nname = \"u\"\nadapter = \"LWIP_GP\"\ndevice = \"usb0\"\n").Uplinks[0]
	if u.Modem != nil {
		t.Error("a device that is there by itself became a modem")
	}
}

// TestDEV22Power: pwrpin and ethpower_en, for Ethernet.
func TestDEV22Power(t *testing.T) {
	for text, want := range map[string]PowerSwitch{
		"gpio:/dev/gpiochip0:17":     {Chip: "/dev/gpiochip0", Line: 17},
		"file:/sys/x/value":          {File: "/sys/x/value"},
		"file:/sys/x/value:low":      {File: "/sys/x/value", ActiveLow: true},
		"command:/usr/sbin/eth-powr": {Command: "/usr/sbin/eth-powr"},
	} {
		u := mustParse(t, "version = 1\n[[uplink]]\nname = \"u\"\ndevice = \"e\"\npower = \""+text+"\"\n").Uplinks[0]
		if diff := cmp.Diff(want, u.Power); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	for _, text := range []string{"gpio", "17", "gpio:17", "gpio:/dev/gpiochip0", "gpio:/dev/gpiochip0:x", "gpio:/dev/gpiochip0:9999", "file:value", "command:", "pin:/x"} {
		if _, problems := Parse("x", []byte("version = 1\n[[uplink]]\nname = \"u\"\ndevice = \"e\"\npower = \""+text+"\"\n")); len(problems) != 1 {
			t.Errorf("%s: %v", text, problems)
		}
	}
}

// TestModemSecretsAreNotShown in whatever prints a configuration.
func TestModemSecretsAreNotShown(t *testing.T) {
	c := mustParse(t, "version = 1\n[[uplink]]\nname = \"u\"\nadapter = \"LWIP_GP\"\n[uplink.modem]\npin = \"4711\"\nuser = \"hunter\"\npassword = \"hunter2\"\n[[uplink.modem.sim]]\niccid = \"89860000000000000001\"\npin = \"4712\"\n")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		s := fmt.Sprintf(verb, *c.Uplinks[0].Modem)
		if strings.Contains(s, "hunter2") || strings.Contains(s, "471") {
			t.Errorf("%s shows %s", verb, s)
		}
	}
}
