package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"luatnetd/internal/config"
	"luatnetd/internal/ctl"
	"luatnetd/modem/data"
	"luatnetd/router"
	"luatnetd/router/kernel"
)

// ErrRunning says that a daemon owns what was to be cleaned.
var ErrRunning = errors.New("luatnetd is running, stop it first")

// Clean takes away everything that a stopped daemon left in the kernel, as a
// stop with on_stop = "clean" does, and reports how many things that were.
// Nothing is released at DHCP servers. A file that cannot be used does not keep
// it from the default mask and socket.
func Clean(ctx context.Context, opt Options) (int, error) {
	cfg, _, err := loadBoot(opt.ConfigFile)
	if err != nil {
		opt.Log.Warn("the configuration cannot be used, cleaning with the defaults", "error", err)
		if cfg, _, err = config.ParseBoot("", nil); err != nil && !errors.Is(err, config.ErrEmpty) {
			return 0, err
		}
	}
	if err := stopped(ctx, cfg.Control.Socket); err != nil {
		return 0, err
	}
	k, err := kernel.Open(kernel.Config{RunDir: opt.RunDir, Marks: router.Marks(cfg.State.MarkMask), Log: opt.Log})
	if err != nil {
		return 0, err
	}
	n, err := wipe(ctx, k, router.Plan{}, func() {})
	err = errors.Join(err, data.Clean(ctx, dataDir(opt), func(string) bool { return false }))
	return n, errors.Join(err, k.Close())
}

// stopped is nil where no daemon is behind the socket. One that hangs is none
// that has stopped.
func stopped(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := ctl.NewClient(socket).Status(ctx)
	if errors.Is(err, ctl.ErrNotRunning) {
		return nil
	}
	return fmt.Errorf("%w: something answers on %s", ErrRunning, socket)
}

// wipe takes away everything that is ours, and reports how much that was. quiet is
// called when nothing is forwarded any more: an address that is given back may
// be somebody else's at once.
func wipe(ctx context.Context, k *kernel.Kernel, plan router.Plan, quiet func()) (int, error) {
	have, err := read(ctx, k, plan)
	if err != nil {
		quiet()
		return 0, fmt.Errorf("read what is ours: %w", err)
	}
	ops, still := router.Clean(have), len(router.CleanForwarding(have))
	failures := k.Apply(ctx, ops[:still])
	quiet()
	failures = append(failures, k.Apply(ctx, ops[still:])...)
	var failed []error
	for _, f := range failures {
		failed = append(failed, f)
	}
	return len(ops), errors.Join(append(failed, k.RestoreSysctls())...)
}
