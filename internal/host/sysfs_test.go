package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSysfsOpensForItsListOnly(t *testing.T) {
	root := t.TempDir()
	s := Sysfs{Root: root}
	const dev = "devices/pci0000:00/0000:00:14.0/usb1/1-2/"
	for rel, open := range map[string]bool{
		"bus/usb/drivers/usb/bind":              true,
		"bus/usb/drivers/usb/unbind":            true,
		"bus/usb-serial/drivers/option1/new_id": true,
		"class/net/wwan0/qmi/raw_ip":            true,
		dev + "power/control":                   true,
		dev + "uevent":                          true,
		dev + "authorized":                      true,
		"devices/pci0000:00/0000:00:14.0/usb1/1-0:1.0/usb1-port2/disable": true,
		"class/net/wwan0/mtu":                                                     false,
		"bus/usb/drivers/usb-storage/unbind":                                      false,
		"bus/pci/drivers/ahci/unbind":                                             false,
		"devices/pci0000:00/0000:00:14.0/power/control":                           false,
		"devices/pci0000:00/0000:00:14.0/remove":                                  false,
		dev + "bConfigurationValue":                                               false,
		"devices/pci0000:00/usb1/../../../../etc/x/authorized":                    false,
		"kernel/uevent_helper":                                                    false,
		"devices/virtual/x/usb1-port1/disable/../../../../kernel/x-port1/disable": false,
	} {
		path := root + "/" + rel
		if filepath.Clean(path) == path {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := s.Write(path, []byte("new"))
		got, _ := os.ReadFile(path)
		if open != (err == nil) || open && string(got) != "new" || !open && string(got) == "new" {
			t.Errorf("%s: %v, holds %q; want it open %v", rel, err, got, open)
		}
	}
	// A path that leaves by its dots, to what is there.
	outside := filepath.Join(root, "authorized")
	if err := os.WriteFile(outside, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(root+"/"+dev+"../../../../../authorized", []byte("new")); err == nil {
		t.Error("a path with dots was taken")
	}
	if err := s.Write("/etc/passwd", nil); err == nil {
		t.Error("a file outside of sysfs was written")
	}
	missing := root + "/bus/usb/drivers/usb/new"
	if err := s.Write(root+"/class/net/none/qmi/raw_ip", []byte("Y")); !os.IsNotExist(err) {
		t.Errorf("no such device: %v (%s)", err, missing)
	}
}
