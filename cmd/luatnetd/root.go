package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"luatnetd/internal/config"
)

// Default places; packages use them as they are.
const (
	defaultConfig = "/etc/luatnetd/luatnetd.toml"
	defaultRun    = "/run/luatnetd"
)

// usageError is a wrong command line.
type usageError struct{ error }

// errSilent ends a command that has already printed what is wrong.
var errSilent = errors.New("")

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "luatnetd",
		Short:         "Keep a Linux gateway online through 4G, Wi-Fi and Ethernet",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		Args: onlyKnown,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newRun(), newCheck(), newCtl(), newClean(), newVersion())
	return root
}

func onlyKnown(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
	}
	return nil
}

// exactly is cobra.ExactArgs with our exit code.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this program", Args: exactly(0),
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), version) },
	}
}

func newCheck() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file and print every problem with its line",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			cfg, problems := config.Parse(args[0], text)
			if asJSON {
				err = printJSON(append(config.Problems{}, problems...))
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), checkText(args[0], cfg, problems))
			}
			if err == nil && len(problems) > 0 {
				return errSilent
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the problems as a JSON array, for programs")
	return cmd
}

func checkText(file string, cfg *config.Config, problems config.Problems) string {
	if n := len(problems); n > 0 {
		return fmt.Sprintf("%v\n%s\n", problems, count(n, "problem"))
	}
	text := ""
	for _, w := range cfg.Warnings() {
		text += w.String() + "\n"
	}
	text += fmt.Sprintf("%s: good, %s and %s", file, count(len(cfg.Uplinks), "uplink"), count(len(cfg.LANs), "LAN"))
	if n := len(cfg.Connections); n > 0 {
		text += ", " + count(n, "connection")
	}
	return text + "\n"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printJSON writes a document for programs.
func printJSON(v any) error { return printJSONTo(os.Stdout, v) }

func printJSONTo(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
