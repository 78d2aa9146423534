package rtnl

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFacts(t *testing.T) {
	dir := t.TempDir()
	usb := "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0"
	for _, d := range []string{"devices/" + usb + "/net/eth1", "devices/virtual/net/br0", "bus/usb/drivers/cdc_ether", "class/net"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	for link, target := range map[string]string{
		"class/net/eth1":                      "../../devices/" + usb + "/net/eth1",
		"devices/" + usb + "/net/eth1/device": "../../../1-2:1.0",
		"devices/" + usb + "/driver":          "../../../../../../bus/usb/drivers/cdc_ether",
		"class/net/br0":                       "../../devices/virtual/net/br0",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, link)))
	}
	for name, want := range map[string][2]string{"eth1": {"cdc_ether", usb}, "br0": {}, "gone": {}} {
		driver, path := ReadFacts(dir, name)
		if driver != want[0] || path != want[1] {
			t.Errorf("%s: driver %q path %q, want %q", name, driver, path, want)
		}
	}
}
