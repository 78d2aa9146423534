package serial_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/internal/serial"
)

// pty makes a "serial port" and the device behind it.
func pty(t *testing.T) (*os.File, string) {
	t.Helper()
	master, path, err := lab.Pty()
	if err != nil {
		t.Skipf("needs pseudo terminals: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	return master, path
}

func mustOpen(t *testing.T, cfg serial.Config) *serial.Port {
	t.Helper()
	p, err := serial.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// TestRawBothWays: every byte passes unchanged, both ways, whatever it means
// to a terminal.
func TestRawBothWays(t *testing.T) {
	master, path := pty(t)
	p := mustOpen(t, serial.Config{Path: path})
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, way := range map[string]struct {
		write func([]byte) (int, error)
		read  func([]byte) (int, error)
	}{"out": {p.Write, master.Read}, "in": {master.Write, p.Read}} {
		if _, err := way.write(all); err != nil {
			t.Fatal(name, err)
		}
		var got []byte
		_ = p.SetReadDeadline(time.Now().Add(5 * time.Second))
		for buf := make([]byte, 512); len(got) < len(all); {
			n, err := way.read(buf)
			if err != nil {
				t.Fatalf("%s: %v after %x", name, err, got)
			}
			got = append(got, buf[:n]...)
		}
		if string(got) != string(all) {
			t.Errorf("%s: got %x", name, got)
		}
	}
}

// TestLineIsReallySet reads the settings back from the kernel, odd rates too.
func TestLineIsReallySet(t *testing.T) {
	for _, tt := range []struct {
		cfg   serial.Config
		speed uint32
		set   uint32
	}{
		{serial.Config{}, 115200, 0},
		{serial.Config{Baud: 9600, StopBits: 2}, 9600, unix.CSTOPB},
		{serial.Config{Baud: 74880, Flow: serial.RTSCTS}, 74880, unix.CRTSCTS},
		{serial.Config{Baud: 1_234_567}, 1_234_567, 0},
	} {
		_, path := pty(t)
		tt.cfg.Path = path
		mustOpen(t, tt.cfg)
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		_ = unix.Close(fd)
		if err != nil {
			t.Fatal(err)
		}
		const bits = unix.CSTOPB | unix.CRTSCTS
		if got.Ospeed != tt.speed || got.Cflag&bits != tt.set || got.Lflag != 0 || got.Oflag != 0 || got.Cc[unix.VMIN] != 1 {
			t.Errorf("%s: speed %d, cflag %#x, lflag %#x, oflag %#x, vmin %d", tt.cfg, got.Ospeed, got.Cflag, got.Lflag, got.Oflag, got.Cc[unix.VMIN])
		}
	}
}

// TestBusyNamesTheHolder: another process that locked the port is named.
func TestBusyNamesTheHolder(t *testing.T) {
	master, path := pty(t)
	flock, err := exec.LookPath("flock")
	if err != nil {
		t.Skip("needs flock (util-linux)")
	}
	cmd := exec.Command(flock, path, "sh", "-c", "printf locked >"+path+"; exec sleep 60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_ = master.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := master.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	_, err = serial.Open(serial.Config{Path: path})
	if !errors.Is(err, serial.ErrBusy) || !strings.Contains(err.Error(), "flock (pid ") {
		t.Errorf("Open: %v, want ErrBusy that names flock", err)
	}
}

// TestOpenAgain: a closed port opens again, for an ordinary user as well.
func TestOpenAgain(t *testing.T) {
	_, path := pty(t)
	for range 2 {
		p := mustOpen(t, serial.Config{Path: path})
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDeadlineAndHangUp: a read ends at its deadline; the other end's close is ErrGone.
func TestDeadlineAndHangUp(t *testing.T) {
	master, path := pty(t)
	p := mustOpen(t, serial.Config{Path: path})
	_ = p.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read without data: %v", err)
	}
	_ = p.SetReadDeadline(time.Time{})
	_ = master.Close()
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, serial.ErrGone) {
		t.Errorf("Read after hang-up: %v", err)
	}
}

// TestWriteDeadline: a line that does not move ends the write, it does not hang.
func TestWriteDeadline(t *testing.T) {
	_, path := pty(t)
	p := mustOpen(t, serial.Config{Path: path})
	_ = p.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := p.Write(make([]byte, 1<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 1<<20 {
		t.Errorf("Write to a full line: %d, %v", n, err)
	}
}

// TestRS485Line: the line is switched on before the first byte and off after
// the last, off at the start, and off again after a failed write.
func TestRS485Line(t *testing.T) {
	for _, low := range []bool{false, true} {
		master, path := pty(t)
		var calls []bool
		p := mustOpen(t, serial.Config{Path: path, RS485: serial.RS485{
			Direction: serial.ByLine, ActiveLow: low, Before: time.Millisecond, After: time.Millisecond,
			Line: func(send bool) error { calls = append(calls, send); return nil },
		}})
		if _, err := p.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		_ = master.Close()
		if _, err := p.Write([]byte("y")); !errors.Is(err, serial.ErrGone) {
			t.Errorf("Write after hang-up: %v", err)
		}
		want := []bool{low, !low, low, !low, low}
		if len(calls) != len(want) {
			t.Fatalf("line calls %v, want %v", calls, want)
		}
		for i := range want {
			if calls[i] != want[i] {
				t.Fatalf("line calls %v, want %v", calls, want)
			}
		}
	}
}

// TestRS485ByKernelSaysWhatToDo: a driver that cannot is an error with a hint.
func TestRS485ByKernelSaysWhatToDo(t *testing.T) {
	_, path := pty(t)
	_, err := serial.Open(serial.Config{Path: path, RS485: serial.RS485{Direction: serial.ByKernel}})
	if err == nil || !strings.Contains(err.Error(), "use direction rts or gpio") {
		t.Errorf("Open: %v", err)
	}
}

// TestAwaitHotPlug: the directory of a by-id name comes late, the link later;
// the port opens then, and nothing is asked in between.
func TestAwaitHotPlug(t *testing.T) {
	_, path := pty(t)
	root := t.TempDir()
	byID := filepath.Join(root, "serial", "by-id")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	waiting := make(chan error, 8)
	opened := make(chan error, 1)
	go func() {
		p, err := serial.Await(ctx, serial.Config{Path: filepath.Join(byID, "usb-X-if00")}, func(err error) { waiting <- err })
		if err == nil {
			_ = p.Close()
		}
		opened <- err
	}()
	if err := <-waiting; !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("first reason: %v", err)
	}
	if err := os.MkdirAll(byID, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(byID, "usb-X-if00")); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
}

// TestAwaitEnds: without a port, only the context ends it.
func TestAwaitEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := serial.Await(ctx, serial.Config{Path: filepath.Join(t.TempDir(), "none")}, func(error) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Await: %v", err)
	}
}

func TestFileLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "value")
	if err := serial.FileLine(path)(true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	for send, want := range map[bool]string{true: "1", false: "0"} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := serial.FileLine(path)(send); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("send %v wrote %q", send, got)
		}
	}
}

func TestCheck(t *testing.T) {
	ok := serial.Config{Path: "/dev/ttyS1", Baud: 9600, DataBits: 7, Parity: serial.Even}
	if err := ok.Check(); err != nil || ok.String() != "9600 7E1" {
		t.Errorf("%s: %v", ok, err)
	}
	for want, c := range map[string]serial.Config{
		"no path":      {},
		"baud 49":      {Path: "x", Baud: 49},
		"data bits 9":  {Path: "x", DataBits: 9},
		"stop bits 3":  {Path: "x", StopBits: 3},
		`parity "two"`: {Path: "x", Parity: "two"},
		"flow control": {Path: "x", Flow: "dtr"},
		"as well":      {Path: "x", Flow: serial.RTSCTS, RS485: serial.RS485{Direction: serial.ByRTS}},
		"no line":      {Path: "x", RS485: serial.RS485{Direction: serial.ByLine}},
		"0 to 100ms":   {Path: "x", RS485: serial.RS485{Direction: serial.ByRTS, After: time.Second}},
		"direction":    {Path: "x", RS485: serial.RS485{Direction: "up"}},
	} {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}
