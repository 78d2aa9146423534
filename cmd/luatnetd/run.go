package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"luatnetd/internal/engine"
	"luatnetd/internal/host"
)

func newRun() *cobra.Command {
	opt := engine.Options{Version: version}
	level, to := slog.LevelInfo, logAuto
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt.Log = newLog(to, level)
			opt.Service = host.NewService()
			return runDaemon(opt)
		},
	}
	placeFlags(cmd, &opt)
	cmd.Flags().StringVar(&opt.StateDir, "state-dir", "", "directory for what outlives a reboot, where the configuration names none")
	cmd.Flags().Var(&to, "log", "auto, text, journal (with levels) or procd (warnings to standard error, the rest to standard output)")
	cmd.Flags().TextVar(&level, "log-level", slog.LevelInfo, "debug, info, warn or error")
	return cmd
}

// runDaemon runs until SIGTERM or SIGINT; SIGHUP reloads the configuration.
func runDaemon(opt engine.Options) error {
	debug.SetGCPercent(50)         // memory is dearer than time on these boxes
	debug.SetMemoryLimit(64 << 20) // soft: the collector works harder before the box swaps
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	hup := make(chan os.Signal, 1) // further ones before the reload add nothing
	signal.Notify(hup, unix.SIGHUP)
	defer signal.Stop(hup)
	reload := make(chan struct{}, 1)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				select {
				case reload <- struct{}{}:
				default:
				}
			}
		}
	}()
	return engine.Run(ctx, opt, reload)
}
