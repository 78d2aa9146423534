// Command luatnet-lab shows luatnetd at work: it builds a virtual internet of
// two providers, a gateway and a LAN client in network namespaces of its own,
// starts the real daemon as the gateway, tells in plain words what happens
// while cables are pulled, and measures it at the client. A third way out is an
// emulated 4G modem. "luatnet-lab client" puts a serial device and five servers
// around it instead, and measures long connections at the servers. It needs
// neither root nor any other program, and touches nothing outside of its
// namespaces. "luatnet-lab modem" is the emulated modem alone, on terminals, for
// whatever program wants to speak to one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
)

// Exit codes: those of luatnetd, and what a shell expects after ^C.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// options are what the command line gives.
type options struct {
	client  bool // long connections instead of the gateway
	script  bool
	binary  string
	keepLog string
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) > 0 && args[0] == "modem" {
		return serveModem(args[1:])
	}
	opt, err := parseFlags(args, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	code, err := lab.Enter()
	if err != nil {
		return refuse(err)
	}
	if !lab.Inside() {
		return code // the lab ran in a child, inside its namespaces
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	return show(ctx, opt)
}

// show builds the lab, plays the story, offers the prompt and cleans up.
func show(ctx context.Context, opt options) int {
	say := newNarrator(os.Stdout)
	d, err := build(opt, say)
	if err != nil {
		return refuse(err)
	}
	defer d.close()
	steps := story
	if opt.client {
		steps = clientStory
	}
	held := play(ctx, d, steps)
	if !opt.script && ctx.Err() == nil {
		d.prompt(ctx, os.Stdin)
	}
	switch {
	case ctx.Err() != nil:
		say.line("lab", "interrupted: taking everything down")
		return exitInterrupted
	case !held:
		return exitFailed
	}
	return 0
}

// refuse says in one line why there is no lab on this machine.
func refuse(err error) int {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if forbidden(err) && !strings.Contains(text, "not allowed here") {
		text = "network namespaces are not allowed here (as root, or with unprivileged user namespaces, they are): " + text
	}
	fmt.Fprintln(os.Stderr, "luatnet-lab: "+text)
	return exitFailed
}

// forbidden reports whether the system does not let this user have namespaces.
func forbidden(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.ENOSYS)
}

// usage stands above the list of flags.
const usage = `luatnet-lab shows luatnetd at work in a virtual internet; it touches nothing outside.

  luatnet-lab [flags]          the gateway: cables are pulled, a LAN client measures
  luatnet-lab client [flags]   long connections: a serial port, five servers
  luatnet-lab modem [flags]    an emulated 4G modem on terminals of this machine

`

func parseFlags(args []string, out io.Writer) (options, error) {
	var opt options
	set := flag.NewFlagSet("luatnet-lab", flag.ContinueOnError)
	set.SetOutput(out)
	set.BoolVar(&opt.script, "script", false, "play the story unattended; exit 0 only if every step held")
	set.StringVar(&opt.binary, "luatnetd", "", "the daemon's `path` (default: luatnetd beside this program)")
	set.StringVar(&opt.keepLog, "keep-log", "", "write the daemon's log to this `file` and leave it there")
	set.Usage = func() {
		fmt.Fprint(out, usage)
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		return opt, err
	}
	if set.Arg(0) == "client" { // flags may stand on either side of it
		opt.client = true
		if err := set.Parse(set.Args()[1:]); err != nil {
			return opt, err
		}
	}
	if set.NArg() > 0 {
		err := fmt.Errorf("unknown argument %q", set.Arg(0))
		fmt.Fprintf(out, "%v\nhint: luatnet-lab --help shows the flags\n", err)
		return opt, err
	}
	return opt, opt.locate()
}

// locate makes the paths absolute and finds the daemon.
func (o *options) locate() error {
	if o.binary == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.binary = filepath.Join(filepath.Dir(self), "luatnetd")
	}
	var err error
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return err
	}
	if o.keepLog != "" {
		o.keepLog, err = filepath.Abs(o.keepLog)
	}
	return err
}
