package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"luatnetd/internal/config"
	"luatnetd/internal/ctl"
	"luatnetd/internal/status"
)

// ctlFlags are shared by every "luatnetd ctl" command.
type ctlFlags struct {
	socket string
	json   bool
	watch  bool
}

func (f *ctlFlags) client() *ctl.Client { return ctl.NewClient(f.socket) }

func newCtl() *cobra.Command {
	f := &ctlFlags{}
	cmd := &cobra.Command{
		Use: "ctl", Short: "Ask or tell the running daemon", Args: onlyKnown,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&f.socket, "socket", config.DefaultSocket, "the daemon's control socket")
	cmd.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON, for programs")
	cmd.AddCommand(
		f.show("status", "Show what is online and why", (*status.Document).Text, func(d *status.Document) any { return d }),
		f.show("uplinks", "Show the uplinks", (*status.Document).UplinksText, func(d *status.Document) any { return d.Uplinks }),
		f.show("leases", "Show the addresses given to LAN clients", (*status.Document).LeasesText, func(d *status.Document) any { return d.Leases() }),
		f.show("explain", "Explain why this uplink is active, rule by rule", (*status.Document).ExplainText, func(d *status.Document) any { return d }),
		f.events(), f.plan(), f.use(),
		f.post("auto", "Let the configured order decide again"),
		f.probe(),
		f.post("reload", "Read the configuration file again"),
		f.uplink(),
		f.updown("lan", "Close a LAN, or open it again", (*status.Document).LANNames, "up", "down"),
		f.connections(), f.connection(), f.ports(), f.servers(), f.queue(), f.send(), f.receive(), f.oneshot(), f.time(), f.modem(),
		f.version(),
	)
	return cmd
}

// show makes a command that renders the status document.
func (f *ctlFlags) show(name, short string, text func(*status.Document) string, pick func(*status.Document) any) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: exactly(0)}
	return f.watchable(cmd, func(ctx context.Context, _ []string) (any, string, error) {
		d, err := f.client().Status(ctx)
		if err != nil {
			return nil, "", err
		}
		return pick(d), text(d), nil
	})
}

// clear starts a fresh screen while watching on a terminal.
func (f *ctlFlags) clear() {
	if f.watch && term.IsTerminal(int(os.Stdout.Fd())) {
		_, _ = os.Stdout.WriteString("\033[H\033[2J")
	}
}

func (f *ctlFlags) events() *cobra.Command {
	follow := false
	cmd := &cobra.Command{
		Use: "events", Short: "Show what happened", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), unix.SIGINT, unix.SIGTERM)
			defer stop()
			return f.client().Events(ctx, 0, follow, func(e status.Event) {
				if f.json {
					_ = json.NewEncoder(os.Stdout).Encode(e)
				} else {
					fmt.Println(e.Line())
				}
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new events")
	return cmd
}

func (f *ctlFlags) plan() *cobra.Command {
	return &cobra.Command{
		Use: "plan", Short: "Show what would change in the kernel", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.client().Plan(cmd.Context())
			if err != nil {
				return err
			}
			return f.reply(r, r)
		},
	}
}

func (f *ctlFlags) use() *cobra.Command {
	var d time.Duration
	cmd := &cobra.Command{
		Use: "use NAME", Short: "Prefer an uplink, whatever the configured order", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("for") && d <= 0 {
				return usageError{fmt.Errorf("--for %v: want a time above 0, such as 10m", d)}
			}
			r, err := f.client().Use(cmd.Context(), args[0], d)
			if err != nil {
				return err
			}
			return f.reply(r, r)
		},
		ValidArgsFunction: f.complete((*status.Document).UplinkNames),
	}
	cmd.Flags().DurationVar(&d, "for", 0, "how long, such as 10m (default: until \"ctl auto\")")
	return cmd
}

// post makes a command that is one request without arguments.
func (f *ctlFlags) post(name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.client().Post(cmd.Context(), name)
			if err != nil {
				return err
			}
			return f.reply(r, r)
		},
	}
}

// probe fails if the uplink does not pass the round that it asks for.
func (f *ctlFlags) probe() *cobra.Command {
	return &cobra.Command{
		Use: "probe NAME", Short: "Check an uplink now and show the result (exnetif.check_network_status)", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := f.client().Probe(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return f.reply(p.Reply, p)
		},
		ValidArgsFunction: f.complete((*status.Document).UplinkNames),
	}
}

// updown makes a command that tells one uplink or LAN one of some words.
func (f *ctlFlags) updown(what, short string, names func(*status.Document) []string, words ...string) *cobra.Command {
	return &cobra.Command{
		Use: what + " NAME " + strings.Join(words, "|"), Short: short, ValidArgsFunction: f.complete(names, words...),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 || !slices.Contains(words, args[1]) {
				return usageError{fmt.Errorf("want: luatnetd ctl %s NAME %s", what, strings.Join(words, "|"))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.client().Post(cmd.Context(), what, args[0], args[1])
			if err != nil {
				return err
			}
			return f.reply(r, r)
		},
	}
}

func (f *ctlFlags) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version of the running daemon", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := f.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(map[string]any{"version": d.Version, "api": d.API})
			}
			fmt.Printf("luatnetd %s, control API %d\n", d.Version, d.API)
			return nil
		},
	}
}

// reply prints an answer, with --json the whole document; one that is not OK
// makes the command fail.
func (f *ctlFlags) reply(r ctl.Reply, doc any) error {
	if f.json {
		if err := printJSON(doc); err != nil {
			return err
		}
	} else {
		fmt.Println(r.Text)
		for _, l := range r.Lines {
			fmt.Println("  " + l)
		}
	}
	if !r.OK {
		return errSilent
	}
	return nil
}

// complete offers names known to the running daemon to the shell.
func (f *ctlFlags) complete(names func(*status.Document) []string, then ...string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) == 1 && len(then) > 0:
			return then, cobra.ShellCompDirectiveNoFileComp
		case len(args) > 0:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		d, err := f.client().Status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(d), cobra.ShellCompDirectiveNoFileComp
	}
}
