package netif

import (
	"strings"
	"testing"
)

func TestMatchFind(t *testing.T) {
	mac := MAC{2, 0, 0x5e, 0x10, 0, 1}
	usb := "pci0000:00/0000:00:14.0/usb1/1-2/1-2.1/1-2.1:1.0"
	devices := []DeviceFacts{
		{Name: "lo"},
		{Name: "eth0", MAC: mac, Driver: "r8169", Path: "pci0000:00/0000:00:1c.0/0000:01:00.0"},
		{Name: "br-lan", MAC: mac},
		{Name: "usb0", MAC: MAC{2, 0, 0, 0, 0, 7}, Permanent: MAC{2, 0, 0, 0, 0, 8}, Driver: "cdc_ether", Path: usb},
		{Name: "usb1", MAC: MAC{2, 0, 0, 0, 0, 9}, Driver: "cdc_ether", Path: "pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0"},
		{Name: "veth0", MAC: MAC{2, 0, 0, 0, 0, 5}},
	}
	for _, tt := range []struct {
		name  string
		match Match
		want  string
		says  string
	}{
		{"mac, and the bridge over it is not hardware", Match{MAC: mac}, "eth0", ""},
		{"mac of a virtual device", Match{MAC: MAC{2, 0, 0, 0, 0, 5}}, "veth0", ""},
		{"burnt-in mac", Match{MAC: MAC{2, 0, 0, 0, 0, 8}}, "usb0", ""},
		{"whole path", Match{Path: usb}, "usb0", ""},
		{"path as sysfs shows it", Match{Path: "/sys/devices/" + usb + "/"}, "usb0", ""},
		{"port without interface", Match{Path: "1-2.1"}, "usb0", ""},
		{"port with interface", Match{Path: "1-3:1.0"}, "usb1", ""},
		{"end of a PCI path", Match{Path: "0000:01:00.0"}, "eth0", ""},
		{"hub on the way", Match{Path: "1-2"}, "", "no device with path 1-2"},
		{"part of a name", Match{Path: "2.1:1.0"}, "", "no device"},
		{"driver", Match{Driver: "r8169"}, "eth0", ""},
		{"driver of two", Match{Driver: "cdc_ether"}, "", "several devices with driver cdc_ether: usb0, usb1"},
		{"driver and path", Match{Driver: "cdc_ether", Path: "1-3"}, "usb1", ""},
		{"contradiction", Match{Driver: "r8169", Path: "1-3"}, "", "no device with path 1-3, driver r8169"},
		{"nothing asked for", Match{}, "", "no device with nothing asked for"},
		{"empty path", Match{Path: "/"}, "", "no device"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := tt.match.Find(devices)
			if d.Name != tt.want {
				t.Errorf("found %q, want %q", d.Name, tt.want)
			}
			if (err != nil) != (tt.says != "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one saying %q", err, tt.says)
			}
		})
	}
}
