package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxOutput bounds what is kept of a program's output.
const maxOutput = 64 << 10

// drained is how long the pipes of a program that has ended may stay open: a
// child that it left behind holds them.
const drained = time.Second

// refusedError is the word of a program that ended with an error: the modem or
// the network said no.
type refusedError struct {
	program string
	words   string
}

func (e refusedError) Error() string { return e.program + ": " + e.words }

// run runs a program to its end and returns what it wrote to its standard
// output. When ctx ends its whole process group is killed; there is always an
// end to wait for. No argument may be secret: an error names the program and
// its own words only.
func run(ctx context.Context, limit time.Duration, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	name := filepath.Base(argv[0])
	var out, errs capped
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Stdout, c.Stderr = &out, &errs
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = drained
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s was killed: %w", name, ctx.Err())
	case errors.As(err, &exit):
		return out.String(), refusedError{name, words(errs.String(), out.String(), exit.String())}
	case err != nil:
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	return out.String(), nil
}

// words is the last line of the first text that has one.
func words(texts ...string) string {
	for _, t := range texts {
		lines := strings.Split(strings.TrimSpace(t), "\n")
		if last := printable(lines[len(lines)-1]); last != "" {
			return last
		}
	}
	return ""
}

// printable is a line of a program as a message may show it.
func printable(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "")))
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.ToValidUTF8(s, "")
}

// capped keeps the beginning of what is written to it. The buffer is no embedded
// one, whose ReadFrom would have no limit.
type capped struct{ b bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	c.b.Write(p[:min(len(p), maxOutput-c.b.Len())])
	return len(p), nil
}

func (c *capped) String() string { return c.b.String() }
