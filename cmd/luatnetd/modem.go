package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"luatnetd/internal/status"
	"luatnetd/modem"
)

// modemFlags are shared by the commands below "ctl modem".
type modemFlags struct {
	*ctlFlags
	uplink string
}

func (f *ctlFlags) modem() *cobra.Command {
	m := &modemFlags{ctlFlags: f}
	cmd := &cobra.Command{Use: "modem", Short: "Show the 4G modems, or tell one of them", Args: onlyKnown}
	cmd.PersistentFlags().StringVar(&m.uplink, "uplink", "", "the modem's uplink, where there are several")
	m.watchable(cmd, m.list(func(list []status.Modem) string { return status.ModemsText(list, time.Now()) }))
	cmd.AddCommand(
		m.view("status", "Show how the modems stand", func(list []status.Modem) string { return status.ModemsText(list, time.Now()) }),
		m.view("signal", "Show the signal", signals), m.sim(),
		m.wish("cells", "Show the cells around", modem.AskCells, time.Minute),
		m.wish("scan", "Look for networks: minutes, and data stands still", modem.AskScan, 6*time.Minute),
		m.ussd(), m.flight(), m.reset(), m.at(), m.sms(), m.export(),
	)
	return cmd
}

// list gets the modems that --uplink chooses.
func (m *modemFlags) list(text func([]status.Modem) string) func(context.Context, []string) (any, string, error) {
	return func(ctx context.Context, _ []string) (any, string, error) {
		list, err := m.client().Modems(ctx)
		if m.uplink != "" {
			var one []status.Modem
			for _, x := range list {
				if x.Uplink == m.uplink {
					one = append(one, x)
				}
			}
			list = one
		}
		return list, text(list), err
	}
}

func (m *modemFlags) view(name, short string, text func([]status.Modem) string) *cobra.Command {
	return m.watchable(&cobra.Command{Use: name, Short: short, Args: exactly(0)}, m.list(text))
}

func signals(list []status.Modem) string {
	var b strings.Builder
	for _, x := range list {
		fmt.Fprintf(&b, "%s: %s  %s\n", x.Uplink, x.RAT, status.SignalText(x.Signal))
	}
	return b.String()
}

func cards(list []status.Modem) string {
	var b strings.Builder
	for _, x := range list {
		fmt.Fprintf(&b, "%s: %s %s\n", x.Uplink, x.SIM, x.ICCID)
	}
	return b.String()
}

func (m *modemFlags) sim() *cobra.Command {
	cmd := m.view("sim", "Show the cards", cards)
	unlock := m.wish("unlock", "Forget that a PIN was refused, and send the configured one though only two tries are left", modem.AskUnlock, time.Minute)
	cmd.AddCommand(unlock)
	return cmd
}

// ask hands a wish to the modem and prints what it answers.
func (m *modemFlags) ask(ctx context.Context, q modem.Request) error {
	r, err := m.client().AskModem(ctx, m.uplink, q)
	if err != nil {
		return err
	}
	r.Text = strings.Join(r.Lines, "\n")
	r.Lines = nil
	return m.reply(r, r)
}

func (m *modemFlags) wish(name, short string, kind modem.RequestKind, limit time.Duration) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		return m.ask(cmd.Context(), modem.Request{Kind: kind, Timeout: limit})
	}}
}

func (m *modemFlags) ussd() *cobra.Command {
	return &cobra.Command{Use: "ussd CODE", Short: "Ask the operator, as in *100#", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		return m.ask(cmd.Context(), modem.Request{Kind: modem.AskUSSD, Text: args[0], Timeout: time.Minute})
	}}
}

func (m *modemFlags) flight() *cobra.Command {
	return &cobra.Command{
		Use: "flight on|off", Short: "Switch the radio off, or on again (mobile.flymode)", Args: exactly(1), ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, ok := map[string]modem.RequestKind{"on": modem.AskFlightOn, "off": modem.AskFlightOff}[args[0]]
			if !ok {
				return usageError{fmt.Errorf("%q: want \"on\" or \"off\"", args[0])}
			}
			return m.ask(cmd.Context(), modem.Request{Kind: kind, Timeout: 30 * time.Second})
		},
	}
}

// resets are the words of "ctl modem reset", the mildest first.
var resets = []string{"radio", "modem", "usb", "power"}

func (m *modemFlags) reset() *cobra.Command {
	return &cobra.Command{
		Use: "reset " + strings.Join(resets, "|"), Short: "Start the radio, the module, its USB or its supply anew (mobile.reset)", Args: exactly(1), ValidArgs: resets,
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.ask(cmd.Context(), modem.Request{Kind: modem.AskReset, Text: args[0], Timeout: 2 * time.Minute})
		},
	}
}

func (m *modemFlags) at() *cobra.Command {
	var lease, limit time.Duration
	cmd := &cobra.Command{
		Use: "at [COMMAND]", Short: "Send an AT command, or lend a port to another program (--lease)", Args: cobra.MaximumNArgs(1),
		Long: "Sends a command such as +CSQ and prints the answer; it waits behind commands that run. With --lease it prints a terminal that leads to the modem for that long, for lpac or minicom.",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case lease > 0 && len(args) == 0:
				r, err := m.client().LeaseModem(cmd.Context(), m.uplink, lease)
				if err != nil {
					return err
				}
				return m.reply(r, r)
			case lease == 0 && len(args) == 1:
				text := strings.TrimPrefix(strings.TrimPrefix(args[0], "AT"), "at")
				return m.ask(cmd.Context(), modem.Request{Kind: modem.AskAT, Text: text, Timeout: limit})
			}
			return usageError{fmt.Errorf("want either a command or --lease")}
		},
	}
	cmd.Flags().DurationVar(&lease, "lease", 0, "lend a port for this long, such as 60s")
	cmd.Flags().DurationVar(&limit, "timeout", 10*time.Second, "how long to wait for the answer")
	return cmd
}

func (m *modemFlags) export() *cobra.Command {
	return &cobra.Command{Use: "export", Short: "Print status and trace, to send to somebody; secrets are masked", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		r, err := m.client().ExportModem(cmd.Context(), m.uplink)
		if err != nil {
			return err
		}
		return m.reply(r, r)
	}}
}

func (m *modemFlags) sms() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "Show the messages that came in", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		all, err := m.client().ModemSMS(cmd.Context(), m.uplink)
		if err != nil || m.json {
			return firstError(err, func() error { return printJSON(all) })
		}
		for _, x := range all {
			fmt.Printf("%s  %s  %s\n%s\n", x.Key, x.At.Format(time.RFC3339), x.From, x.Text)
		}
		return nil
	}}
	send := &cobra.Command{Use: "send NUMBER TEXT|-", Short: "Send a message; it is never sent twice", Args: exactly(2), RunE: func(cmd *cobra.Command, args []string) error {
		text, err := payload(args[1])
		if err != nil {
			return err
		}
		return m.ask(cmd.Context(), modem.Request{Kind: modem.AskSMSSend, To: args[0], Text: string(text), Timeout: 2 * time.Minute})
	}}
	remove := &cobra.Command{Use: "delete KEY|all", Short: "Delete a message from the store", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		key := args[0]
		if key == "all" {
			key = ""
		}
		r, err := m.client().ForgetSMS(cmd.Context(), m.uplink, key)
		if err != nil {
			return err
		}
		return m.reply(r, r)
	}}
	cmd := &cobra.Command{Use: "sms", Short: "Read, send and delete short messages", Args: onlyKnown, RunE: list.RunE}
	cmd.AddCommand(list, send, remove)
	return cmd
}

func firstError(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}
