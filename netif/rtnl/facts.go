package rtnl

import (
	"os"
	"path/filepath"
	"strings"
)

// fact is what sysfs says about a device. name is the name at that time: the
// directory moves with a rename.
type fact struct {
	name, driver, path string
}

// ReadFacts returns the driver and the path below /sys/devices of the device
// called name; sysfs is usually "/sys". Virtual devices have neither.
func ReadFacts(sysfs, name string) (driver, path string) {
	device := filepath.Join(sysfs, "class", "net", name, "device")
	resolved, err := filepath.EvalSymlinks(device)
	if err != nil {
		return "", ""
	}
	root, err := filepath.EvalSymlinks(filepath.Join(sysfs, "devices"))
	if err != nil {
		return "", ""
	}
	path, ok := strings.CutPrefix(resolved, root+"/")
	if !ok {
		return "", ""
	}
	if target, err := os.Readlink(filepath.Join(resolved, "driver")); err == nil {
		driver = filepath.Base(target)
	}
	return driver, path
}

// readFacts reads sysfs for the links given by index and name.
func readFacts(sysfs string, names map[int]string) map[int]fact {
	facts := make(map[int]fact, len(names))
	for index, name := range names {
		f := fact{name: name}
		f.driver, f.path = ReadFacts(sysfs, name)
		facts[index] = f
	}
	return facts
}
