package host

import "os"

// WriteSysfs writes to a file of sysfs.
func WriteSysfs(path string, b []byte) error { return os.WriteFile(path, b, 0) }
