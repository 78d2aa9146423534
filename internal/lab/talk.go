package lab

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Talker is a foreign program that one can speak to: what is said goes to its
// standard input, what it got from the other side is its standard output.
type Talker struct {
	*Proc
	in io.WriteCloser

	mu  sync.Mutex // guards got
	got []byte
}

// Talk starts a program in the namespace that is spoken to.
func (ns *NS) Talk(name string, args ...string) (*Talker, error) {
	t := &Talker{}
	cmd := exec.Command(name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	t.in, cmd.Stdout = in, heard{t}
	t.Proc, err = ns.StartCmd(nil, cmd)
	return t, err
}

// heard keeps a talker's standard output.
type heard struct{ t *Talker }

func (h heard) Write(p []byte) (int, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	h.t.got = append(h.t.got, p...)
	return len(p), nil
}

// Say writes to the program's standard input.
func (t *Talker) Say(text string) error {
	_, err := io.WriteString(t.in, text)
	return err
}

// Hush closes the program's standard input.
func (t *Talker) Hush() error { return t.in.Close() }

// Got is what the program got until now.
func (t *Talker) Got() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.got)
}

// Hears waits until the program got text, byte for byte.
func (t *Talker) Hears(limit time.Duration, text string) error {
	return Poll(limit, func() error {
		if got := t.Got(); !strings.Contains(got, text) {
			return fmt.Errorf("it got %q, not %q; it says: %s", clip(got), text, clip(t.Output()))
		}
		return nil
	})
}

func clip(s string) string {
	const most = 2000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}
