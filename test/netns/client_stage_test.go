package netns

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
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

` + lanServers + `
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

// hears waits until the server of a connection got exactly these bytes.
func (s *stage) hears(conn, text string) error { return s.peers[conn].Hears(5*time.Second, text) }

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

func (s *stage) state(name, want string) error {
	return lab.Poll(15*time.Second, func() error {
		c, err := s.connection(name)
		if err == nil && c["state"] != want {
			err = fmt.Errorf("it is %v: %v", c["state"], c["last_error"])
		}
		return err
	})
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

// active2 waits until traffic is on the first uplink again.
func (s *stage) active2() error { return s.Active(20*time.Second, "wan", "wan1") }
