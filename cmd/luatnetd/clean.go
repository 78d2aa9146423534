package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"luatnetd/internal/engine"
)

func newClean() *cobra.Command {
	opt := engine.Options{Version: version}
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Take away what a stopped daemon left in the kernel",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt.Log = newLog(logAuto, slog.LevelWarn)
			n, err := engine.Clean(cmd.Context(), opt)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d things taken away\n", n)
			return err
		},
	}
	placeFlags(cmd, &opt)
	return cmd
}

// placeFlags are the places that the daemon and its cleaner must agree on.
func placeFlags(cmd *cobra.Command, opt *engine.Options) {
	cmd.Flags().StringVarP(&opt.ConfigFile, "config", "c", defaultConfig, "configuration file")
	cmd.Flags().StringVar(&opt.RunDir, "run-dir", defaultRun, "directory for what a reboot may forget")
}
