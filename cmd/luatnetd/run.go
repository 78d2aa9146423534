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
	level := slog.LevelInfo
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt.Log = newLog(level)
			opt.Service = host.NewService()
			return runDaemon(opt)
		},
	}
	cmd.Flags().StringVarP(&opt.ConfigFile, "config", "c", defaultConfig, "configuration file")
	cmd.Flags().StringVar(&opt.RunDir, "run-dir", defaultRun, "directory for what a reboot may forget")
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

// newLog writes key=value lines to standard error; the journal adds the time.
func newLog(level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if host.Journald() {
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}
