package netns

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// The secrets of the test: a key's password, a wrong one, a shared key, and
// passwords in a registration as text, as hex and before each message, and in
// a heartbeat.
var secrets = []string{"k3y-Passw0rd", "wr0ng-Passw0rd", "c0ffee00deadbeef", "Reg1ster-Connect", "Reg1ster-Hex", "Reg1ster-Message", "Heart-Secr3t", "unkn0wn-Wifi-Key", sharedKey}

// sharedKey is the PSK of a DTLS connection that runs.
const sharedKey = "5ec0de5ec0de1234"

const secretive = `
[[connection]]
name = "mutual"
kind = "tls"
host = "203.0.113.10"
port = 45443
[connection.tls]
ca = "DIR/ca.pem"
cert = "DIR/client.pem"
key = "DIR/locked.key"
key_password = "k3y-Passw0rd"
server_name = "server.example"
log = 4

[[connection]]
name = "wrong"
kind = "tls"
host = "203.0.113.10"
port = 45443
[connection.tls]
ca = "DIR/ca.pem"
cert = "DIR/client.pem"
key = "DIR/locked.key"
key_password = "wr0ng-Passw0rd"
server_name = "server.example"
log = 4

[[connection]]
name = "text"
host = "203.0.113.10"
port = 42145
[connection.register]
text = "login Reg1ster-Connect"
[connection.heartbeat]
interval = "1s"
text = "beat Heart-Secr3t"

[[connection]]
name = "hex"
host = "203.0.113.10"
port = 42145
[connection.register]
hex = "HEX"

[[connection]]
name = "each"
host = "203.0.113.10"
port = 42145
[connection.register]
text = "Reg1ster-Message "
when = "message"
`

// Secrets never in logs, traces, ps, or a file that everybody may read.
func TestSecretsStaySecret(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		s := &stage{box: newBox(t, 2), peers: map[string]*lab.Talker{}}
		s.dir = filepath.Join(s.Gateway.Dir(), "demo")
		s.ok(os.Mkdir(s.dir, 0o755))
		pki, err := lab.NewPKI(s.dir, "server.example", lab.WebAddr)
		s.ok(err)
		s.Gateway.MustRun(t, "openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", pki.ClientKey, "-out", s.dir+"/locked.key", "-passout", "pass:k3y-Passw0rd")
		s.peer("plain", "ncat", "-l", "-k", "-p", "42145")
		s.peer("mutual", "openssl", "s_server", "-quiet", "-cert", pki.ServerCert, "-key", pki.ServerKey, "-accept", "45443", "-CAfile", pki.CA, "-Verify", "2")
		good := static + strings.NewReplacer("DIR", s.dir, "HEX", hex.EncodeToString([]byte("Reg1ster-Hex"))).Replace(secretive)
		s.write(good)
		s.ok(os.Chmod(s.Config, 0o640)) // as the packages install it
		s.start()
		s.ok(s.state("mutual", "ONLINE")) // so the password was read
		for _, name := range []string{"text", "hex", "each"} {
			s.ok(s.state(name, "ONLINE"))
			s.want(0, "", "send", name, "payload-"+name)
		}
		for _, used := range []string{"Reg1ster-Connect", "Reg1ster-Hex", "Reg1ster-Message", "payload-each", "Heart-Secr3t"} {
			s.ok(s.peers["plain"].Hears(10*time.Second, used))
		}
		s.eventually(10*time.Second, "the wrong password is named as the cause", func() error {
			c, err := s.connection("wrong")
			if err == nil && !strings.Contains(fmt.Sprint(c["last_error"]), "password") {
				err = fmt.Errorf("last error: %v", c["last_error"])
			}
			return err
		})
		seen := s.everythingSaid("mutual", "wrong", "text", "hex", "each")
		for _, bad := range []string{
			strings.Replace(good, `log = 4`, `psk = "c0ffee00deadbeef"`, 1), strings.Replace(good, `"k3y-Passw0rd"`, `"k3y-Passw0rd`, 1),
			strings.Replace(good, `"wr0ng-Passw0rd"`, `["wr0ng-Passw0rd"]`, 1), good + "\n[wifi]\npassword = \"unkn0wn-Wifi-Key\"\n",
			strings.Replace(good, `text = "login Reg1ster-Connect"`, `text = "login Reg1ster-Connect {nothing}"`, 1),
		} {
			s.ok(os.WriteFile(s.Config, []byte(bad), 0o640))
			out, code := s.ctl("reload")
			if code == 0 {
				t.Errorf("reload took what is wrong: %s", out)
			}
			seen["ctl reload: "+out] = out
		}
		seen["log"] = s.Daemon.Output()
		s.findNone(seen)
		if !strings.Contains(seen["connection text trace"], hex.EncodeToString([]byte("payload-text"))) {
			t.Errorf("the trace shows no payload, so the search proves nothing:\n%s", seen["connection text trace"])
		}
	})
}

const dtlsSecretive = `
[[connection]]
name = "shared"
kind = "dtls"
host = "203.0.113.10"
port = 45444
[connection.tls]
psk = "5ec0de5ec0de1234"
psk_identity = "gateway-7"
log = 4

[[connection]]
name = "other"
kind = "dtls"
host = "203.0.113.10"
port = 45445
connect_timeout = "2s"
[connection.tls]
psk = "c0ffee00deadbeef"
psk_identity = "gateway-7"
log = 4
`

// The key that a DTLS connection shares with its server is in nothing that is
// said while it runs, and neither is one that the server does not accept. The
// daemon is built with DTLS, as the Debian package is.
func TestSharedKeyStaysSecret(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		s := &stage{box: newBox(t, 2), peers: map[string]*lab.Talker{}}
		s.Binary = filepath.Join(t.TempDir(), "luatnetd")
		if out, err := exec.Command("go", "build", "-tags", "luatnetd_dtls", "-o", s.Binary, "luatnetd/cmd/luatnetd").CombinedOutput(); err != nil {
			t.Fatalf("build the daemon with DTLS: %v\n%s", err, out)
		}
		for name, port := range map[string]string{"shared": "45444", "other": "45445"} {
			s.peer(name, "openssl", "s_server", "-dtls1_2", "-quiet", "-nocert", "-psk", sharedKey, "-psk_identity", "gateway-7", "-accept", lab.WebAddr+":"+port)
		}
		s.write(static + dtlsSecretive)
		s.ok(os.Chmod(s.Config, 0o640)) // as the packages install it
		s.start()
		s.ok(s.state("shared", "ONLINE"))
		s.want(0, "", "send", "shared", "payload-shared")
		s.ok(s.peers["shared"].Hears(10*time.Second, "payload-shared"))
		s.eventually(20*time.Second, "the other key is refused", func() error {
			c, err := s.connection("other")
			if err == nil && fmt.Sprint(c["last_error"]) == "" {
				err = fmt.Errorf("no last error: %v", c)
			}
			return err
		})
		seen := s.everythingSaid("shared", "other")
		var ps []string
		for line := range strings.Lines(seen["ps"]) {
			if !strings.Contains(line, "openssl s_server") { // the server's own key is on its command line
				ps = append(ps, line)
			}
		}
		if seen["ps"] = strings.Join(ps, ""); !strings.Contains(seen["ps"], s.Binary) {
			t.Error("ps does not show the daemon, so the search proves nothing")
		}
		s.ok(s.Daemon.Signal(syscall.SIGQUIT)) // the worst that can be in a log: all stacks, with arguments
		<-s.Daemon.Done()
		seen["log"] = s.Daemon.Output()
		s.findNone(seen)
		if !strings.Contains(seen["connection shared trace"], hex.EncodeToString([]byte("payload-shared"))) {
			t.Errorf("the trace shows no payload, so the search proves nothing:\n%s", seen["connection shared trace"])
		}
		if !strings.Contains(seen["log"], "goroutine ") || !strings.Contains(seen["log"], "connection=shared") {
			t.Error("the log holds neither the connection nor the stacks, so the search proves nothing")
		}
	})
}

// findNone wants no secret in any of the texts, plain or encoded.
func (s *stage) findNone(seen map[string]string) {
	for where, text := range seen {
		for _, secret := range secrets {
			for how, needle := range map[string]string{"": secret, " in hex": hex.EncodeToString([]byte(secret)), " in base64": base64.StdEncoding.EncodeToString([]byte(secret))[:8]} {
				if i := strings.Index(text, needle); i >= 0 {
					s.t.Errorf("%s shows %q%s: …%s…", where, secret, how, text[max(0, i-80):min(len(text), i+80)])
				}
			}
		}
	}
}

// everythingSaid is all that somebody without the daemon's rights, or with its
// log, can read.
func (s *stage) everythingSaid(connections ...string) map[string]string {
	seen := map[string]string{}
	calls := [][]string{{"connections"}, {"connections", "--json"}, {"status"}, {"status", "--json"}, {"events"}, {"events", "--json"}, {"explain"}, {"plan"}, {"ports"}, {"servers"}, {"time"}}
	for _, name := range connections {
		calls = append(calls, []string{"connection", name, "trace"}, []string{"queue", name})
	}
	for _, c := range calls {
		out, code := s.ctl(c...)
		if code != 0 {
			s.t.Errorf("ctl %v: exit %d: %s", c, code, out)
		}
		seen[strings.Join(c, " ")] = out
	}
	seen["ps"] = s.Gateway.MustRun(s.t, "ps", "axwwe")
	for _, file := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.Daemon.Cmd.Process.Pid, file))
		s.ok(err)
		seen[file] = string(b)
	}
	s.ok(filepath.WalkDir(filepath.Dir(s.Config), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // gone meanwhile, or a socket
		}
		if i, err := d.Info(); err == nil && i.Mode()&0o004 != 0 {
			b, _ := os.ReadFile(path)
			seen["the file "+path] = string(b)
		}
		return nil
	}))
	return seen
}
