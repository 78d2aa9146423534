package config

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"luatnetd/client"
)

// TestLC01Demo: the demo's four connections and mutual TLS from one file.
func TestLC01Demo(t *testing.T) {
	text, err := os.ReadFile("../../packaging/examples/luatos-demo.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg := mustParse(t, string(text))
	var got []string
	for _, n := range cfg.Connections {
		got = append(got, fmt.Sprintf("%s %s %s:%d %s %s %v %v", n.Label, n.Kind, n.Host, n.Port, n.Confirmed, n.TLS.CA, n.TLS.Insecure, n.TLS.Key != ""))
	}
	want := []string{
		"tcp tcp 112.125.89.8:42145 tcp  false false",
		"udp udp 112.125.89.8:47708 handed  false false",
		"tcp_ssl tls 112.125.89.8:43428 tcp  true false",
		"tcp_ssl_ca tls www.baidu.com:443 tcp /etc/luatnetd/baidu_parent_ca.crt false false",
		"tcp_ssl_ca tls gw.example.com:8883 tcp /etc/luatnetd/ca.pem false true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := cfg.Serials[0]; s.Baud != 115200 || s.DataBits != 8 || s.Parity != "none" || s.StopBits != 1 || s.Idle != 50*time.Millisecond || !s.CRLF {
		t.Errorf("LC-07 serial: %+v", s)
	}
	if m := cfg.Timers[0]; m.First != 5*time.Second || m.Interval != 5*time.Second || m.Mode != "after_result" {
		t.Errorf("LC-08 timer: %+v", m)
	}
	if cfg.Empty() || !cfg.Watchdog.Enabled || cfg.Routes != nil {
		t.Errorf("got %+v", cfg)
	}
}

// TestLC02ConnectionDefaults, spelled out by hand.
func TestLC02ConnectionDefaults(t *testing.T) {
	got := mustParse(t, "version = 1\n[[connection]]\nname = \"c\"\nhost = \"h\"\nport = 1\n").Connections[0]
	want := Connection{
		Name: "c", Label: "tcp", Kind: client.TCP, Host: "h", Port: 1, Switch: "follow", Confirmed: "tcp",
		ConnectTimeout: 30 * time.Second, ConfirmTimeout: 15 * time.Second, CloseTimeout: 5 * time.Second,
		Reconnect: 5 * time.Second, ReconnectMax: 2 * time.Minute, Backoff: "exponential",
		WindowBytes: 65536, WindowMessages: 256, PrefixSend: true, PrefixRecv: true, FrameSend: "none", FrameRecv: "read",
		FeedsWatchdog: true, Trace: 16384,
		KeepAlive: KeepAlive{Enabled: true, Idle: 300 * time.Second, Interval: 10 * time.Second, Count: 3},
		Queue:     Queue{Mode: "spill", MaxBytes: 16 << 20, MaxMessages: 100000, Full: "oldest"},
	}
	if diff := cmp.Diff(want, got, equal...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSecretsAreNotShown by any of the usual ways.
func TestSecretsAreNotShown(t *testing.T) {
	s := Secret("hunter2")
	j, err := json.Marshal(struct{ S Secret }{s})
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%s %v %#v %+v %s %s", s, s, s, struct{ S Secret }{s}, s.LogValue(), j)
	if strings.Contains(all, "hunter2") || !strings.Contains(all, "***") {
		t.Error(all)
	}
	_, problems := Parse("x", []byte("version = 1\n[[connection]]\nname = \"c\"\nkind = \"tls\"\nhost = \"h\"\nport = 1\n[connection.tls]\nkey_password = [\"hunter2\"]\npsk = 424242\n"))
	if text := problems.Error(); len(problems) != 2 || strings.Contains(text, "hunter2") || strings.Contains(text, "424242") {
		t.Error(text)
	}
}

// TestDTLSIsWhatItSays: its cipher suites are those that go with a shared key or
// with certificates, and it has no later version than 1.2.
func TestDTLSIsWhatItSays(t *testing.T) {
	const c = "version = 1\n[[connection]]\nname = \"c\"\nkind = \"dtls\"\nhost = \"h\"\nport = 1\n[connection.tls]\n"
	const psk = "psk = \"00112233445566778899aabbccddeeff\"\npsk_identity = \"gateway\"\n"
	for _, tt := range []struct{ text, want string }{
		{c + "suites = [\"TLS_ECDHE_ECDSA_WITH_AES_128_CCM\"]\n", ""},
		{c + psk + "suites = [\"TLS_PSK_WITH_AES_128_CCM_8\"]\n", ""},
		{c + psk + "suites = [\"TLS_ECDHE_ECDSA_WITH_AES_128_CCM\"]\n", "x:10:11: connection.tls.suites: got \"TLS_ECDHE_ECDSA_WITH_AES_128_CCM\""},
		{c + "suites = [\"TLS_PSK_WITH_AES_128_CCM_8\"]\n", "x:8:11: connection.tls.suites: got \"TLS_PSK_WITH_AES_128_CCM_8\""},
		{c + "suites = [\"TLS_RSA_WITH_AES_128_CBC_SHA\"]\n", "x:8:11: connection.tls.suites: got \"TLS_RSA_WITH_AES_128_CBC_SHA\""},
		{c + "min_version = \"1.3\"\n", "x:8:1: connection.tls.min_version: got \"1.3\""},
		{c + "min_version = \"1.2\"\n", ""},
	} {
		_, problems := Parse("x", []byte(tt.text))
		if text := fmt.Sprint(problems); tt.want == "" && problems != nil || !strings.Contains(text, tt.want) {
			t.Errorf("%s\ngives %s, want %q", tt.text, text, tt.want)
		}
	}
}

// TestWD01Warnings: what check says without refusing the file.
func TestWD01Warnings(t *testing.T) {
	const c = "version = 1\n[[connection]]\nname = \"c\"\nhost = \"h\"\nport = 1\nheartbeat = {interval = \"61s\", text = \"x\"}\n"
	for _, tt := range []struct {
		text string
		want []string
	}{
		{c, nil},
		{c + "[watchdog]\n", []string{"x:7: watchdog.timeout: warning: 3m0s is less than three heartbeats"}},
		{c + "[watchdog]\ntimeout = \"183s\"\n", nil},
		{strings.Replace(c, "61s", "10s", 1) + "[watchdog]\ntimeout = \"119s\"\n", []string{"x:7: watchdog.timeout: warning: 1m59s is less than 2m"}},
		{"version = 1\n[watchdog]\n", []string{"x:2: watchdog: warning: no connection feeds it"}},
		{strings.Replace(c, "port", "kind = \"tls\"\ntls.insecure = true\nport", 1), []string{"x:2: connection.tls.insecure: warning:"}},
	} {
		cfg, problems := Parse("x", []byte(tt.text))
		if problems != nil {
			t.Fatal(problems)
		}
		got := cfg.Warnings()
		if len(got) != len(tt.want) {
			t.Errorf("%q: %v", tt.text, got)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i].String(), tt.want[i]) {
				t.Errorf("got %s, want %s", got[i], tt.want[i])
			}
		}
	}
}
