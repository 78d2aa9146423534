package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       command
		err        string // a part of the sentence, "" for none
	}{
		{"empty", "  ", command{}, ""},
		{"cut", "cut wan", command{verb: "cut", args: []string{"wan"}}, ""},
		{"spaces and case", "  Restore   wan2 ", command{verb: "restore", args: []string{"wan2"}}, ""},
		{"blackhole", "blackhole wan2", command{verb: "blackhole", args: []string{"wan2"}}, ""},
		{"heal", "heal wan", command{verb: "heal", args: []string{"wan"}}, ""},
		{"ctl passes all", "ctl use wan2 --for 10m", command{verb: "ctl", args: []string{"use", "wan2", "--for", "10m"}}, ""},
		{"ctl alone", "ctl", command{verb: "ctl", args: []string{}}, ""},
		{"status", "status", command{verb: "status", args: []string{}}, ""},
		{"exit is quit", "exit", command{verb: "quit", args: []string{}}, ""},
		{"type keeps its spaces", "type  a  b ", command{verb: "type", text: " a  b "}, ""},
		{"say keeps its spaces", "say tcp  a  b ", command{verb: "say", args: []string{"tcp"}, text: " a  b "}, ""},
		{"kill", "kill tls", command{verb: "kill", args: []string{"tls"}}, ""},
		{"nothing to type", "type", command{verb: "type"}, "want: type TEXT"},
		{"nothing to say", "say tcp", command{verb: "say", args: []string{"tcp"}}, "want: say SERVER TEXT; the servers are tcp and tls"},
		{"nobody to say it", "say", command{verb: "say", args: []string{}}, "want: say SERVER TEXT"},
		{"unknown server", "start wan", command{verb: "start", args: []string{"wan"}}, `no server "wan"; the servers are tcp and tls`},
		{"no name", "cut", command{verb: "cut", args: []string{}}, "want: cut NAME; the uplinks are wan and wan2"},
		{"two names", "cut wan wan2", command{verb: "cut", args: []string{"wan", "wan2"}}, "want: cut NAME"},
		{"unknown name", "heal lte", command{verb: "heal", args: []string{"lte"}}, `no uplink "lte"`},
		{"too much", "status now", command{verb: "status", args: []string{"now"}}, "wants no argument"},
		{"unknown verb", "unplug wan", command{}, `unknown command "unplug"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := clientWords([]string{"tcp", "tls"}).parse(tt.line)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(command{})); diff != "" {
				t.Errorf("parse(%q) (-want +got):\n%s", tt.line, diff)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("parse(%q) error = %v, want %q", tt.line, err, tt.err)
			}
		})
	}
}

// The gateway's demo has no servers.
func TestGatewayKnowsNoServers(t *testing.T) {
	if c, err := gatewayWords().parse("kill tcp"); err == nil {
		t.Errorf("parse(kill tcp) = %v, want an error", c)
	}
}

// What help shows must be what parse understands.
func TestHelpNamesEveryVerb(t *testing.T) {
	args := map[string]string{"NAME": "wan", "ARGS…": "status", "SERVER": "tls", "SERVER TEXT": "tcp x", "TEXT": "x"}
	for _, known := range []vocabulary{gatewayWords(), clientWords([]string{"tcp", "tls"})} {
		for _, v := range known.verbs {
			if _, err := known.parse(v.word + " " + args[v.form]); err != nil {
				t.Errorf("%s is in the help and is refused: %v", v.word, err)
			}
			if !strings.Contains(known.help(), "  "+v.word) {
				t.Errorf("help does not name %s", v.word)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "cut wan", "ctl use wan2", "quit now", "\x00", "STATUS", "type  x", "say tcp  x", "say"} {
		f.Add(s)
	}
	known := clientWords([]string{"tcp", "tls"})
	f.Fuzz(func(t *testing.T, line string) {
		c, err := known.parse(line)
		if err != nil {
			return
		}
		if c.verb == "" && strings.TrimSpace(line) != "" {
			t.Errorf("parse(%q) says neither what to do nor what is wrong", line)
		}
		if !strings.HasSuffix(line, c.text) {
			t.Errorf("parse(%q) has the text %q, want the end of the line", line, c.text)
		}
		for _, a := range c.args {
			if strings.ContainsAny(a, " \t\n") || a == "" {
				t.Errorf("parse(%q) has the argument %q", line, a)
			}
		}
	})
}
