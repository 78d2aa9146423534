package netns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/host"
	"luatnetd/internal/lab"
)

// ailing is one thing for each health code of long connections. Nobody listens
// at the ports of the queues, so that messages wait.
const ailing = `
[time]
servers = ["203.0.113.10"]
retry = "1s"

[queue]
disk_dir = "DIR/flash"
run_dir = "DIR/ram"

[[connection]]
name = "flash"
host = "203.0.113.10"
port = 46001
queue.mode = "disk"

[[connection]]
name = "room"
host = "203.0.113.10"
port = 46001
queue.mode = "run"

[[connection]]
name = "unread"
host = "203.0.113.10"
port = 46004
queue.mode = "disk"

[[connection]]
name = "place"
host = "203.0.113.10"
port = 46002
queue.mode = "disk"

[[connection]]
name = "cert"
kind = "tls"
host = "203.0.113.10"
port = 46003
[connection.tls]
ca = "DIR/ten-days.pem"
server_name = "server.example"

[[serial]]
name = "uart"
device = "UART"

[[server]]
name = "lan-server"
lan = "lan"
port = 50003

[[route]]
from = ["uart"]
to = ["flash"]
`

// Every health code of docs/api.md that tells of a fault around a long
// connection comes with the fault, names its entry and goes with it, in the real
// daemon: full file systems, a stored message that cannot be read, a certificate
// that ends in ten days, no time server, an unplugged serial adapter, a port that
// somebody else has. Only queue-not-on-flash is not waited for: flash is tried
// again after a minute (client/queue TestLC04FlashFails).
func TestHealthCodesComeAndGo(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		s := &stage{box: newBox(t, 2), peers: map[string]*lab.Talker{}}
		s.dir = filepath.Join(s.Gateway.Dir(), "demo")
		s.ok(os.Mkdir(s.dir, 0o755))
		s.staticClient()
		flash, room, place := s.tiny("flash/flash"), s.tiny("ram/room"), s.tiny("ram/place")
		cert, key := s.dir+"/ten-days.pem", s.dir+"/ten-days.key"
		s.Gateway.MustRun(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "10",
			"-subj", "/CN=server.example", "-addext", "subjectAltName=DNS:server.example", "-keyout", key, "-out", cert)
		s.peer("cert", "openssl", "s_server", "-quiet", "-cert", cert, "-key", key, "-accept", "46003")
		s.peer("place", "ncat", "-l", "-k", "-p", "46002")
		s.ok(unix.Mount("luatnetd-test", "/dev/shm", "tmpfs", 0, "")) // a serial port is below /dev, which is the machine's
		t.Cleanup(func() { s.ok(unix.Unmount("/dev/shm", unix.MNT_DETACH)) })
		uart := s.plug()
		place.fill()
		s.write(static + strings.NewReplacer("DIR", s.dir, "UART", adapter).Replace(ailing))
		s.start()
		s.active(20*time.Second, "wan", "wan1")

		s.has("certificate-expires", "cert", "ends in 9 days")
		s.want(0, "", "send", "unread", "lost by the medium")
		list, err := filepath.Glob(s.dir + "/flash/unread/*.seg")
		if err != nil || len(list) != 1 {
			t.Fatalf("segments %v, %v; want one", list, err)
		}
		s.ok(os.Truncate(list[0], 0))
		s.peer("unread", "ncat", "-l", "-k", "-p", "46004")
		s.has("queue-read-error", "unread", filepath.Base(list[0]))
		s.has("queue-position", "place", "no space left")
		synced := host.KernelSynced()
		if !synced { // else another program keeps the clock, which can be trusted
			s.has("time-untrusted", "", "no time server has answered")
		}
		for _, code := range []string{"queue-not-on-flash", "queue-no-room", "serial-closed", "server-down"} {
			s.hasNot(code)
		}

		flash.fill()
		room.fill()
		s.want(0, "", "send", "flash", "kept in memory")
		s.has("queue-not-on-flash", "flash", "no space left")
		s.want(1, "", "send", "room", "refused")
		s.has("queue-no-room", "room", "no space left")
		uart.Kill()
		s.has("serial-closed", "uart", "")
		s.ok(s.Client.SetUp("eth0", false))
		s.has("server-down", "lan-server", "waits for its LAN")
		thief, err := s.Gateway.Talk("ncat", "-l", "-k", "-p", "50003")
		s.ok(err)
		s.eventually(5*time.Second, "somebody else has the port", func() error {
			out := s.Gateway.MustRun(t, "ss", "-ltnH", "sport = :50003")
			if !strings.Contains(out, ":50003") {
				return errors.New("not yet")
			}
			return nil
		})
		s.ok(s.Client.SetUp("eth0", true))
		s.has("server-down", "lan-server", "address already in use")

		thief.Kill()
		flash.empty()
		room.empty()
		place.empty()
		s.plug()
		stop, err := s.Server.ServeNTP(lab.WebAddr, 0)
		s.ok(err)
		t.Cleanup(stop)
		s.want(0, "", "send", "room", "there is room again")
		s.want(0, "", "send", "place", "moves the position")
		s.want(0, "", "send", "unread", "can be read")
		s.ok(s.peers["unread"].Hears(10*time.Second, "can be read"))
		for _, code := range []string{"time-untrusted", "serial-closed", "server-down", "queue-no-room", "queue-position", "queue-read-error"} {
			s.hasNot(code)
		}
	})
}

// adapter is where the serial adapter appears.
const adapter = "/dev/shm/uart"

// plug plugs it in, with a program behind it.
func (s *stage) plug() *lab.Talker {
	s.t.Helper()
	p, err := s.Gateway.Talk("socat", "PTY,link="+adapter+",rawer,wait-slave", "STDIO")
	s.ok(err)
	s.eventually(5*time.Second, "the serial line exists", func() error { _, err := os.Stat(adapter); return err })
	return p
}

// has waits until a health code is shown for an entry, with these words.
func (s *stage) has(code, entry, words string) {
	s.t.Helper()
	s.eventually(15*time.Second, code+" of "+entry, func() error {
		d := s.status()
		for _, h := range d.Health {
			if string(h.Code) == code && h.Entry == entry && strings.Contains(h.Text, words) {
				return nil
			}
		}
		return fmt.Errorf("it is not in %s", pretty(d.Health))
	})
}

// hasNot waits until a health code is not shown.
func (s *stage) hasNot(code string) {
	s.t.Helper()
	s.eventually(15*time.Second, "no more "+code, func() error {
		d := s.status()
		for _, h := range d.Health {
			if string(h.Code) == code {
				return fmt.Errorf("%s: %s", h.Entry, h.Text)
			}
		}
		return nil
	})
}

// medium is a file system of 64 KiB.
type medium struct {
	s    *stage
	path string
}

func (s *stage) tiny(name string) medium {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	s.ok(os.MkdirAll(path, 0o755))
	s.ok(unix.Mount("luatnetd-test", path, "tmpfs", 0, "size=64k"))
	s.t.Cleanup(func() { s.ok(unix.Unmount(path, unix.MNT_DETACH)) })
	return medium{s, path}
}

// fill writes until the kernel says that there is no space left.
func (m medium) fill() {
	m.s.t.Helper()
	f, err := os.Create(filepath.Join(m.path, "filler"))
	m.s.ok(err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, io.ErrShortWrite) {
		m.s.t.Fatal(err)
	}
}

func (m medium) empty() { m.s.t.Helper(); m.s.ok(os.Remove(filepath.Join(m.path, "filler"))) }
