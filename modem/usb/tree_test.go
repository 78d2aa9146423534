package usb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree is a sysfs made of files, as Linux 6.1 lays it out.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) tree {
	t.Helper()
	s := tree{t, t.TempDir()}
	for _, d := range []string{"bus/usb/devices", "bus/usb/drivers/usb", "bus/usb-serial/drivers/option1", "devices"} {
		s.mkdir(d)
	}
	for _, f := range []string{"bus/usb/drivers/usb/bind", "bus/usb/drivers/usb/unbind", "bus/usb-serial/drivers/option1/new_id"} {
		s.file(f, "")
	}
	return s
}

func (s tree) mkdir(path string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Join(s.root, path), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

func (s tree) file(path, content string) {
	s.t.Helper()
	s.mkdir(filepath.Dir(path))
	if err := os.WriteFile(filepath.Join(s.root, path), []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s tree) read(path string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.root, path))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// link makes path point to another path of the tree.
func (s tree) link(path, to string) {
	s.t.Helper()
	s.mkdir(filepath.Dir(path))
	if err := os.Symlink(filepath.Join(s.root, to), filepath.Join(s.root, path)); err != nil {
		s.t.Fatal(err)
	}
}

const bus = "pci0000:00/0000:00:14.0/usb1"

// plug puts a device on a port of the hub "usb1": "1-2"; or behind a hub: "1-2/1-2.3".
func (s tree) plug(at, vid, pid, serial string) string {
	path := bus + "/" + at
	d := "devices/" + path + "/"
	for name, v := range map[string]string{
		"idVendor": vid, "idProduct": pid, "bDeviceClass": "ef", "serial": serial,
		"manufacturer": "AirM2M", "product": "AirM2M Compo", "power/control": "auto", "authorized": "1",
	} {
		s.file(d+name, v+"\n")
	}
	s.link("bus/usb/devices/"+filepath.Base(at), "devices/"+path)
	return path
}

func (s tree) unplug(path string) {
	s.t.Helper()
	if err := errors.Join(os.Remove(filepath.Join(s.root, "bus/usb/devices", filepath.Base(path))), os.RemoveAll(filepath.Join(s.root, "devices", path))); err != nil {
		s.t.Fatal(err)
	}
}

// iface adds interface n ("02/02/01") with its driver and what came of it: "tty/ttyACM0", "net/usb0",
// "ttyUSB0" (with its port device), "usbmisc/cdc-wdm0".
func (s tree) iface(path string, n int, class, driver string, parts ...string) {
	c := strings.Split(class, "/")
	dir := fmt.Sprintf("devices/%s/%s:1.%d/", path, filepath.Base(path), n)
	s.file(dir+"bInterfaceNumber", fmt.Sprintf("%02x\n", n))
	s.file(dir+"bInterfaceClass", c[0]+"\n")
	s.file(dir+"bInterfaceSubClass", c[1]+"\n")
	s.file(dir+"bInterfaceProtocol", c[2]+"\n")
	if driver != "" {
		s.mkdir("bus/usb/drivers/" + driver)
		s.link(dir+"driver", "bus/usb/drivers/"+driver)
	}
	for _, p := range parts {
		switch {
		case strings.HasPrefix(p, "net/"):
			s.file(dir+p+"/address", "02:00:00:0a:00:02\n")
		case strings.HasPrefix(p, "ttyUSB"):
			s.mkdir(dir + p + "/tty/" + p)
			s.link(dir+p+"/driver", "bus/usb-serial/drivers/option1")
		default:
			s.mkdir(dir + p)
		}
	}
}

// air780 is the whole composition of an Air780E (spec: 19d1:0001, RNDIS 0/1, ACM 2/4/6).
func (s tree) air780(at string, acm, net int) string {
	p := s.plug(at, "19d1", "0001", "000000000001")
	s.iface(p, 0, "e0/01/03", "rndis_host", fmt.Sprintf("net/usb%d", net))
	s.iface(p, 1, "0a/00/00", "rndis_host")
	for i := range 3 {
		s.iface(p, 2+2*i, "02/02/01", "cdc_acm", fmt.Sprintf("tty/ttyACM%d", acm+i))
		s.iface(p, 3+2*i, "0a/00/00", "cdc_acm")
	}
	return p
}

// ec25 is an EC25 in QMI mode, its DIAG port and three others.
func (s tree) ec25(at string) string {
	p := s.plug(at, "2c7c", "0125", "")
	for i := range 4 {
		s.iface(p, i, "ff/00/00", "option", fmt.Sprintf("ttyUSB%d", i))
	}
	s.iface(p, 4, "ff/ff/ff", "qmi_wwan", "net/wwan0", "usbmisc/cdc-wdm0")
	return p
}

// hub makes usb1 and its ports, or a hub below.
func (s tree) hub(path string, ports int) {
	name := filepath.Base(path)
	iface := name
	if name == "usb1" {
		iface = "1-0"
	}
	s.file("devices/"+path+"/idVendor", "1d6b\n")
	s.file("devices/"+path+"/idProduct", "0002\n")
	s.file("devices/"+path+"/bDeviceClass", "09\n")
	s.link("bus/usb/devices/"+name, "devices/"+path)
	for i := range ports {
		s.file(fmt.Sprintf("devices/%s/%s:1.0/%s-port%d/disable", path, iface, name, i+1), "0\n")
	}
}
