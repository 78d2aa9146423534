package main

import (
	"fmt"
	"slices"
	"strings"
)

// command is one line of the prompt, understood.
type command struct {
	verb string
	args []string // uplink names, or the arguments of ctl
}

// verbs are what the prompt knows, in the order of its help.
var verbs = []struct{ verb, args, help string }{
	{"cut", "NAME", "pull the cable of an uplink"},
	{"restore", "NAME", "plug it in again"},
	{"blackhole", "NAME", "the provider carries nothing any more, and looks well"},
	{"heal", "NAME", "it carries traffic again"},
	{"ctl", "ARGS…", "run luatnetd ctl, such as: ctl explain, ctl use wan2, ctl leases"},
	{"status", "", "what the daemon says: ctl status"},
	{"help", "", "this list"},
	{"quit", "", "take everything down"},
}

// parse understands a line of the prompt. An empty line is a command without
// a verb. names are the uplinks.
func parse(line string, names []string) (command, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return command{}, nil
	}
	c := command{verb: strings.ToLower(words[0]), args: words[1:]}
	if c.verb == "exit" {
		c.verb = "quit"
	}
	for _, v := range verbs {
		if v.verb == c.verb {
			return c, c.fits(v.args, names)
		}
	}
	return command{}, fmt.Errorf("unknown command %q; help shows what there is", words[0])
}

// fits checks the arguments against the form that the verb wants.
func (c command) fits(want string, names []string) error {
	switch {
	case want == "" && len(c.args) > 0:
		return fmt.Errorf("%s wants no argument", c.verb)
	case want == "NAME" && len(c.args) != 1:
		return fmt.Errorf("want: %s NAME; the uplinks are %s", c.verb, strings.Join(names, " and "))
	case want == "NAME" && !slices.Contains(names, c.args[0]):
		return fmt.Errorf("there is no uplink %q; the uplinks are %s", c.args[0], strings.Join(names, " and "))
	}
	return nil
}

// helpText lists the commands.
func helpText() string {
	var b strings.Builder
	for _, v := range verbs {
		fmt.Fprintf(&b, "  %-16s %s\n", strings.TrimSpace(v.verb+" "+v.args), v.help)
	}
	return b.String()
}
