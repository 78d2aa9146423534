package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// promptText is shown while the lab waits for a command.
const promptText = "lab> "

// narrator prints what happens, one line each, in the order it happens. Any
// goroutine may use it.
type narrator struct {
	color bool // the output is a terminal that wants colours
	typed bool // a person types and reads: there is a prompt to be kept intact
	start time.Time

	mu      sync.Mutex // guards what follows
	out     io.Writer
	waiting bool // the prompt is on the last line
}

func newNarrator(out *os.File) *narrator {
	tty := term.IsTerminal(int(out.Fd()))
	return &narrator{
		out: out, start: time.Now(),
		color: tty && os.Getenv("NO_COLOR") == "", // no-color.org
		typed: tty && term.IsTerminal(int(os.Stdin.Fd())),
	}
}

// colors are the SGR codes of the speakers.
var colors = map[string]string{"lab": "36", "daemon": "2", "client": "1", "held": "32", "FAILED": "1;31"}

// line prints one line: when, who, what.
func (n *narrator) line(who, format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	n.print(fmt.Sprintf("%6.2f s  %s  %s\n", time.Since(n.start).Seconds(), n.paint(who, fmt.Sprintf("%-6s", who)), text))
}

// text prints text as it is.
func (n *narrator) text(s string) {
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	n.print(s)
}

// ask shows the prompt to a person; lines that come meanwhile are printed
// above it.
func (n *narrator) ask() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting = n.typed; n.waiting {
		_, _ = io.WriteString(n.out, promptText)
	}
}

// answered notes the line that came; of one that nobody typed, it shows what
// a terminal would.
func (n *narrator) answered(line string) {
	n.mu.Lock()
	n.waiting = false
	n.mu.Unlock()
	if !n.typed {
		n.print(promptText + line + "\n")
	}
}

// hangUp leaves the prompt without an answer.
func (n *narrator) hangUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting {
		_, _ = io.WriteString(n.out, "\n")
	}
	n.waiting = false
}

func (n *narrator) print(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting {
		s = "\r\033[K" + s + promptText
	}
	_, _ = io.WriteString(n.out, s)
}

// paint colours s as the speaker who, on a terminal only.
func (n *narrator) paint(who, s string) string {
	if code := colors[who]; n.color && code != "" {
		return "\033[" + code + "m" + s + "\033[0m"
	}
	return s
}
