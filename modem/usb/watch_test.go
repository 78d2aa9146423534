package usb

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"luatnetd/modem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for a machine under load: what is waited for comes at once.
const patience = 30 * time.Second

// voice is a watcher's socket with its other end.
type voice struct{ f *os.File }

func voiced(t *testing.T, w *Watcher) voice {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	v := voice{os.NewFile(uintptr(fds[1]), "kernel")}
	t.Cleanup(func() { _ = v.f.Close() })
	w.listen = func() (*os.File, error) { return os.NewFile(uintptr(fds[0]), "uevents"), nil }
	return v
}

func (v voice) say(t *testing.T, event string) {
	t.Helper()
	if _, err := v.f.Write([]byte(event)); err != nil {
		t.Fatal(err)
	}
}

// run runs the watcher until the test ends.
func run(t *testing.T, w *Watcher) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func next(t *testing.T, w *Watcher) []modem.Device {
	t.Helper()
	select {
	case list := <-w.Devices():
		return list
	case <-time.After(patience):
		t.Fatal("no snapshot")
		return nil
	}
}

const added = "add@/devices/x/usb1/1-2\x00ACTION=add\x00SUBSYSTEM=usb\x00"

func TestWatcherFollowsPlugAndUnplug(t *testing.T) {
	s := newTree(t)
	w := New(s.root)
	v := voiced(t, w)
	run(t, w)
	if list := next(t, w); len(list) != 0 {
		t.Fatalf("at first %v", list)
	}
	for range 3 {
		p := s.air780("1-2", 0, 0)
		v.say(t, added)
		if list := next(t, w); len(list) != 1 || len(list[0].Ports) != 3 {
			t.Fatalf("plugged in: %v", list)
		}
		s.unplug(p)
		v.say(t, "remove@/devices/x/usb1/1-2\x00SUBSYSTEM=usb\x00")
		if list := next(t, w); len(list) != 0 {
			t.Fatalf("unplugged: %v", list)
		}
	}
}

// What changes nothing makes no snapshot, and a foreign event no scan.
func TestWatcherIsSilentAboutNothing(t *testing.T) {
	s := newTree(t)
	w := New(s.root)
	v := voiced(t, w)
	run(t, w)
	next(t, w)
	v.say(t, added) // nothing is there
	s.ec25("1-3")
	v.say(t, "add@/devices/virtual/net/veth0\x00SUBSYSTEM=net\x00")
	v.say(t, "noise")
	select {
	case list := <-w.Devices():
		// The first event's scan may still have seen it: that is no fault.
		if len(list) != 1 {
			t.Errorf("snapshot %v", list)
		}
	case <-time.After(3 * pause):
	}
}

func TestWatcherKeepsTheNewestOnly(t *testing.T) {
	s := newTree(t)
	w := New(s.root)
	if err := w.scan(); err != nil {
		t.Fatal(err)
	}
	s.ec25("1-3")
	if err := w.scan(); err != nil {
		t.Fatal(err)
	}
	if list := <-w.Devices(); len(list) != 1 {
		t.Errorf("snapshot %v, want the newest", list)
	}
	if err := w.scan(); err != nil {
		t.Fatal(err)
	}
	if len(w.out) != 0 {
		t.Error("an equal snapshot was published")
	}
}

// The real socket: a netdev that is made in a namespace of ours is announced
// there, and more events than the socket holds are an ENOBUFS, which counts as
// an event.
func TestKernelSpeaks(t *testing.T) {
	runtime.LockOSThread() // never unlocked: the thread ends with its namespace
	if err := unix.Unshare(unix.CLONE_NEWUSER | unix.CLONE_NEWNET); err != nil {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Skipf("needs a network namespace: %v", err)
		}
	}
	f, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	toggle := tap(t)
	toggle()
	buf := make([]byte, maxEvent)
	if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for seen := false; !seen; {
		n, err := f.Read(buf)
		if err != nil {
			t.Fatalf("no event of the netdev: %v", err)
		}
		e, ok := parseEvent(buf[:n])
		if !ok {
			t.Errorf("cannot read %q", buf[:n])
		}
		seen = e.subsystem == "net" && e.path == "/devices/virtual/net/uev0"
	}
	small := 0
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, small) })
	for range 200 {
		toggle()
	}
	if err := await(f, buf); err != nil {
		t.Errorf("lost events: %v, want a reason to scan", err)
	}
	if err := drain(f, buf); err != nil {
		t.Errorf("drain: %v", err)
	}
}

// tap returns a function that makes a netdev and takes it away again.
func tap(t *testing.T) func() {
	t.Helper()
	return func() {
		t.Helper()
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Skipf("needs /dev/net/tun: %v", err)
		}
		defer func() { _ = unix.Close(fd) }()
		req, err := unix.NewIfreq("uev0")
		if err != nil {
			t.Fatal(err)
		}
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			t.Skipf("needs to make a netdev: %v", err)
		}
	}
}

func TestParseEvent(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		ok, hit  bool
	}{
		{"tty of a modem", "add@/devices/a/usb1/1-1/1-1:1.2/tty/ttyACM0\x00SUBSYSTEM=tty\x00", true, true},
		{"console", "add@/devices/virtual/tty/tty1\x00SUBSYSTEM=tty\x00", true, false},
		{"netdev", "move@/devices/a/usb1/1-1/1-1:1.0/net/usb0\x00SUBSYSTEM=net\x00", true, true},
		{"driver bound", "bind@/devices/a/usb1/1-1/1-1:1.0\x00SUBSYSTEM=usb\x00", true, true},
		{"control device", "add@/devices/a/usb1/1-1/1-1:1.4/usbmisc/cdc-wdm0\x00SUBSYSTEM=usbmisc\x00", true, true},
		{"disk", "add@/devices/a/usb1/1-1/block/sda\x00SUBSYSTEM=block\x00", true, false},
		{"udev's", "libudev\x00\xfe\xed", false, false},
		{"nothing", "", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, ok := parseEvent([]byte(tt.in))
			if ok != tt.ok || e.matters() != tt.hit {
				t.Errorf("%+v, %v, matters %v", e, ok, e.matters())
			}
		})
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(added))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := parseEvent(b); ok && (e.action == "" || e.path[0] != '/') {
			t.Errorf("%+v", e)
		}
	})
}
