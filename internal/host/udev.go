package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// udevRules is where our rules lie: in memory, so that none outlives the machine's run.
const udevRules = "run/udev/rules.d/60-luatnetd-modem.rules"

// UdevRules replaces our udev rules by text; "" removes them. udevd reads them
// at its next event by itself. On a machine without udevd nothing is done.
func UdevRules(text string) error { return setUdevRules("/", text) }

func setUdevRules(root, text string) error {
	path := filepath.Join(root, udevRules)
	if text == "" {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if have, err := os.ReadFile(path); err == nil && string(have) == text {
		return nil
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(filepath.Dir(dir)); errors.Is(err, fs.ErrNotExist) {
		return nil // no udevd
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// udevd reads names that end with .rules only, so never half a file.
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
