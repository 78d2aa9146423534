package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"luatnetd/internal/ctl"
	"luatnetd/internal/status"
)

// errNotSent is exit code 1 of "ctl send" and "ctl oneshot": the answer has
// been printed already.
var errNotSent = errors.New("not sent")

func (f *ctlFlags) connections() *cobra.Command {
	cmd := &cobra.Command{Use: "connections", Short: "Show the long connections", Args: exactly(0)}
	return f.watchable(cmd, func(ctx context.Context, _ []string) (any, string, error) {
		list, err := f.client().Connections(ctx)
		return list, status.ConnectionsText(list, time.Now()), err
	})
}

func (f *ctlFlags) ports() *cobra.Command {
	cmd := &cobra.Command{Use: "ports", Short: "Show the serial ports, and when nobody listened", Args: exactly(0)}
	return f.watchable(cmd, func(ctx context.Context, _ []string) (any, string, error) {
		list, err := f.client().Ports(ctx)
		return list, status.PortsText(list), err
	})
}

func (f *ctlFlags) servers() *cobra.Command {
	cmd := &cobra.Command{Use: "servers", Short: "Show the servers in the LANs and their clients", Args: exactly(0)}
	return f.watchable(cmd, func(ctx context.Context, _ []string) (any, string, error) {
		list, err := f.client().Servers(ctx)
		return list, status.ServersText(list), err
	})
}

func (f *ctlFlags) queue() *cobra.Command {
	cmd := &cobra.Command{Use: "queue NAME", Short: "Show what waits for a connection", Args: exactly(1)}
	return f.watchable(cmd, func(ctx context.Context, args []string) (any, string, error) {
		q, err := f.client().Queue(ctx, args[0])
		return q, q.Text(), err
	})
}

func (f *ctlFlags) time() *cobra.Command {
	cmd := &cobra.Command{Use: "time", Short: "Show whether the time can be trusted, and by whom", Args: exactly(0)}
	return f.watchable(cmd, func(ctx context.Context, _ []string) (any, string, error) {
		t, err := f.client().Time(ctx)
		return t, t.Text(), err
	})
}

// watchable makes cmd print what get returns, once or (--watch) each second
// until interrupted.
func (f *ctlFlags) watchable(cmd *cobra.Command, get func(ctx context.Context, args []string) (v any, text string, err error)) *cobra.Command {
	cmd.Flags().BoolVar(&f.watch, "watch", false, "show it again each second")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), unix.SIGINT, unix.SIGTERM)
		defer stop()
		for {
			v, text, err := get(ctx, args)
			switch {
			case err != nil && f.watch && ctx.Err() != nil:
				return nil // the person has seen enough
			case err != nil:
				return err
			case f.json:
				err = printJSON(v)
			default:
				f.clear()
				_, err = os.Stdout.WriteString(text)
			}
			if err != nil || !f.watch {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
		}
	}
	return cmd
}

func (f *ctlFlags) connection() *cobra.Command {
	var p captureFlags
	cmd := &cobra.Command{
		Use: "connection NAME trace", Short: "Show what a connection did last, or capture its packets", Args: exactly(2),
		Long: "Shows the last states, events and bytes of a connection.\n\nWith --pcap it writes the connection's packets instead, from now on, wherever it goes: a new session and another uplink, too. " + pcapHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] != "trace" {
				return usageError{fmt.Errorf("%q: want \"trace\"", args[1])}
			}
			if p.file != "" {
				p.tap.Connection = args[0]
				return f.capture(cmd.Context(), &p)
			}
			r, err := f.client().Trace(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return f.reply(r, r)
		},
	}
	p.add(cmd)
	return cmd
}

func (f *ctlFlags) send() *cobra.Command {
	var to string
	var wait bool
	cmd := &cobra.Command{
		Use: "send NAME|all TEXT|-", Short: "Send a message to a connection or server, or where the routes lead", Args: exactly(2),
		Long: "Sends TEXT, or with - what standard input holds, as the source \"ctl\". It returns when the message is accepted; with --wait when it is confirmed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := payload(args[1])
			if err != nil {
				return err
			}
			target := args[0]
			if target == "all" {
				target = ""
			}
			s, err := f.client().Send(cmd.Context(), target, to, data, wait)
			if err != nil {
				return err
			}
			return f.sent(s)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "one client of a server, such as client-2")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is confirmed or dropped")
	return cmd
}

func payload(text string) ([]byte, error) {
	if text == "-" {
		return io.ReadAll(os.Stdin)
	}
	return []byte(text), nil
}

func (f *ctlFlags) sent(s ctl.Sent) error {
	if f.json {
		if err := printJSON(s); err != nil {
			return err
		}
	} else {
		for _, t := range s.Targets {
			if t.Refused != "" {
				fmt.Printf("%s: refused: %s\n", t.Target, t.Refused)
				continue
			}
			fmt.Printf("%s: accepted (%s)\n", t.Target, t.Held)
		}
		for _, r := range s.Results {
			if r.OK {
				fmt.Println("confirmed")
			} else {
				fmt.Println("not sent: " + r.Reason)
			}
		}
	}
	if !s.OK {
		return errNotSent
	}
	return nil
}

func (f *ctlFlags) receive() *cobra.Command {
	cmd := &cobra.Command{
		Use: "recv [NAME]", Short: "Show what comes in, from one connection or server or from all", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), unix.SIGINT, unix.SIGTERM)
			defer stop()
			from := ""
			if len(args) == 1 {
				from = args[0]
			}
			return f.client().Receive(ctx, from, func(r ctl.Received) {
				if f.json {
					_ = printJSON(r)
					return
				}
				fmt.Printf("%s%s\n", r.Prefix, r.Data)
			})
		},
	}
	return cmd
}

func (f *ctlFlags) oneshot() *cobra.Command {
	return &cobra.Command{
		Use: "oneshot NAME [TEXT|-]", Short: "Make a short connection: connect, send, wait for an answer, close", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var data []byte
			var err error
			if len(args) == 2 {
				if data, err = payload(args[1]); err != nil {
					return err
				}
			}
			s, err := f.client().Shoot(cmd.Context(), args[0], data)
			if err != nil {
				return err
			}
			if f.json {
				err = printJSON(s)
			} else {
				fmt.Println(s.Status)
				if s.Error != "" {
					fmt.Println(s.Error)
				}
				if len(s.Reply) > 0 {
					fmt.Printf("%s\n", s.Reply)
				}
			}
			if err == nil && !s.OK {
				err = errNotSent
			}
			return err
		},
	}
}
