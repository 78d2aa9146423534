package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The exit code of --script is what play reports: it must not be better than
// the worst step.
func TestPlayHoldsOnlyIfEveryStepHeld(t *testing.T) {
	good := func(context.Context, *demo) (string, error) { return "3 ms", nil }
	bad := func(context.Context, *demo) (string, error) { return "4 s", errors.New("4 s,\nwant at most 1 s") }
	broken := func(context.Context, *demo) error { return errors.New("no such device") }
	for _, tt := range []struct {
		name  string
		steps []step
		held  bool
		table []string // lines, with single spaces
	}{
		{"all hold", []step{{"one", nothing, good}, {"two", nothing, good}}, true, []string{"held one 3 ms", "held two 3 ms"}},
		{
			"a check fails", []step{{"one", nothing, bad}, {"two", nothing, good}}, false,
			[]string{"FAILED one 4 s, want at most 1 s", "- two not reached"},
		},
		{"the last fails", []step{{"one", nothing, good}, {"two", nothing, bad}}, false, []string{"held one 3 ms", "FAILED two 4 s, want at most 1 s"}},
		{"what is to be done fails", []step{{"one", broken, good}}, false, []string{"FAILED one no such device"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			held := play(t.Context(), &demo{say: &narrator{out: &out}}, tt.steps)
			if held != tt.held {
				t.Errorf("play = %v, want %v", held, tt.held)
			}
			_, after, _ := strings.Cut(out.String(), "\n\n")
			var got []string
			for _, l := range strings.Split(strings.TrimSpace(after), "\n") {
				got = append(got, strings.Join(strings.Fields(l), " "))
			}
			if diff := cmp.Diff(tt.table, got); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
		})
	}
}

// An interrupted story has not held, and says nothing more.
func TestPlayEndsWithItsContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var out strings.Builder
	interrupted := func(context.Context, *demo) error { stop(); return nil }
	ignores := func(context.Context, *demo) (string, error) { return "", nil }
	if play(ctx, &demo{say: &narrator{out: &out}}, []step{{"one", interrupted, ignores}}) {
		t.Error("play = true after an interruption, want false")
	}
	if strings.Contains(out.String(), "held") {
		t.Errorf("play prints %q after an interruption, want no verdict", out.String())
	}
}
