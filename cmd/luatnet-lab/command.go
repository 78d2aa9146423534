package main

import (
	"fmt"
	"slices"
	"strings"
)

// command is one line of the prompt, understood.
type command struct {
	verb string
	args []string // names, or the arguments of ctl
	text string   // the rest of the line, as it is
}

// verb is a word that the prompt knows. Its form is NAME for an uplink, SERVER
// for a server, TEXT for the rest of the line as it is, ARGS… for words.
type verb struct{ word, form, help string }

// vocabulary is what a prompt understands.
type vocabulary struct {
	verbs            []verb // in the order of the help
	uplinks, servers []string
}

// gatewayWords are those of the gateway's demo.
func gatewayWords() vocabulary {
	return vocabulary{uplinks: uplinks, verbs: append([]verb{
		{"modem", "TEXT", "do it to the 4G modem: fault searching, clear, sms +8613800138000 hello, help"},
	}, common("ctl explain, ctl use wan2, ctl leases, ctl modem")...)}
}

// clientWords are those of the demo of long connections.
func clientWords(servers []string) vocabulary {
	return vocabulary{uplinks: uplinks[:cables], servers: servers, verbs: append([]verb{
		{"type", "TEXT", "the device at the serial port says it"},
		{"say", "SERVER TEXT", "a server says it: " + strings.Join(servers, ", ")},
		{"kill", "SERVER", "end a server and its sessions"},
		{"start", "SERVER", "let it answer again"},
	}, common("ctl connections, ctl queue tcp, ctl connection tls trace")...)}
}

// common are the verbs of both, with examples for ctl.
func common(examples string) []verb {
	return []verb{
		{"cut", "NAME", "pull the cable of an uplink"},
		{"restore", "NAME", "plug it in again"},
		{"blackhole", "NAME", "the provider carries nothing any more, and looks well"},
		{"heal", "NAME", "it carries traffic again"},
		{"ctl", "ARGS…", "run luatnetd ctl, such as: " + examples},
		{"status", "", "what the daemon says: ctl status"},
		{"help", "", "this list"},
		{"quit", "", "take everything down"},
	}
}

// parse understands a line of the prompt. An empty line is a command without
// a verb.
func (v vocabulary) parse(line string) (command, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return command{}, nil
	}
	name := strings.ToLower(words[0])
	if name == "exit" {
		name = "quit"
	}
	i := slices.IndexFunc(v.verbs, func(w verb) bool { return w.word == name })
	if i < 0 {
		return command{}, fmt.Errorf("unknown command %q; help shows what there is", words[0])
	}
	c := command{verb: name, args: words[1:]}
	switch v.verbs[i].form {
	case "TEXT":
		c.args, c.text = nil, rest(line, 1)
	case "SERVER TEXT":
		c.args, c.text = words[1:min(2, len(words))], rest(line, 2)
	}
	return c, v.fits(c, v.verbs[i].form)
}

// rest is the line without its first n words and the space behind each.
func rest(line string, n int) string {
	for range n {
		line = strings.TrimLeft(line, " \t")
		i := strings.IndexAny(line, " \t")
		if i < 0 {
			return ""
		}
		line = line[i+1:]
	}
	return line
}

// fits checks a command against the form that its verb wants.
func (v vocabulary) fits(c command, form string) error {
	kind, names, known := "", []string(nil), true
	switch {
	case strings.HasPrefix(form, "SERVER"):
		kind, names = "server", v.servers
	case form == "NAME":
		kind, names = "uplink", v.uplinks
	}
	if kind != "" && len(c.args) == 1 {
		known = slices.Contains(names, c.args[0])
	}
	switch {
	case form == "" && len(c.args) > 0:
		return fmt.Errorf("%s wants no argument", c.verb)
	case kind != "" && len(c.args) != 1, strings.HasSuffix(form, "TEXT") && known && c.text == "":
		return fmt.Errorf("want: %s %s%s", c.verb, form, choice(kind, names))
	case !known:
		return fmt.Errorf("there is no %s %q%s", kind, c.args[0], choice(kind, names))
	}
	return nil
}

// choice says which names there are.
func choice(kind string, names []string) string {
	if kind == "" || len(names) == 0 {
		return ""
	}
	last := len(names) - 1
	return fmt.Sprintf("; the %ss are %s and %s", kind, strings.Join(names[:last], ", "), names[last])
}

// help lists the commands.
func (v vocabulary) help() string {
	var b strings.Builder
	for _, w := range v.verbs {
		fmt.Fprintf(&b, "  %-16s %s\n", strings.TrimSpace(w.word+" "+w.form), w.help)
	}
	return b.String()
}
