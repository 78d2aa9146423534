package netns

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// pcapConnections are two to one server, so that only the port tells them
// apart, one by UDP, and one to nobody.
const pcapConnections = `
[[connection]]
name = "cap"
host = "203.0.113.10"
port = 42301

[[connection]]
name = "other"
host = "203.0.113.10"
port = 42301

[[connection]]
name = "dgram"
kind = "udp"
host = "203.0.113.10"
port = 47302

[[connection]]
name = "silent"
host = "203.0.113.99"
port = 42303
connect_timeout = "3s"
reconnect = "1s"

[[route]]
from = ["ctl"]
to = ["cap"]
`

// TestCapture (OBS-01, OBS-02): what ctl captures of a connection is what a
// foreign tcpdump sees of it, over a switch of the uplink, and nothing else.
func TestCapture(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		if b, err := os.ReadFile("/proc/self/setgroups"); err == nil && strings.TrimSpace(string(b)) == "deny" {
			t.Skip("needs setgroups(2), with which tcpdump begins: run as root")
		}
		s := &stage{box: newBox(t, 2), peers: map[string]*lab.Talker{}}
		s.dir = s.Gateway.Dir()
		s.peer("cap", "ncat", "-l", "-k", "-p", "42301")
		s.peer("dgram", "socat", "UDP4-LISTEN:47302,bind="+lab.WebAddr, "STDIO")
		s.write(static + pcapConnections)
		s.start()
		s.staticClient()
		s.active(20*time.Second, "wan", "wan1")
		s.ready(10*time.Second, "wan2")
		for _, name := range []string{"cap", "other", "dgram"} {
			s.ok(s.state(name, "ONLINE"))
		}
		t.Run("a connection over a switch", s.captureSwitch)
		t.Run("a connection by UDP", s.captureUDP)
		t.Run("a connection that is never made", s.captureSilent)
		t.Run("bounds", s.captureBounds)
		t.Run("an uplink", s.captureUplink)
		t.Run("nothing is left", s.captureHangUp)
		t.Run("refused", s.captureRefused)
	})
}

// capture starts "ctl … --pcap FILE" and waits until it captures.
func (s *stage) capture(t *testing.T, file string, args ...string) *lab.Proc {
	t.Helper()
	p, err := s.Gateway.Start(nil, s.Binary, append(append([]string{"ctl"}, args...), "--pcap", file)...)
	if err != nil {
		t.Fatal(err)
	}
	s.grows(t, file, 24)
	return p
}

// grows waits until a file has more than its head.
func (s *stage) grows(t *testing.T, file string, size int64) {
	t.Helper()
	if err := lab.Poll(20*time.Second, func() error {
		fi, err := os.Stat(file)
		if err == nil && fi.Size() < size {
			err = fmt.Errorf("%s has %d bytes", file, fi.Size())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// interrupted is what a capture says that a person ends with Ctrl-C.
func interrupted(t *testing.T, p *lab.Proc) string {
	t.Helper()
	if err := p.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	return ended(t, p)
}

func ended(t *testing.T, p *lab.Proc) string {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	if p.Err() != nil {
		t.Errorf("%v: %s", p.Err(), p.Output())
	}
	return p.Output()
}

// dump is what tcpdump reads in a capture file, a packet a line; sequence
// numbers are absolute, so that two captures can be compared.
func (s *stage) dump(t *testing.T, file string, filter ...string) (lines []string) {
	t.Helper()
	out := s.Gateway.MustRun(t, "tcpdump", append([]string{"-nn", "-t", "-S", "-r", file}, filter...)...)
	for _, l := range strings.Split(out, "\n") {
		if _, packet, ok := strings.Cut(l, "IP "); ok { // before it, from our file, which way it went
			lines = append(lines, strings.TrimSpace(packet))
		}
	}
	return lines
}

// foreign runs tcpdump itself on a device.
func (s *stage) foreign(t *testing.T, device, filter string) (file string, stop func()) {
	t.Helper()
	file = filepath.Join(s.dir, device+"-foreign.pcap")
	p, err := s.Gateway.Start(nil, "tcpdump", "-i", device, "-nn", "-U", "--immediate-mode", "-Z", "root", "-w", file, filter)
	if err != nil {
		t.Fatal(err)
	}
	s.eventually(20*time.Second, "tcpdump listens", func() error {
		if !strings.Contains(p.Output(), "listening on") {
			return fmt.Errorf("it says %q", p.Output())
		}
		return nil
	})
	return file, func() { _ = p.Signal(syscall.SIGINT); <-p.Done() }
}

var sessionPort = regexp.MustCompile(`ONLINE, (100\.64\.\d\.2):(\d+) to`)

// sessions are our ends of a connection's sessions, ADDRESS.PORT, oldest first.
func (s *stage) sessions(t *testing.T, name string) (list []string) {
	t.Helper()
	trace, _ := s.ctl("connection", name, "trace")
	for _, m := range sessionPort.FindAllStringSubmatch(trace, -1) {
		list = append(list, m[1]+"."+m[2])
	}
	return list
}

// says sends a message on a connection and waits for it at the server.
func (s *stage) says(t *testing.T, name, peer, text string) {
	t.Helper()
	if out, code := s.ctl("send", name, "--wait", text); code != 0 {
		t.Fatalf("ctl send %s: exit %d: %s", name, code, out)
	}
	if err := s.hears(peer, text); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) captureSwitch(t *testing.T) {
	wan1, stop1 := s.foreign(t, "wan1", "tcp port 42301")
	wan2, stop2 := s.foreign(t, "wan2", "tcp port 42301")
	file := filepath.Join(s.dir, "switch.pcap")
	p := s.capture(t, file, "connection", "cap", "trace")
	before := len(s.sessions(t, "cap"))
	s.says(t, "cap", "cap", "first-on-wan1")
	s.says(t, "other", "cap", "not-of-this-connection")
	c, err := s.Client.Dial("tcp4", lab.WebAddr+":42301", 5*time.Second) // the same server, by the LAN
	s.ok(err)
	_, err = c.Write([]byte("not-ours-either"))
	s.ok(err)
	s.ok(s.hears("cap", "not-ours-either"))
	_ = c.Close()
	s.said("use", "wan2")
	s.eventually(20*time.Second, "a session by wan2", func() error {
		if n := s.sessions(t, "cap"); len(n) <= before || !strings.HasPrefix(n[len(n)-1], "100.64.2.2.") {
			return fmt.Errorf("sessions %v", n)
		}
		return nil
	})
	s.says(t, "cap", "cap", "then-on-wan2")
	list := s.sessions(t, "cap")
	s.eventually(20*time.Second, "the end of the first session is in the file", func() error {
		if n := len(s.dump(t, file, "src host 100.64.1.2 and tcp[tcpflags] & (tcp-fin|tcp-rst) != 0")); n == 0 {
			return fmt.Errorf("no FIN and no RST")
		}
		return nil
	})
	said := interrupted(t, p)
	defer stop1()
	defer stop2()
	if !strings.Contains(said, "you ended it") {
		t.Errorf("it says %q", said)
	}
	for i, foreign := range []string{wan1, wan2} {
		own := list[len(list)-2+i]
		host, port := own[:strings.LastIndex(own, ".")], own[strings.LastIndex(own, ".")+1:]
		sift := fmt.Sprintf("host %s and port %s", host, port)
		if err := lab.Poll(10*time.Second, func() error { // tcpdump may be a moment behind
			want, got := s.dump(t, foreign, sift), s.dump(t, file, sift)
			if !samePackets(want, got) {
				return fmt.Errorf("tcpdump saw\n%s\nthe capture has\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
			}
			return nil
		}); err != nil {
			t.Errorf("session %s: %v", own, err)
		}
		if rest := s.dump(t, file, fmt.Sprintf("host %s and not port %s", host, port)); len(rest) > 0 {
			t.Errorf("the capture has packets of others:\n%s", strings.Join(rest, "\n"))
		}
	}
	if first := s.dump(t, file, "src host 100.64.2.2"); len(first) == 0 || !strings.Contains(first[0], "Flags [S]") {
		t.Errorf("the session by wan2 does not begin with its SYN: %v", first)
	}
	if n := len(s.dump(t, wan1)); n <= len(s.dump(t, file, "host 100.64.1.2")) {
		t.Errorf("tcpdump saw %d packets of that server on wan1: nobody else's, nothing was tested", n)
	}
	text := s.Gateway.MustRun(t, "tcpdump", "-nn", "-A", "-r", file)
	for _, w := range []string{"first-on-wan1", "then-on-wan2"} {
		if !strings.Contains(text, w) {
			t.Errorf("the capture has no %q", w)
		}
	}
	fi, err := os.Stat(file)
	s.ok(err)
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, want 0600", fi.Mode().Perm())
	}
	s.said("auto")
	s.active(20*time.Second, "wan", "wan1")
}

// samePackets compares without order: two sockets need not agree on it.
func samePackets(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return len(a) > 0 && slices.Equal(a, b)
}

func (s *stage) captureUDP(t *testing.T) {
	file := filepath.Join(s.dir, "udp.pcap")
	p := s.capture(t, file, "connection", "dgram", "trace", "--packets", "2")
	s.says(t, "cap", "cap", "not-by-udp")
	s.says(t, "dgram", "dgram", "by-udp")
	s.ok(s.peers["dgram"].Say("answer"))
	if said := ended(t, p); !strings.Contains(said, "2 packets, ") || !strings.Contains(said, "there are 2 packets") {
		t.Errorf("it says %q", said)
	}
	lines := s.dump(t, file)
	if len(lines) != 2 || !strings.Contains(lines[0], "> 203.0.113.10.47302: UDP, length 21") || !strings.Contains(lines[1], "203.0.113.10.47302 >") {
		t.Errorf("the capture has\n%s", strings.Join(lines, "\n"))
	}
}

// A session that nobody answers is what captures are made for.
func (s *stage) captureSilent(t *testing.T) {
	file := filepath.Join(s.dir, "silent.pcap")
	ended(t, s.capture(t, file, "connection", "silent", "trace", "--packets", "3"))
	lines := s.dump(t, file)
	for _, l := range lines {
		if !strings.Contains(l, "> 203.0.113.99.42303: Flags [S]") && !strings.Contains(l, "ICMP") {
			t.Errorf("the capture has %s", l)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%d packets, want 3", len(lines))
	}
}

func (s *stage) captureBounds(t *testing.T) {
	file := filepath.Join(s.dir, "bytes.pcap")
	p := s.capture(t, file, "connection", "cap", "trace", "--bytes", "3000", "--snaplen", "100")
	for i := range 30 {
		s.says(t, "cap", "cap", fmt.Sprintf("%d:%s", i, strings.Repeat("x", 300)))
		select {
		case <-p.Done():
		default:
			continue
		}
		break
	}
	said := ended(t, p)
	fi, err := os.Stat(file)
	s.ok(err)
	if fi.Size() > 3000 || fi.Size() < 2800 || !strings.Contains(said, "3000 bytes") {
		t.Errorf("the file has %d bytes, want at most 3000 and at least 2800; it says %q", fi.Size(), said)
	}
	if n := len(s.dump(t, file)); n < 10 {
		t.Errorf("tcpdump reads %d packets in it", n)
	}
	begun := time.Now()
	said = ended(t, s.capture(t, filepath.Join(s.dir, "time.pcap"), "connection", "other", "trace", "--time", "1s"))
	if took := time.Since(begun); took < time.Second || !strings.Contains(said, "1s have passed") {
		t.Errorf("after %v it says %q", took, said)
	}
}

func (s *stage) captureUplink(t *testing.T) {
	file := filepath.Join(s.dir, "uplink.pcap")
	p := s.capture(t, file, "uplink", "wan", "trace", "--host", lab.WebAddr, "--port", "80")
	s.says(t, "cap", "cap", "another-port")
	if _, err := s.curl(); err != nil {
		t.Fatal(err)
	}
	s.eventually(20*time.Second, "the packets are in the file", func() error {
		if n := len(s.dump(t, file)); n < 6 {
			return fmt.Errorf("%d packets", n)
		}
		return nil
	})
	interrupted(t, p)
	for _, l := range s.dump(t, file) {
		if !strings.Contains(l, "203.0.113.10.80") {
			t.Errorf("the capture has %s", l)
		}
	}
}

// taps counts the sockets in the gateway that see every packet of a device.
func (s *stage) taps(t *testing.T) (n int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/packet", s.Daemon.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(string(b), "\n") {
		if w := strings.Fields(l); len(w) > 3 && w[3] == "0003" { // ETH_P_ALL
			n++
		}
	}
	return n
}

func (s *stage) captureHangUp(t *testing.T) {
	if n := s.taps(t); n != 0 {
		t.Errorf("%d taps after captures that ended, want none", n)
	}
	p := s.capture(t, filepath.Join(s.dir, "killed.pcap"), "connection", "cap", "trace")
	if n := s.taps(t); n != 1 {
		t.Errorf("%d taps during a capture, want 1", n)
	}
	p.Kill()
	s.eventually(20*time.Second, "the tap of a reader that was killed is gone", func() error {
		if n := s.taps(t); n != 0 {
			return fmt.Errorf("%d taps", n)
		}
		return nil
	})
}

func (s *stage) captureRefused(t *testing.T) {
	file := filepath.Join(s.dir, "refused.pcap")
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"connection", "nobody", "trace", "--pcap", file}, 1, "there is no connection"},
		{[]string{"uplink", "nobody", "trace", "--pcap", file}, 1, "there is no uplink"},
		{[]string{"uplink", "wan", "trace"}, 2, "--pcap FILE"},
		{[]string{"uplink", "wan", "down", "--pcap", file}, 2, "--pcap FILE"},
		{[]string{"connection", "cap", "trace", "--pcap", file, "--bytes", "10"}, 2, "1024 to"},
		{[]string{"connection", "cap", "trace", "--pcap", filepath.Join(s.dir, "udp.pcap")}, 1, "overwrites nothing"},
	} {
		out, code := s.ctl(tt.args...)
		if code != tt.code || !strings.Contains(out, tt.says) {
			t.Errorf("ctl %v: exit %d: %s; want %d and %q", tt.args, code, out, tt.code, tt.says)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a refused capture leaves a file")
	}
	if n := s.taps(t); n != 0 {
		s.eventually(20*time.Second, "no tap is left", func() error {
			if n := s.taps(t); n != 0 {
				return fmt.Errorf("%d taps", n)
			}
			return nil
		})
	}
}
