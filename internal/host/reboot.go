package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Init is what runs as PID 1.
type Init string

// The inits that matter here: they feed the hardware watchdog themselves, and
// know how to stop the machine in order.
const (
	Systemd Init = "systemd"
	Procd   Init = "procd"
	Other   Init = ""
)

// PID1 returns what runs as PID 1. A systemd that was booted leaves
// /run/systemd/system (sd_booted(3)), whatever its process is called.
func PID1() Init { return pid1("/") }

func pid1(root string) Init {
	if fi, err := os.Lstat(filepath.Join(root, "run/systemd/system")); err == nil && fi.IsDir() {
		return Systemd
	}
	comm, err := os.ReadFile(filepath.Join(root, "proc/1/comm"))
	if err == nil && strings.TrimSpace(string(comm)) == "procd" {
		return Procd
	}
	return Other
}

// Rebooter restarts the machine: through PID 1, so that other programs can
// save what they hold, and by the kernel where that fails.
type Rebooter struct {
	Init   Init
	Run    func(ctx context.Context, name string, args ...string) error // nil: exec
	Kernel func() error                                                 // nil: sync(2) and reboot(2)
}

// Reboot asks for a reboot. It returns an error when nobody can: without
// CAP_SYS_BOOT, or in a container.
func (r Rebooter) Reboot(ctx context.Context) error {
	if r.Run == nil {
		r.Run = func(ctx context.Context, name string, args ...string) error {
			return exec.CommandContext(ctx, name, args...).Run()
		}
	}
	if r.Kernel == nil {
		r.Kernel = func() error {
			unix.Sync()
			return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
		}
	}
	var err error
	switch r.Init {
	case Systemd:
		err = r.Run(ctx, "systemctl", "--no-block", "reboot")
	default:
		err = r.Run(ctx, "reboot")
	}
	if err == nil {
		return nil
	}
	if kernel := r.Kernel(); kernel != nil {
		return fmt.Errorf("reboot: the init said %w, and the kernel: %w", err, kernel)
	}
	return nil
}
