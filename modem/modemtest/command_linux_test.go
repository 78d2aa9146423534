package modemtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// until asks f again and again for up to ten seconds; the machine may be slow.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("not within ten seconds: %s", what)
}

// terminal is the host's end of a pseudo terminal.
type terminal struct {
	*os.File
	mu  sync.Mutex
	got bytes.Buffer // guarded by mu
}

func openTerminal(t *testing.T, path string) *terminal {
	t.Helper()
	var fd int
	until(t, "open "+path, func() bool {
		var err error
		fd, err = unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err == nil
	})
	x := &terminal{File: os.NewFile(uintptr(fd), path)}
	go func() {
		_, _ = io.Copy(writerFunc(func(b []byte) (int, error) {
			x.mu.Lock()
			defer x.mu.Unlock()
			return x.got.Write(b)
		}), x.File)
	}()
	t.Cleanup(func() { _ = x.File.Close() })
	return x
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (x *terminal) shows(text string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Contains(x.got.String(), text)
}

// program runs Command and ends it with the test.
func program(t *testing.T, args ...string) *bytes.Buffer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var mu sync.Mutex
	out := &bytes.Buffer{}
	go func() {
		done <- Command(ctx, args, writerFunc(func(b []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return out.Write(b)
		}))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Command: %v", err)
		}
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return out
}

// A modem as a program: two ports on pseudo terminals, a control socket, a
// power file, hooks.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	at, ppp, control := filepath.Join(dir, "ttyUSB2"), filepath.Join(dir, "ttyUSB3"), filepath.Join(dir, "control")
	power, data, back := filepath.Join(dir, "power"), filepath.Join(dir, "data"), filepath.Join(dir, "back")
	program(t, "-personality", "quectel-qc", "-pty", "2="+at, "-pty", "3="+ppp, "-control", control, "-power", power,
		"-register", "50ms", "-sim", "10ms", "-boot", "50ms",
		"-on-data", `echo "$UP $LEASE $DHCP" >>`+data, "-on-returned", `echo "$VID:$PID" >>`+back)
	ask := func(line string) string {
		t.Helper()
		answer, err := Ask(t.Context(), control, line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		return answer
	}
	file := func(path, want string) func() bool {
		return func() bool { b, _ := os.ReadFile(path); return strings.Contains(string(b), want) }
	}
	x := openTerminal(t, at)
	_, _ = x.WriteString("AT+CGMM\r")
	until(t, "answer", func() bool { return x.shows("\r\nEC25\r\n\r\nOK\r\n") })
	until(t, "data hook", file(data, "1 192.168.225.2/24 good"))

	ask("fault mute until=power")
	_, _ = x.WriteString("AT+GMR\r")
	until(t, "the command is in the log", func() bool { return strings.HasSuffix(ask("log AT+GMR"), " 2 AT+GMR") })
	if x.shows("AT+GMR") || ask("active") != "mute" {
		t.Errorf("not mute: %s", ask("active"))
	}
	if err := os.WriteFile(power, []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the port is gone", func() bool { _, err := os.Lstat(at); return err != nil })
	if err := os.WriteFile(power, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the hook of its return", file(back, "2c7c:0125"))
	x = openTerminal(t, at)
	_, _ = x.WriteString("AT\r")
	until(t, "answer after a power cycle", func() bool { return x.shows("OK\r\n") })

	var state struct {
		Running bool
		SIM     string
		Faults  []string
	}
	if err := json.Unmarshal([]byte(ask("state")), &state); err != nil || !state.Running || len(state.Faults) != 0 {
		t.Errorf("state %+v, %v", state, err)
	}
	var out bytes.Buffer
	if err := Command(t.Context(), []string{"control", control, "counters"}, &out); err != nil || !strings.Contains(out.String(), `"PowerCycles":1`) {
		t.Errorf("counters: %s, %v", out.String(), err)
	}
}

func TestControl(t *testing.T) {
	m := New(personality(t, "quectel-qc"), Options{Clock: frozen})
	for line, want := range map[string]string{
		"fault no-such":           `no fault "no-such"`,
		"fault":                   "usage: fault NAME [ARG…]",
		"dance":                   `no such word "dance": try help`,
		"power maybe":             `"maybe" is neither on nor off`,
		"radio csq=x":             `not a value of the radio: "csq=x"`,
		"plug soon":               `time: invalid duration "soon"`,
		"fault carrier-stuck":     "",
		"radio csq=7 rsrp=-120":   "",
		"insert 8986 46001":       "",
		"sms 10086 hello there":   "",
		"ussd *1# yes no":         "",
		"clear carrier-stuck":     "",
		"deactivate quiet":        "",
		"address":                 "",
		"fault pdp-reject 134":    "",
		"bind on":                 "bearer refused: no network service",
		"faults":                  "",
		"help":                    "",
		"log AT":                  "",
		"sent":                    "",
		"new-id":                  "",
		"unplug":                  "",
		"insert 8986 4600 1 2 ok": "",
	} {
		_, err := m.Control(line)
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if c := m.Card(); c.ICCID != "8986" {
		t.Errorf("card %+v", c)
	}
}

// A shell command can be the PPP peer.
func TestCommandPPP(t *testing.T) {
	dir := t.TempDir()
	tty, control := filepath.Join(dir, "tty"), filepath.Join(dir, "control")
	program(t, "-personality", "generic-ppp", "-pty", "0="+tty, "-control", control, "-register", "20ms", "-sim", "10ms",
		"-ppp", `echo "peer of $ADDR4"; exec cat`)
	x := openTerminal(t, tty)
	until(t, "registered", func() bool {
		s, err := Ask(t.Context(), control, "state")
		return err == nil && strings.Contains(s, `"Registration":1`)
	})
	_, _ = x.WriteString("ATD*99***1#\r")
	until(t, "the peer", func() bool { return x.shows("CONNECT 150000000\r\npeer of 10.32.140.11\n") })
	_, _ = x.WriteString("frame")
	until(t, "its echo", func() bool { return x.shows("11\nframe") })
	if _, err := Ask(t.Context(), control, "fault ppp-hangup"); err != nil {
		t.Error(err)
	}
	until(t, "the end", func() bool { return x.shows("\r\nNO CARRIER\r\n") })
	_, _ = x.WriteString("AT+CGMM\r")
	until(t, "an answer", func() bool { return x.shows("UART Module\r\n\r\nOK\r\n") })
}
