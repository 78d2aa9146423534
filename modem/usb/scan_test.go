package usb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"luatnetd/modem"
	"luatnetd/netif"
)

func scan(t *testing.T, s tree) []modem.Device {
	t.Helper()
	list, err := Scan(s.root)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestScanShowsAnAir780E(t *testing.T) {
	s := newTree(t)
	s.hub(bus, 4)
	path := s.air780("1-2", 0, 1)
	acm, data := modem.Class{Class: 2, Sub: 2, Protocol: 1}, modem.Class{Class: 10}
	want := []modem.Device{{
		Path: path, VID: 0x19d1, PID: 1, Manufacturer: "AirM2M", Product: "AirM2M Compo", Serial: "000000000001",
		Ports: []modem.Port{
			{Path: "/dev/ttyACM0", Interface: 2, Class: acm, Driver: "cdc_acm"},
			{Path: "/dev/ttyACM1", Interface: 4, Class: acm, Driver: "cdc_acm"},
			{Path: "/dev/ttyACM2", Interface: 6, Class: acm, Driver: "cdc_acm"},
		},
		Nets: []modem.Net{{Name: "usb1", Interface: 0, Driver: "rndis_host", MAC: netif.MAC{2, 0, 0, 10, 0, 2}}},
		Interfaces: []modem.Interface{
			{Number: 0, Class: modem.Class{Class: 0xe0, Sub: 1, Protocol: 3}, Driver: "rndis_host"},
			{Number: 1, Class: data, Driver: "rndis_host"},
			{Number: 2, Class: acm, Driver: "cdc_acm"}, {Number: 3, Class: data, Driver: "cdc_acm"},
			{Number: 4, Class: acm, Driver: "cdc_acm"}, {Number: 5, Class: data, Driver: "cdc_acm"},
			{Number: 6, Class: acm, Driver: "cdc_acm"}, {Number: 7, Class: data, Driver: "cdc_acm"},
		},
	}}
	if d := cmp.Diff(want, scan(t, s)); d != "" {
		t.Errorf("snapshot (-want +got):\n%s", d)
	}
}

func TestScanShowsPortDriversAndControlDevices(t *testing.T) {
	s := newTree(t)
	s.ec25("1-1")
	d := scan(t, s)[0]
	var got []string
	for _, p := range d.Ports {
		got = append(got, p.Path+" "+p.Driver)
	}
	if d := cmp.Diff([]string{"/dev/ttyUSB0 option1", "/dev/ttyUSB1 option1", "/dev/ttyUSB2 option1", "/dev/ttyUSB3 option1"}, got); d != "" {
		t.Errorf("ports (-want +got):\n%s", d)
	}
	if len(d.Control) != 1 || d.Control[0] != "/dev/cdc-wdm0" || len(d.Nets) != 1 || d.Nets[0].Driver != "qmi_wwan" {
		t.Errorf("control %v, nets %v", d.Control, d.Nets)
	}
}

// Air780E modules all carry the same serial number; the path tells them apart.
func TestScanTellsEqualSerialsApart(t *testing.T) {
	s := newTree(t)
	s.hub(bus, 4)
	s.hub(bus+"/1-2", 4)
	far := s.air780("1-10", 3, 1)
	near := s.air780("1-2/1-2.3", 0, 0)
	list := scan(t, s)
	if len(list) != 2 || list[0].Path != near || list[1].Path != far {
		t.Fatalf("devices %v, want %s and %s, in this order", list, near, far)
	}
	if list[0].Serial != list[1].Serial || list[0].Nets[0].Name == list[1].Nets[0].Name {
		t.Errorf("serials %q %q, nets %v %v", list[0].Serial, list[1].Serial, list[0].Nets, list[1].Nets)
	}
}

// A module that needs new_id has no tty, but must be seen. A disk must not.
func TestScanShowsWhatNoDriverHasAndNoDisks(t *testing.T) {
	s := newTree(t)
	p := s.plug("1-1", "1286", "4e3d", "")
	s.iface(p, 0, "ff/00/00", "")
	disk := s.plug("1-3", "0781", "5567", "x")
	s.iface(disk, 0, "08/06/50", "usb-storage")
	bare := s.plug("1-4", "0e8d", "0003", "") // enumerates: no interface yet
	list := scan(t, s)
	if len(list) != 1 || list[0].ID() != "1286:4e3d" || len(list[0].Ports) != 0 || list[0].Interfaces[0].Driver != "" {
		t.Errorf("devices %+v, want 1286:4e3d without ports; not %s, not %s", list, disk, bare)
	}
}

func TestScanDistrustsStrings(t *testing.T) {
	s := newTree(t)
	p := s.air780("1-2", 0, 0)
	s.file("devices/"+p+"/product", "Air\x1b[2J\x00\xff780"+strings.Repeat("x", 500))
	if got := scan(t, s)[0].Product; strings.ContainsAny(got, "\x1b\x00") || !utf8.ValidString(got) || len(got) > maxString || !strings.HasPrefix(got, "Air[2J780x") {
		t.Errorf("product %q", got)
	}
}

// What goes away while it is read is left out; half a device is no error.
func TestScanSurvivesHalfADevice(t *testing.T) {
	s := newTree(t)
	gone := s.air780("1-2", 0, 0)
	s.ec25("1-3")
	s.link("bus/usb/devices/1-7", "devices/nowhere")
	if err := os.Remove(filepath.Join(s.root, "devices", gone, "idProduct")); err != nil {
		t.Fatal(err)
	}
	s.plug("1-5", "zzzz", "0001", "")
	if list := scan(t, s); len(list) != 1 || list[0].ID() != "2c7c:0125" {
		t.Errorf("devices %v", list)
	}
	if list, err := Scan(t.TempDir()); err != nil || list != nil {
		t.Errorf("without USB: %v, %v", list, err)
	}
}

func TestNaturalOrder(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"1-2", "1-10", -1}, {"ttyUSB10", "ttyUSB2", 1}, {"a", "a", 0}, {"1-2", "1-2.1", -1}, {"01", "1", 0}, {"b1", "a2", 1}} {
		if got := natural(tt.a, tt.b); got < 0 != (tt.want < 0) || got > 0 != (tt.want > 0) {
			t.Errorf("natural(%q, %q) = %d, want sign of %d", tt.a, tt.b, got, tt.want)
		}
	}
}
