// Command luatnetd is the network daemon: "luatnetd run" supervises uplinks,
// routing, firewall, DHCP and DNS; "luatnetd ctl" talks to it.
package main

import (
	"errors"
	"fmt"
	"os"

	"luatnetd/internal/ctl"
)

// version is set by the linker: -X main.version=…
var version = "dev"

// Exit codes, documented in docs/api.md.
const (
	exitFailed     = 1 // the command failed, or a file has problems
	exitUsage      = 2 // the command line is wrong
	exitNotRunning = 3 // no daemon answers on the socket
	exitDenied     = 4 // this user may not control the daemon
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.Execute()
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent), errors.Is(err, errNotSent):
		return exitFailed
	case errors.Is(err, ctl.ErrNotRunning):
		fmt.Fprintf(os.Stderr, "%v\nhint: start it with \"systemctl start luatnetd\", \"/etc/init.d/luatnetd start\" or \"luatnetd run\"\n", err)
		return exitNotRunning
	case errors.Is(err, ctl.ErrDenied):
		fmt.Fprintf(os.Stderr, "%v\nhint: run it as root, or as a member of the group in [control]\n", err)
		return exitDenied
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "%v\nhint: luatnetd help shows the commands\n", err)
		return exitUsage
	}
	fmt.Fprintln(os.Stderr, err)
	return exitFailed
}
