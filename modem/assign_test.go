package modem

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAssign: who gets which of the modems that are plugged in.
func TestAssign(t *testing.T) {
	dev := func(port string, vid, pid uint16) Device {
		return Device{Path: "pci0/usb1/" + port, VID: vid, PID: pid, Ports: []Port{{Path: "/dev/ttyUSB0"}}, Nets: []Net{{Name: "usb0"}}}
	}
	a, b, c := dev("1-1", 0x2c7c, 0x125), dev("1-2", 0x2c7c, 0x125), dev("1-3", 0x19d1, 1)
	adapter := Device{Path: "pci0/usb1/1-4", VID: 0x0403, PID: 0x6001, Ports: []Port{{Path: "/dev/ttyUSB9"}}}
	card := Device{Path: "pci0/usb1/1-5", VID: 0x0bda, PID: 0x8153, Nets: []Net{{Name: "eth1"}}}
	all := []Device{adapter, card, a, b, c}
	path := func(p string) Match { return Match{Path: "usb1/" + p} }
	for _, tt := range []struct {
		name    string
		devices []Device
		claims  []Claim
		imeis   map[string]string
		want    map[string]string // uplink: last part of the path
	}{
		{"the first that is a modem", all, []Claim{{Uplink: "x"}}, nil, map[string]string{"x": "1-1"}},
		{"a serial adapter and a network card are none", []Device{adapter, card}, []Claim{{Uplink: "x"}}, nil, map[string]string{}},
		{"a stick without a serial port, by name", all, []Claim{{Uplink: "x", Match: Match{VID: 0x0bda, PID: 0x8153}}}, nil, map[string]string{"x": "1-5"}},
		{"two that do not care", all, []Claim{{Uplink: "x"}, {Uplink: "y"}}, nil, map[string]string{"x": "1-1", "y": "1-2"}},
		{"who asks for more chooses first", all, []Claim{{Uplink: "x"}, {Uplink: "y", Match: path("1-1")}}, nil, map[string]string{"x": "1-2", "y": "1-1"}},
		{"by vendor and product", all, []Claim{{Uplink: "x", Match: Match{VID: 0x19d1, PID: 1}}}, nil, map[string]string{"x": "1-3"}},
		{"1-1 is not the end of 11-1", []Device{dev("11-1", 1, 1)}, []Claim{{Uplink: "x", Match: Match{Path: "1-1"}}}, nil, map[string]string{}},
		{"nobody takes what another has", all, []Claim{{Uplink: "x"}, {Uplink: "y", Has: "pci0/usb1/1-1"}}, nil, map[string]string{"x": "1-2", "y": "1-1"}},
		{"what it has, it keeps only while it matches", all, []Claim{{Uplink: "x", Match: path("1-3"), Has: "pci0/usb1/1-1"}}, nil, map[string]string{"x": "1-3"}},
		{"a known IMEI", all, []Claim{{Uplink: "x", Match: Match{IMEI: "2"}}}, map[string]string{"pci0/usb1/1-1": "1", "pci0/usb1/1-2": "2"}, map[string]string{"x": "1-2"}},
		{"an unknown one is tried", all, []Claim{{Uplink: "x", Match: Match{IMEI: "3"}}}, map[string]string{"pci0/usb1/1-1": "1", "pci0/usb1/1-2": "2"}, map[string]string{"x": "1-3"}},
		{"it was not its own", all, []Claim{{Uplink: "x", Match: Match{IMEI: "3"}, Has: "pci0/usb1/1-1"}},
			map[string]string{"pci0/usb1/1-1": "1", "pci0/usb1/1-2": "2", "pci0/usb1/1-3": "4"}, map[string]string{}},
		{"two IMEIs, crossed", all, []Claim{{Uplink: "x", Match: Match{IMEI: "2"}}, {Uplink: "y", Match: Match{IMEI: "1"}}},
			map[string]string{"pci0/usb1/1-1": "1", "pci0/usb1/1-2": "2"}, map[string]string{"x": "1-2", "y": "1-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]string{}
			for uplink, d := range Assign(tt.devices, tt.claims, tt.imeis, Profiles{}) {
				got[uplink] = d.Path[len("pci0/usb1/"):]
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// An Air720 shows a netdev and no tty until new_id: it is a modem, a network
// card that looks like it is none.
func TestAssignKnown(t *testing.T) {
	ps, err := LoadProfiles("", nil)
	if err != nil {
		t.Fatal(err)
	}
	d := Device{Path: "usb1/1-1", VID: 0x1286, PID: 0x4e3d, Nets: []Net{{Name: "usb0"}}}
	if _, ok := Assign([]Device{d}, []Claim{{Uplink: "4g"}}, nil, ps)["4g"]; !ok {
		t.Error("a known modem without ttys is left alone")
	}
	d.VID, d.PID = 0x0bda, 0x8153
	if _, ok := Assign([]Device{d}, []Claim{{Uplink: "4g"}}, nil, ps)["4g"]; ok {
		t.Error("a network card is taken for a modem")
	}
}
