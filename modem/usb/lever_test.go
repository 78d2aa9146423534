package usb

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// kernel writes to the tree as sysfs would, refuses what it would refuse, and
// keeps the order.
type kernel struct {
	tree
	log    []string
	refuse map[string]error // by the end of the path and the value
}

func (k *kernel) write(path string, data []byte) error {
	name := strings.TrimPrefix(path, k.root+"/")
	entry := name + " " + string(data)
	if err := k.refuse[entry[strings.LastIndex(name, "/")+1:]]; err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return err // no file is ever made in sysfs
	}
	k.log = append(k.log, entry)
	return os.WriteFile(path, data, 0)
}

func levers(t *testing.T) (*kernel, *Levers) {
	k := &kernel{tree: newTree(t), refuse: map[string]error{}}
	l := NewLevers(k.root, k.write)
	l.off = time.Millisecond
	return k, l
}

func (k *kernel) want(t *testing.T, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, k.log); d != "" {
		t.Errorf("written (-want +got):\n%s", d)
	}
}

func TestNewID(t *testing.T) {
	k, l := levers(t)
	if err := l.NewID(t.Context(), 0x1286, 0x4e3d); err != nil {
		t.Fatal(err)
	}
	k.want(t, "bus/usb-serial/drivers/option1/new_id 1286 4e3d ff")
	if err := os.RemoveAll(k.root + "/bus/usb-serial"); err != nil {
		t.Fatal(err)
	}
	if err := l.NewID(t.Context(), 1, 2); !errors.Is(err, ErrNoLever) {
		t.Errorf("without the driver: %v", err)
	}
}

func TestKeepAwakeWritesOnce(t *testing.T) {
	k, l := levers(t)
	p := k.air780("1-2", 0, 0)
	for range 2 {
		if err := l.KeepAwake(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	k.want(t, "devices/"+p+"/power/control on")
}

func TestAnnounce(t *testing.T) {
	k, l := levers(t)
	p := k.air780("1-2", 0, 0)
	k.file("devices/"+p+"/uevent", "")
	if err := l.Announce(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	k.want(t, "devices/"+p+"/uevent change")
}

func TestRebind(t *testing.T) {
	const drv = "bus/usb/drivers/usb/"
	broken := errors.New("no")
	for _, tt := range []struct {
		name   string
		refuse []string
		want   []string
		fails  bool
	}{
		{"as it should be", nil, []string{drv + "unbind 1-2.3", drv + "bind 1-2.3"}, false},
		{"is unbound", []string{"unbind 1-2.3"}, []string{drv + "bind 1-2.3"}, false},
		{"does not bind", []string{"bind 1-2.3"}, []string{drv + "unbind 1-2.3", "AUTH 0", "AUTH 1"}, false},
		{"nothing helps", []string{"bind 1-2.3", "authorized 0"}, []string{drv + "unbind 1-2.3"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, l := levers(t)
			p := k.air780("1-2/1-2.3", 0, 0)
			for _, r := range tt.refuse {
				k.refuse[r] = broken
			}
			err := l.Rebind(t.Context(), p)
			if (err != nil) != tt.fails || tt.fails && !errors.Is(err, broken) {
				t.Errorf("error %v", err)
			}
			for i := range tt.want {
				tt.want[i] = strings.Replace(tt.want[i], "AUTH", "devices/"+p+"/authorized", 1)
			}
			k.want(t, tt.want...)
		})
	}
	_, l := levers(t)
	if err := l.Rebind(t.Context(), bus+"/1-9"); !errors.Is(err, ErrNoLever) {
		t.Errorf("nothing there: %v", err)
	}
}

func TestCyclePort(t *testing.T) {
	k, l := levers(t)
	k.hub(bus, 4)
	k.hub(bus+"/1-2", 4)
	near, far := k.air780("1-3", 0, 0), k.air780("1-2/1-2.4", 3, 1)
	p3, p4 := "devices/"+bus+"/1-0:1.0/usb1-port3/disable ", "devices/"+bus+"/1-2/1-2:1.0/1-2-port4/disable "
	if err := l.CyclePort(t.Context(), near); err != nil {
		t.Fatal(err)
	}
	k.unplug(far) // a dead modem may have gone
	if err := l.CyclePort(t.Context(), far); err != nil {
		t.Fatal(err)
	}
	k.want(t, p3+"1", p3+"0", p4+"1", p4+"0")
	if err := l.CyclePort(t.Context(), bus+"/1-9"); !errors.Is(err, ErrNoLever) {
		t.Errorf("no such port: %v", err)
	}
}

// A port is never left without power, even if we are stopped meanwhile.
func TestCyclePortSwitchesOnAfterCancel(t *testing.T) {
	k, l := levers(t)
	k.hub(bus, 2)
	p := k.air780("1-2", 0, 0)
	l.off = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	off := make(chan struct{})
	write := l.write
	l.write = func(path string, data []byte) error {
		err := write(path, data)
		if string(data) == "1" {
			close(off)
		}
		return err
	}
	done := make(chan error, 1)
	go func() { done <- l.CyclePort(ctx, p) }()
	<-off
	cancel()
	<-done
	l.busy <- struct{}{} // waits until it is through
	if got := k.read("devices/" + bus + "/1-0:1.0/usb1-port2/disable"); got != "0" {
		t.Errorf("disable is %q: the port was left off", got)
	}
}

// A driver that hangs holds up neither us nor, by a second lever, itself.
func TestLeverThatHangs(t *testing.T) {
	k, l := levers(t)
	p := k.air780("1-2", 0, 0)
	free := make(chan struct{})
	l.write = func(string, []byte) error { <-free; return nil }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := l.Rebind(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline", err)
	}
	if err := l.KeepAwake(t.Context(), p); err == nil || !strings.Contains(err.Error(), "not through") {
		t.Errorf("second lever: %v", err)
	}
	close(free)
	l.busy <- struct{}{} // waits until it is through
}
