// Package gadget makes USB modems out of configfs gadgets, in a kernel that is
// their host at the same time: real drivers, real uevents, no hardware. It runs
// as root, in the VM. dummy_hcd has room for a netdev and two ACM ports, and
// for two devices at once; usbip-vudc has 15 endpoints each way, enough for the
// whole compositions of real modules.
package gadget

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const configfs = "/sys/kernel/config/usb_gadget"

// Function is a part of a composite device; their order makes the interface numbers.
type Function string

// The functions. Serial takes one interface, of the vendor class, the others two.
const (
	ACM    Function = "acm"
	Serial Function = "gser"
	ECM    Function = "ecm"
	NCM    Function = "ncm"
	RNDIS  Function = "rndis"
)

// Spec is a modem's outside.
type Spec struct {
	VID, PID  uint16
	Product   string
	Serial    string
	Functions []Function
}

// The whole compositions of two modules, and one that needs new_id.
var (
	Air780E = Spec{0x19d1, 0x0001, "AirM2M Compo", "000000000001", []Function{RNDIS, ACM, ACM, ACM}}
	EC25    = Spec{0x2c7c, 0x0125, "EC25-EU", "", []Function{Serial, Serial, Serial, Serial, ECM}}
	Air720  = Spec{0x1286, 0x4e3d, "Mobile Composite Device Bus", "200806006809080000", []Function{Serial, Serial, Serial}}
)

// Gadget is a modem that can be plugged in and pulled out.
type Gadget struct {
	Name string
	udc  UDC
	dir  string
}

// UDC is what a gadget is plugged into.
type UDC interface {
	// Attach makes the host see the gadget whose UDC file is at path, Detach
	// takes it away.
	Attach(path string) error
	Detach(path string) error
}

// Dummy is dummy_hcd's port with that number, from 0.
type Dummy int

// Attach writes the port's name.
func (d Dummy) Attach(path string) error { return write(path, fmt.Sprintf("dummy_udc.%d", int(d))) }

// Detach writes an empty line.
func (d Dummy) Detach(path string) error { return write(path, "") }

// Virtual is usbip-vudc's only port, over usbip on the loopback.
type Virtual struct{}

const vudc = "usbip-vudc.0"

// Attach exports the gadget and imports it again.
func (Virtual) Attach(path string) error {
	if b, err := os.ReadFile(path); err != nil || len(strings.TrimSpace(string(b))) == 0 {
		if err := write(path, vudc); err != nil {
			return err
		}
	}
	return Run("usbip", "attach", "-r", "127.0.0.1", "-b", vudc)
}

// Detach pulls the imported device out; it stays exported.
func (Virtual) Detach(string) error { return Run("usbip", "detach", "-p", "0") }

// StartVirtual starts what Virtual needs, and returns its end.
func StartVirtual() (stop func(), err error) {
	if err := Run("modprobe", "-a", "usbip-vudc", "vhci-hcd"); err != nil {
		return nil, err
	}
	c := exec.Command("usbipd", "--device")
	if err := c.Start(); err != nil {
		return nil, err
	}
	for range 200 { // until it listens
		conn, err := net.DialTimeout("tcp", "127.0.0.1:3240", time.Second)
		if err == nil {
			_ = conn.Close()
			return func() { _ = c.Process.Kill(); _ = c.Wait() }, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = c.Process.Kill()
	return nil, errors.New("usbipd does not listen")
}

// New makes a gadget, which is not yet plugged in.
func New(name string, s Spec, udc UDC) (*Gadget, error) {
	g := &Gadget{name, udc, filepath.Join(configfs, name)}
	for _, d := range []string{"", "strings/0x409", "configs/c.1"} {
		if err := os.Mkdir(filepath.Join(g.dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	var errs []error
	for name, value := range map[string]string{
		"idVendor": fmt.Sprintf("%#04x", s.VID), "idProduct": fmt.Sprintf("%#04x", s.PID),
		"bDeviceClass": "0xef", "bDeviceSubClass": "2", "bDeviceProtocol": "1", // interface associations
		"strings/0x409/product": s.Product, "strings/0x409/serialnumber": s.Serial, "strings/0x409/manufacturer": "luatnetd test",
	} {
		errs = append(errs, write(filepath.Join(g.dir, name), value))
	}
	for i, f := range s.Functions {
		errs = append(errs, g.add(f, i))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, g.Remove())
	}
	return g, nil
}

func (g *Gadget) add(f Function, i int) error {
	dir := filepath.Join(g.dir, "functions", fmt.Sprintf("%s.%s%d", f, g.Name, i))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "host_addr")); err == nil {
		// The host's address is the modem's alone: two of one kind have one each.
		last := int(g.Name[len(g.Name)-1])
		errs := errors.Join(
			write(filepath.Join(dir, "dev_addr"), fmt.Sprintf("02:00:00:0a:00:%02x", last)),
			write(filepath.Join(dir, "host_addr"), fmt.Sprintf("02:00:00:0b:00:%02x", last)))
		if errs != nil {
			return errs
		}
	}
	return os.Symlink(dir, filepath.Join(g.dir, "configs/c.1", filepath.Base(dir)))
}

// Plug plugs the gadget in.
func (g *Gadget) Plug() error { return g.udc.Attach(filepath.Join(g.dir, "UDC")) }

// Unplug pulls it out.
func (g *Gadget) Unplug() error { return g.udc.Detach(filepath.Join(g.dir, "UDC")) }

// TTYs are the modem's ends of its serial functions, in their order.
func (g *Gadget) TTYs() (list []string) {
	for _, f := range g.functions("port_num") {
		list = append(list, "/dev/ttyGS"+f)
	}
	return list
}

// Net is the modem's end of its netdev; it has a name once it was plugged in.
func (g *Gadget) Net() string {
	return strings.Join(g.functions("ifname"), " ")
}

// functions are the values of an attribute, by the function's number.
func (g *Gadget) functions(attribute string) (list []string) {
	names, _ := filepath.Glob(filepath.Join(g.dir, "configs/c.1/*", attribute))
	number := func(path string) int {
		dir := filepath.Base(filepath.Dir(path))
		n, _ := strconv.Atoi(dir[strings.LastIndex(dir, g.Name)+len(g.Name):])
		return n
	}
	for n := range 16 {
		for _, path := range names {
			if b, err := os.ReadFile(path); err == nil && number(path) == n {
				list = append(list, strings.TrimSpace(string(b)))
			}
		}
	}
	return list
}

// Remove unplugs the gadget for good.
func (g *Gadget) Remove() error {
	_ = g.Unplug()
	_ = write(filepath.Join(g.dir, "UDC"), "")
	links, _ := filepath.Glob(filepath.Join(g.dir, "configs/c.1/*.*"))
	functions, _ := filepath.Glob(filepath.Join(g.dir, "functions/*"))
	var errs []error
	for _, l := range links {
		errs = append(errs, os.Remove(l))
	}
	for _, d := range append(append([]string{filepath.Join(g.dir, "configs/c.1")}, functions...), filepath.Join(g.dir, "strings/0x409"), g.dir) {
		errs = append(errs, os.Remove(d))
	}
	return errors.Join(errs...)
}

func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value + "\n") // a write of nothing would be none
	return errors.Join(err, f.Close())
}

// Run runs a program to its end; an error has its words.
func Run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
