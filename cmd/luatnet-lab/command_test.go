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
		{"cut", "cut wan", command{"cut", []string{"wan"}}, ""},
		{"spaces and case", "  Restore   wan2 ", command{"restore", []string{"wan2"}}, ""},
		{"blackhole", "blackhole wan2", command{"blackhole", []string{"wan2"}}, ""},
		{"heal", "heal wan", command{"heal", []string{"wan"}}, ""},
		{"ctl passes all", "ctl use wan2 --for 10m", command{"ctl", []string{"use", "wan2", "--for", "10m"}}, ""},
		{"ctl alone", "ctl", command{"ctl", []string{}}, ""},
		{"status", "status", command{"status", []string{}}, ""},
		{"exit is quit", "exit", command{"quit", []string{}}, ""},
		{"no name", "cut", command{"cut", []string{}}, "want: cut NAME; the uplinks are wan and wan2"},
		{"two names", "cut wan wan2", command{"cut", []string{"wan", "wan2"}}, "want: cut NAME"},
		{"unknown name", "heal lte", command{"heal", []string{"lte"}}, `no uplink "lte"`},
		{"too much", "status now", command{"status", []string{"now"}}, "wants no argument"},
		{"unknown verb", "unplug wan", command{}, `unknown command "unplug"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(tt.line, []string{"wan", "wan2"})
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(command{})); diff != "" {
				t.Errorf("parse(%q) (-want +got):\n%s", tt.line, diff)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("parse(%q) error = %v, want %q", tt.line, err, tt.err)
			}
		})
	}
}

// What help shows must be what parse understands.
func TestHelpNamesEveryVerb(t *testing.T) {
	args := map[string]string{"NAME": "wan", "ARGS…": "status"}
	for _, v := range verbs {
		if _, err := parse(v.verb+" "+args[v.args], uplinks); err != nil {
			t.Errorf("%s is in the help and is refused: %v", v.verb, err)
		}
		if !strings.Contains(helpText(), "  "+v.verb) {
			t.Errorf("help does not name %s", v.verb)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "cut wan", "ctl use wan2", "quit now", "\x00", "STATUS"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parse(line, uplinks)
		if err != nil {
			return
		}
		if c.verb == "" && strings.TrimSpace(line) != "" {
			t.Errorf("parse(%q) says neither what to do nor what is wrong", line)
		}
		for _, a := range c.args {
			if strings.ContainsAny(a, " \t\n") || a == "" {
				t.Errorf("parse(%q) has the argument %q", line, a)
			}
		}
	})
}
