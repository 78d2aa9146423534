package data

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A tool that hangs is killed, with all that it has started.
func TestRunKillsTheWholeGroup(t *testing.T) {
	b := newBench(t)
	b.program("tool", "trap '' TERM INT\nsleep 1000 & echo $! >>\"$LOG\"\nwait\n")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := run(ctx, 500*time.Millisecond, filepath.Join(b.bin, "tool"))
		done <- err
	}()
	if err := <-done; Cause(err) != "deadline" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline", err)
	}
	if ctx.Err() != nil {
		t.Fatal("it was not killed")
	}
	calls := b.calls()
	if len(calls) == 0 {
		t.Skip("needs a machine that starts a shell within half a second")
	}
	pid, err := strconv.Atoi(calls[0])
	if err != nil {
		t.Fatal(err)
	}
	// Killed it is at once; its number goes when init has reaped it.
	if state, _, _, err := stat(pid); err == nil && state != 'Z' && syscall.Kill(pid, 0) == nil {
		t.Errorf("its child %d is alive, in state %c", pid, state)
	}
}

func TestRunTellsTheToolsWords(t *testing.T) {
	for _, tt := range []struct{ script, words string }{
		{"echo noise; echo 'error: couldn'\"'\"'t start network: CallFailed' >&2; exit 1", "tool: error: couldn't start network: CallFailed"},
		{"echo '\"No effect\"'; exit 1", `tool: "No effect"`},
		{"exit 3", "tool: exit status 3"},
		{"printf 'a\\033[2J\\377b\\n'; exit 1", "tool: a [2Jb"},
	} {
		b := newBench(t)
		b.program("tool", tt.script+"\n")
		_, err := run(t.Context(), patience, filepath.Join(b.bin, "tool"))
		if err == nil || err.Error() != tt.words || Cause(err) != "no connection" {
			t.Errorf("%s: %v (%s), want %q", tt.script, err, Cause(err), tt.words)
		}
	}
}

func TestRunKeepsALimitedOutput(t *testing.T) {
	b := newBench(t)
	b.program("tool", "head -c 300000 /dev/zero | tr '\\0' x\n")
	out, err := run(t.Context(), patience, filepath.Join(b.bin, "tool"))
	if err != nil || len(out) != maxOutput {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	if _, err := run(t.Context(), patience, filepath.Join(b.bin, "none")); Cause(err) != "system" || !strings.Contains(err.Error(), "none") {
		t.Errorf("not there: %v", err)
	}
	if _, err := lookPath("sh"); err != nil {
		t.Error(err)
	}
	if _, err := lookPath("no-such-program"); !errors.Is(err, os.ErrNotExist) && err == nil {
		t.Error("found what is not there")
	}
}
