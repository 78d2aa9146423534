package host

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Sysfs writes kernel attributes that need root: it is the one door for what
// the modem's levers change, so that a privileged helper can take its place.
// It opens for the attributes of its list only, and makes no file.
type Sysfs struct {
	Root string // where sysfs is mounted; "" is "/sys"
}

// attributes are the ends of the paths that may be written, as patterns of
// path.Match; the part before must be a folder of sysfs. The values that an
// attribute takes are the kernel's business.
var attributes = []string{
	"bus/usb/drivers/usb/unbind",
	"bus/usb/drivers/usb/bind",
	"bus/usb-serial/drivers/option1/new_id",
	"class/net/*/qmi/raw_ip",
}

// below are those that any device may have, below devices/.
var below = []string{"power/control", "authorized", "uevent", "*-port*/disable"}

// Write writes data to an attribute, whose path is absolute.
func (s Sysfs) Write(name string, data []byte) error {
	root := s.Root
	if root == "" {
		root = "/sys"
	}
	rel, ok := strings.CutPrefix(name, filepath.Clean(root)+"/")
	if !ok || path.Clean(rel) != rel || !permitted(rel) {
		return fmt.Errorf("write %s: it is no attribute that may be changed", name)
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data) // in one call: the kernel takes each as a value of its own
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

func permitted(rel string) bool {
	for _, p := range attributes {
		if ok, _ := path.Match(p, rel); ok {
			return true
		}
	}
	dir, ok := strings.CutPrefix(rel, "devices/")
	if !ok || !strings.Contains(rel, "/usb") {
		return false
	}
	for _, p := range below {
		parts := strings.Split(dir, "/")
		n := strings.Count(p, "/") + 1
		if len(parts) <= n {
			continue
		}
		if ok, _ := path.Match(p, strings.Join(parts[len(parts)-n:], "/")); ok {
			return true
		}
	}
	return false
}
