package netns

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

var update = flag.Bool("update", false, "write docs/socket-log.md anew")

// logConnections has one connection for each story of docs/socket-log.md. Each
// tries once: the next attempt is ten minutes away.
const logConnections = `
[[connection]]
name = "good"
host = "203.0.113.10"
port = 42201
reconnect = "10m"

[[connection]]
name = "refused"
host = "203.0.113.10"
port = 42202
reconnect = "10m"

[[connection]]
name = "no-name"
host = "nobody.example.com"
port = 42203
reconnect = "10m"

[[connection]]
name = "wrong-ca"
kind = "tls"
host = "203.0.113.10"
port = 42204
reconnect = "10m"
[connection.tls]
ca = "DIR/other/ca.pem"
server_name = "server.example"

[[connection]]
name = "closed"
host = "203.0.113.10"
port = 42205
reconnect = "10m"

[[connection]]
name = "reset"
host = "203.0.113.10"
port = 42206
reconnect = "10m"

[[connection]]
name = "silent"
host = "203.0.113.99"
port = 42207
connect_timeout = "1s"
reconnect = "10m"
`

// TestSocketLog (OBS-01): the logs that docs/socket-log.md explains are those
// of real runs against ncat, socat and openssl. -update writes them anew.
func TestSocketLog(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		s := &stage{box: newBox(t, 2), peers: map[string]*lab.Talker{}}
		s.dir = filepath.Join(s.Gateway.Dir(), "demo")
		s.ok(os.MkdirAll(filepath.Join(s.dir, "other"), 0o755))
		pki, err := lab.NewPKI(s.dir, "server.example", lab.WebAddr)
		s.ok(err)
		_, err = lab.NewPKI(filepath.Join(s.dir, "other"), "server.example", lab.WebAddr)
		s.ok(err)
		s.peer("good", "ncat", "-l", "-k", "-p", "42201")
		s.peer("wrong-ca", "openssl", "s_server", "-quiet", "-cert", pki.ServerCert, "-key", pki.ServerKey, "-accept", "42204")
		s.peer("closed", "socat", "TCP-LISTEN:42205,reuseaddr", "STDIO")
		s.peer("reset", "socat", "TCP-LISTEN:42206,reuseaddr,linger=0", "STDIO")
		s.write(static + strings.ReplaceAll(logConnections, "DIR", s.dir))
		s.start()
		s.active(20*time.Second, "wan", "wan1")

		logs := map[string]string{}
		for _, name := range []string{"good", "closed", "reset"} {
			s.ok(s.state(name, "ONLINE"))
		}
		_, _, err = s.Ctl("send", "good", "--wait", "hello")
		s.ok(err)
		s.ok(s.peers["good"].Say("welcome"))
		s.ok(s.peers["closed"].Hush())
		s.peers["reset"].Kill()
		for _, name := range []string{"refused", "no-name", "wrong-ca", "closed", "reset", "silent"} {
			s.ok(s.ended(name))
			logs[name] = s.story(name)
		}
		s.eventually(5*time.Second, "the answer is in the trace", func() error {
			if logs["good"] = s.story("good"); !strings.Contains(logs["good"], "welcome") {
				return fmt.Errorf("no welcome in %s", logs["good"])
			}
			return nil
		})
		compareLogs(t, "../../docs/socket-log.md", logs)
	})
}

// ended waits until a connection has failed or ended.
func (s *stage) ended(name string) error {
	return lab.Poll(15*time.Second, func() error {
		c, err := s.connection(name)
		if err == nil && (c["state"] == "ONLINE" || c["last_error"] == nil) {
			err = fmt.Errorf("%s is %v", name, c["state"])
		}
		return err
	})
}

// What differs from run to run.
var (
	logTime   = regexp.MustCompile(`time=\S+ `)
	traceTime = regexp.MustCompile(`(?m)^ *\d+\.\d{6} `)
	ownPort   = regexp.MustCompile(`(100\.64\.\d\.\d+):\d+`)
)

// story is what the log and the trace say of a connection, without times and
// without our own ports.
func (s *stage) story(name string) string {
	s.t.Helper()
	var log []string
	for _, l := range strings.Split(s.Daemon.Output(), "\n") {
		if strings.Contains(l, "connection="+name+" ") && !strings.Contains(l, "level=DEBUG") {
			log = append(log, logTime.ReplaceAllString(l, ""))
		}
	}
	trace, code, err := s.Ctl("connection", name, "trace")
	s.ok(err)
	if code != 0 {
		s.t.Fatalf("ctl connection %s trace: exit %d: %s", name, code, trace)
	}
	text := strings.Join(log, "\n") + "\n\n" + strings.TrimSpace(traceTime.ReplaceAllString(trace, "")) + "\n"
	return strings.ReplaceAll(ownPort.ReplaceAllString(text, "$1:PORT"), s.dir, "/etc/luatnetd")
}

// compareLogs holds the blocks of the document, each below <!-- log NAME -->,
// against what was logged.
func compareLogs(t *testing.T, path string, logs map[string]string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	for name, text := range logs {
		head := "<!-- log " + name + " -->\n```text\n"
		before, rest, ok := strings.Cut(doc, head)
		old, after, closed := strings.Cut(rest, "```\n")
		switch {
		case !ok || !closed:
			t.Errorf("%s has no block for %s", path, name)
		case *update:
			doc = before + head + text + "```\n" + after
		case old != text:
			t.Errorf("%s: %s is out of date (-update writes it anew)\nhave:\n%s\nwant:\n%s", path, name, old, text)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
