package netns

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// demo is LuatOS's long-connection demo in one file: its four connections and
// a fifth with mutual TLS, the serial port, the timer, the status report, local
// programs and the three kinds of servers. DIR is where the test keeps its files.
const demo = `
[[connection]]
name = "tcp"
kind = "tcp"
host = "203.0.113.10"
port = 42145

[[connection]]
name = "udp"
kind = "udp"
host = "203.0.113.10"
port = 47708

[[connection]]
name = "tcp_ssl"
kind = "tls"
host = "203.0.113.10"
port = 43428
[connection.tls]
insecure = true

[[connection]]
name = "tcp_ssl_ca"
kind = "tls"
host = "203.0.113.10"
port = 44443
[connection.tls]
ca = "DIR/ca.pem"
server_name = "server.example"

[[connection]]
name = "mutual"
kind = "tls"
host = "203.0.113.10"
port = 45443
label = "tcp_ssl_mutual"
[connection.tls]
ca = "DIR/ca.pem"
cert = "DIR/client.pem"
key = "DIR/client.key"
server_name = "server.example"

[time]
servers = ["203.0.113.10"]

[[serial]]
name = "uart"
device = "UART"

[[timer]]
name = "timer"

[[report]]
name = "Aircloud_main"
interval = "5s"

[[local]]
name = "prog"
path = "DIR/prog.sock"
type = "stream"

[[local]]
name = "dgram"
path = "DIR/dgram.sock"
type = "datagram"

[[server]]
name = "one"
kind = "tcp"
lan = "lan"
port = 50003

[[server]]
name = "many"
kind = "tcp_multi"
lan = "lan"
port = 50004

[[server]]
name = "udpsrv"
kind = "udp"
lan = "lan"
port = 50003

[[connection]]
name = "report"
host = "203.0.113.10"
port = 46001

[[oneshot]]
name = "short"
connection = "report"
text = "hourly"

[[route]]
from = ["uart"]
to = ["tcp", "udp", "tcp_ssl", "tcp_ssl_ca", "mutual", "one", "many", "udpsrv"]
[[route]]
from = ["timer"]
to = ["tcp", "udp", "tcp_ssl", "tcp_ssl_ca", "mutual"]
[[route]]
from = ["Aircloud_main"]
to = ["tcp"]
[[route]]
from = ["prog", "dgram", "ctl"]
to = ["tcp"]
[[route]]
from = ["tcp", "udp", "tcp_ssl", "tcp_ssl_ca", "mutual", "one", "many", "udpsrv"]
to = ["uart"]
`

// stage is the demo with its foreign peers.
type stage struct {
	*box
	dir    string
	peers  map[string]*lab.Talker // by connection
	uart   *lab.Talker            // the device at the other end of the serial line
	labels map[string]string      // by connection: "tcp", "udp", "tcp_ssl", …
}

// newStage builds everything and starts the daemon last.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{box: newBox(t, 2), peers: map[string]*lab.Talker{}, labels: map[string]string{
		"tcp": "tcp", "udp": "udp", "tcp_ssl": "tcp_ssl", "tcp_ssl_ca": "tcp_ssl_ca", "mutual": "tcp_ssl_mutual",
	}}
	s.dir = filepath.Join(s.Gateway.Dir(), "demo")
	s.ok(os.Mkdir(s.dir, 0o755))
	pki, err := lab.NewPKI(s.dir, "server.example", lab.WebAddr)
	s.ok(err)
	s.staticClient()
	s.peer("tcp", "ncat", "-l", "-k", "-p", "42145")
	s.peer("udp", "socat", "UDP4-LISTEN:47708,bind="+lab.WebAddr, "STDIO")
	tls := []string{"s_server", "-quiet", "-cert", pki.ServerCert, "-key", pki.ServerKey}
	s.peer("tcp_ssl", "openssl", append(tls, "-accept", "43428")...)
	s.peer("tcp_ssl_ca", "ncat", "--ssl", "--ssl-cert", pki.ServerCert, "--ssl-key", pki.ServerKey, "-l", "-k", "-p", "44443")
	s.peer("mutual", "openssl", append(tls, "-accept", "45443", "-CAfile", pki.CA, "-Verify", "2")...)
	s.uart, err = s.Gateway.Talk("socat", "PTY,link="+s.dir+"/uart,rawer,wait-slave", "STDIO")
	s.ok(err)
	s.eventually(5*time.Second, "the serial line exists", func() error { _, err := os.Lstat(s.dir + "/uart"); return err })
	device, err := filepath.EvalSymlinks(s.dir + "/uart")
	s.ok(err)
	stop, err := s.Server.ServeNTP(lab.WebAddr, 0)
	s.ok(err)
	t.Cleanup(stop)
	s.write(static + strings.NewReplacer("DIR", s.dir, "UART", device).Replace(demo))
	s.start()
	s.active(20*time.Second, "wan", "wan1")
	return s
}

// peer starts a foreign server on the virtual internet.
func (s *stage) peer(name, program string, args ...string) {
	s.t.Helper()
	p, err := s.Server.Talk(program, args...)
	s.ok(err)
	s.peers[name] = p
}

// row is one line of the demo's checklist.
type row struct {
	id, what string
	do       func(s *stage) error
}

// hears waits until the server of a connection got exactly these bytes.
func (s *stage) hears(conn, text string) error { return s.peers[conn].Hears(5*time.Second, text) }

// typed types on the serial port and wants it at the server of a connection.
func typed(id, conn, text string) row {
	return row{id, conn + " carries the serial port", func(s *stage) error {
		if err := s.uart.Say(text); err != nil {
			return err
		}
		return s.hears(conn, "send from uart: "+text)
	}}
}

// counted wants the timer's first message.
func counted(conn string) row {
	return row{"LC-08", conn + " carries the timer", func(s *stage) error { return s.hears(conn, "send from timer: 1") }}
}

// answered lets a server speak and wants it on the serial port.
func answered(conn string) row {
	return row{"LC-05", "what the server of " + conn + " says reaches the serial port", func(s *stage) error {
		text := "hello from " + conn
		if err := s.peers[conn].Say(text); err != nil {
			return err
		}
		return s.uart.Hears(5*time.Second, "recv from "+s.labels[conn]+" server: "+text+"\r\n")
	}}
}

// TestClientDemo: LuatOS's demo from one file, byte for byte, against foreign
// programs: ncat, socat, openssl.
func TestClientDemo(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		s := newStage(t)
		for _, r := range demoRows() {
			t.Run(r.id+" "+r.what, func(t *testing.T) {
				if err := r.do(s); err != nil {
					t.Error(err)
				}
			})
		}
		s.noForeign()
		if t.Failed() {
			out, _ := s.ctl("connection", "udp", "trace")
			t.Logf("trace of udp:\n%s", out)
		}
	})
}

func demoRows() []row {
	rows := []row{}
	for _, conn := range []string{"tcp", "udp", "tcp_ssl", "tcp_ssl_ca", "mutual"} {
		rows = append(rows, online(conn))
	}
	for _, conn := range []string{"tcp", "udp", "tcp_ssl", "tcp_ssl_ca", "mutual"} {
		rows = append(rows, typed("LC-05", conn, "typed for "+conn), answered(conn), counted(conn))
	}
	rows = append(rows, serialRows()...)
	rows = append(rows, localRows()...)
	rows = append(rows, serverRows()...)
	return append(rows, operatorRows()...)
}

// connection returns what ctl says of a connection.
func (s *stage) connection(name string) (map[string]any, error) {
	out, code, err := s.Ctl("connections", "--json")
	if err != nil || code != 0 {
		return nil, fmt.Errorf("ctl connections: exit %d, %w: %s", code, err, out)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("ctl connections printed %q: %w", out, err)
	}
	for _, c := range list {
		if c["name"] == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("ctl connections has no %s: %s", name, out)
}

// online waits until a connection is ONLINE.
func online(name string) row {
	return row{"SOCK-01", name + " comes online", func(s *stage) error { return s.state(name, "ONLINE") }}
}

func (s *stage) state(name, want string) error {
	return lab.Poll(15*time.Second, func() error {
		c, err := s.connection(name)
		if err == nil && c["state"] != want {
			err = fmt.Errorf("it is %v: %v", c["state"], c["last_error"])
		}
		return err
	})
}

func serialRows() []row {
	burst := strings.Repeat("0123456789a", 100)
	return []row{
		{"LC-07", "a burst of 1,100 bytes is one message", func(s *stage) error {
			if err := s.uart.Say(burst); err != nil {
				return err
			}
			return s.hears("tcp", "send from uart: "+burst)
		}},
		{"LC-07", "two bursts 100 ms apart are two", func(s *stage) error {
			if err := s.uart.Say("first"); err != nil {
				return err
			}
			time.Sleep(150 * time.Millisecond) // the line's own silence is what is tested
			if err := s.uart.Say("second"); err != nil {
				return err
			}
			return s.hears("tcp", "send from uart: firstsend from uart: second")
		}},
		{"LC-06", "one message reaches all five connections", func(s *stage) error {
			if err := s.uart.Say("everybody"); err != nil {
				return err
			}
			for name := range s.peers {
				if err := s.hears(name, "send from uart: everybody"); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		}},
	}
}

func localRows() []row {
	return []row{
		{"LC-09", "the status report is JSON with fresh values", func(s *stage) error {
			const tag = "send from Aircloud_main: "
			return lab.Poll(20*time.Second, func() error {
				_, rest, ok := strings.Cut(s.peers["tcp"].Got(), tag)
				if !ok {
					return fmt.Errorf("no report yet")
				}
				var list []map[string]any
				if err := json.NewDecoder(strings.NewReader(rest)).Decode(&list); err != nil {
					return fmt.Errorf("%q: %w", rest, err)
				}
				if len(list) < 2 || list[0]["field_meaning"] == nil || list[0]["value"] == nil {
					return fmt.Errorf("the report is %v", list)
				}
				if _, again, ok := strings.Cut(rest, tag); !ok || strings.HasPrefix(rest, again) {
					return fmt.Errorf("the reports do not change: %q", rest)
				}
				return nil
			})
		}},
		{"LC-03", "a local program is told that its message was accepted, over a stream", func(s *stage) error {
			return s.program("unix", "prog.sock", "from a program\n", "accepted")
		}},
		{"LC-05", "and the server gets it", func(s *stage) error { return s.hears("tcp", "send from prog: from a program") }},
		{"LC-03", "the same by datagram", func(s *stage) error {
			return s.program("unixgram", "dgram.sock", "one datagram", "accepted")
		}},
		{"LC-05", "and the server gets that, too", func(s *stage) error { return s.hears("tcp", "send from dgram: one datagram") }},
		{"LC-06", "ctl send reaches one connection", func(s *stage) error {
			out, code, err := s.Ctl("send", "tcp", "by hand")
			if err != nil || code != 0 {
				return fmt.Errorf("ctl send: exit %d, %w: %s", code, err, out)
			}
			if err := s.hears("tcp", "send from ctl: by hand"); err != nil {
				return err
			}
			if got := s.peers["tcp_ssl"].Got(); strings.Contains(got, "by hand") {
				return fmt.Errorf("another server got it as well")
			}
			return nil
		}},
		{"SC-01", "a short connection sends, gets its answer and closes", func(s *stage) error {
			p, err := s.Server.Talk("socat", "TCP-LISTEN:46001,reuseaddr", "SYSTEM:head -c 6; echo =answer")
			if err != nil {
				return err
			}
			defer p.Kill()
			return lab.Poll(5*time.Second, func() error {
				out, code, err := s.Ctl("oneshot", "short")
				if err != nil || code != 0 || !strings.Contains(out, "answer") {
					return fmt.Errorf("ctl oneshot: exit %d, %w: %s", code, err, out)
				}
				return nil
			})
		}},
		{"SC-01", "a short connection that nobody answers says connect false", func(s *stage) error {
			out, code, err := s.Ctl("oneshot", "short")
			if err != nil || code == 0 || !strings.Contains(out, "connect false") {
				return fmt.Errorf("ctl oneshot: exit %d, %w: %s", code, err, out)
			}
			return nil
		}},
	}
}

// program speaks to a Unix socket as a local program and wants an answer.
func (s *stage) program(network, name, text, want string) error {
	laddr := &net.UnixAddr{Name: filepath.Join(s.dir, "me.sock"), Net: network}
	if network == "unix" {
		laddr = nil
	}
	c, err := net.DialUnix(network, laddr, &net.UnixAddr{Name: filepath.Join(s.dir, name), Net: network})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 512)
	n, err := c.Read(buf)
	if got := string(buf[:n]); err != nil || !strings.HasPrefix(got, want) {
		return fmt.Errorf("the answer is %q, %w; want %s…", got, err, want)
	}
	return nil
}

func serverRows() []row {
	var one, many1, many2, udp *lab.Talker
	client := func(p **lab.Talker, port string) func(s *stage) error {
		return func(s *stage) (err error) {
			*p, err = s.Client.Talk("ncat", "192.168.5.1", port)
			return err
		}
	}
	connect := func(s *stage, p **lab.Talker, port, greeting string) error {
		if err := client(p, port)(s); err != nil {
			return err
		}
		return (*p).Hears(5*time.Second, greeting)
	}
	return []row{
		{"SRV-01", "a LAN client is greeted", func(s *stage) error { return connect(s, &one, "50003", "TCP server is UP!") }},
		{"SRV-01", "a second client is refused", func(s *stage) error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			out, _ := s.Client.Run(ctx, "ncat", "--recv-only", "192.168.5.1", "50003")
			if ctx.Err() != nil || strings.Contains(out, "UP") {
				return fmt.Errorf("it got %q and was not closed: %w", out, ctx.Err())
			}
			return nil
		}},
		{"SRV-01", "what it says reaches the serial port without a prefix", func(s *stage) error {
			if err := one.Say("raw words"); err != nil {
				return err
			}
			return s.uart.Hears(5*time.Second, "\r\nraw words\r\n")
		}},
		{"SRV-01", "the serial port reaches it", func(s *stage) error {
			if err := s.uart.Say("to the client"); err != nil {
				return err
			}
			return one.Hears(5*time.Second, "send from uart: to the client")
		}},
		{"SRV-02", "the first of many is greeted", func(s *stage) error {
			return connect(s, &many1, "50004", "TCP server is UP! you are client-1")
		}},
		{"SRV-02", "the second of many is greeted", func(s *stage) error {
			return connect(s, &many2, "50004", "TCP server is UP! you are client-2")
		}},
		{"SRV-02", "a message goes to all of them", func(s *stage) error {
			if err := s.uart.Say("to all clients"); err != nil {
				return err
			}
			if err := many1.Hears(5*time.Second, "send from uart: to all clients"); err != nil {
				return err
			}
			return many2.Hears(5*time.Second, "send from uart: to all clients")
		}},
		{"SRV-02", "or to one of them", func(s *stage) error {
			out, code, err := s.Ctl("send", "many", "--to", "client-2", "only you")
			if err != nil || code != 0 {
				return fmt.Errorf("ctl send: exit %d, %w: %s", code, err, out)
			}
			if err := many2.Hears(5*time.Second, "send from ctl: only you"); err != nil {
				return err
			}
			if strings.Contains(many1.Got(), "only you") {
				return fmt.Errorf("client-1 got it as well")
			}
			return nil
		}},
		{"SRV-03", "a datagram reaches the serial port without a prefix", func(s *stage) (err error) {
			if udp, err = s.Client.Talk("ncat", "-u", "192.168.5.1", "50003"); err != nil {
				return err
			}
			if err := udp.Say("by datagram"); err != nil {
				return err
			}
			return s.uart.Hears(5*time.Second, "by datagram\r\n")
		}},
		{"SRV-03", "the last sender gets what the serial port says", func(s *stage) error {
			if err := s.uart.Say("to the last sender"); err != nil {
				return err
			}
			return udp.Hears(5*time.Second, "send from uart: to the last sender")
		}},
		{"SRV-03", "a datagram SOCKET_CLOSED is data, not a command", func(s *stage) error {
			if err := udp.Say("SOCKET_CLOSED"); err != nil {
				return err
			}
			return s.uart.Hears(5*time.Second, "SOCKET_CLOSED\r\n")
		}},
		{"UDP-01", "silence is broken by a heartbeat to port 50000", func(s *stage) error {
			p, err := s.Client.Talk("socat", "-u", "UDP-RECV:50000", "STDOUT")
			if err != nil {
				return err
			}
			defer p.Kill()
			return p.Hears(20*time.Second, "UDP Server Heartbeat")
		}},
		{"SRV-04", "after a flap of the link the server is there again", func(s *stage) error {
			if err := s.Client.SetUp("eth0", false); err != nil {
				return err
			}
			time.Sleep(time.Second)
			if err := s.Client.SetUp("eth0", true); err != nil {
				return err
			}
			return lab.Poll(10*time.Second, func() error {
				if err := connect(s, &many1, "50004", "you are client-"); err != nil {
					many1.Kill()
					return err
				}
				return nil
			})
		}},
	}
}

func operatorRows() []row {
	return []row{
		{"SOCK-03", "keep-alive is what was configured", func(s *stage) error {
			out, err := s.Gateway.Run(context.Background(), "ss", "-tno", "dst", lab.WebAddr)
			if err != nil || !strings.Contains(out, "keepalive") {
				return fmt.Errorf("ss: %w: %s", err, out)
			}
			return nil
		}},
		{"SOCK-04", "the trace shows the states by name", func(s *stage) error {
			out, code, err := s.Ctl("connection", "tcp_ssl", "trace")
			for _, word := range []string{"CONNECTING", "SHAKEHAND", "ONLINE"} {
				if err == nil && (code != 0 || !strings.Contains(out, word)) {
					err = fmt.Errorf("exit %d, no %s in %s", code, word, out)
				}
			}
			return err
		}},
		{"LC-02", "a killed server is found again", func(s *stage) error {
			s.peers["tcp"].Kill()
			if err := lab.Poll(10*time.Second, func() error {
				c, err := s.connection("tcp")
				if err == nil && c["state"] == "ONLINE" {
					err = fmt.Errorf("still ONLINE")
				}
				return err
			}); err != nil {
				return err
			}
			s.peer("tcp", "ncat", "-l", "-k", "-p", "42145")
			return s.state("tcp", "ONLINE")
		}},
		{"SOCK-08", "its end has a cause in words", func(s *stage) error {
			c, err := s.connection("tcp")
			if err == nil && fmt.Sprint(c["last_error"]) == "" {
				err = fmt.Errorf("no last_error in %v", c)
			}
			return err
		}},
		{"LC-10", "a new uplink carries the connection within 2 s", func(s *stage) error {
			if err := s.ISPs[0].Cut(); err != nil {
				return err
			}
			began := time.Now()
			defer func() { _ = s.ISPs[0].Restore() }()
			return lab.Poll(2*time.Second, func() error {
				c, err := s.connection("tcp_ssl_ca")
				if err == nil && (c["state"] != "ONLINE" || c["uplink"] != "wan2") {
					err = fmt.Errorf("after %v it is %v on %v", time.Since(began), c["state"], c["uplink"])
				}
				return err
			})
		}},
		{"LC-04", "what was accepted before kill -9 arrives after it", func(s *stage) error {
			if err := s.active2(); err != nil {
				return err
			}
			s.peers["tcp"].Kill()
			for i := range 20 {
				if err := s.program("unix", "prog.sock", fmt.Sprintf("kept %d\n", i), "accepted"); err != nil {
					return err
				}
			}
			if err := s.Stop(syscall.SIGKILL); err != nil {
				return err
			}
			s.peer("tcp", "ncat", "-l", "-k", "-p", "42145")
			if err := s.Start("--log-level", "debug"); err != nil {
				return err
			}
			for i := range 20 {
				if err := s.peers["tcp"].Hears(20*time.Second, fmt.Sprintf("send from prog: kept %d", i)); err != nil {
					return err
				}
			}
			return nil
		}},
		{"NTP-01", "ctl time says whether time can be trusted", func(s *stage) error {
			out, code, err := s.Ctl("time")
			if err != nil || code != 0 || !strings.Contains(out, "trusted") {
				return fmt.Errorf("ctl time: exit %d, %w: %s", code, err, out)
			}
			return nil
		}},
		{"OBS-03", "ctl status names the insecure connection, ctl ports the gap, ctl servers the clients", func(s *stage) error {
			for _, q := range []struct{ args, want string }{{"status", "connection-insecure"}, {"ports", "nobody listened for"}, {"servers", "192.168.5.1:50003"}} {
				if out, code, err := s.Ctl(q.args); err != nil || code != 0 || !strings.Contains(out, q.want) {
					return fmt.Errorf("ctl %s: exit %d, %w, no %q in %s", q.args, code, err, q.want, out)
				}
			}
			return nil
		}},
		{"OBS-01", "the log has a line for each change of state", func(s *stage) error {
			for _, want := range []string{"connection=tcp", "ONLINE"} {
				if !strings.Contains(s.Daemon.Output(), want) {
					return fmt.Errorf("the daemon's log has no %q", want)
				}
			}
			return nil
		}},
	}
}

// active2 waits until traffic is on the first uplink again.
func (s *stage) active2() error { return s.Active(20*time.Second, "wan", "wan1") }
