package netns

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

// modemIs waits until the modem is in that state, with that health code.
func (b *box) modemIs(limit time.Duration, state modem.State, code modem.Code) {
	b.t.Helper()
	b.eventually(limit, fmt.Sprintf("the modem is %s %s", state, code), func() error {
		if s := b.modem(); s.State != state || s.Code != string(code) {
			return fmt.Errorf("it is %s %q: %s", s.State, s.Code, s.Cause)
		}
		return nil
	})
}

// cardSaid wants a SIM_IND with that status of LuatOS, GP-04.
func (b *box) cardSaid(status string) {
	b.t.Helper()
	var said []string
	for _, e := range b.kinds("SIM_IND") {
		said = append(said, e.Attrs["status"])
	}
	if !slices.Contains(said, status) {
		b.t.Errorf("SIM_IND said %q, want %s", said, status)
	}
}

// The daemon is killed and started again under traffic: the session lives on,
// the modem is neither dialled nor reset, nothing is lost.
func TestGPSessionSurvivesKill(t *testing.T) {
	b, m := modemBox(t, modemtest.Options{})
	b.ok(b.ISPs[0].Cut())
	b.start()
	b.active(60*time.Second, "4g", "wan2")
	before := m.Counters()
	s, err := b.Client.StartUDP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), 5*time.Millisecond)
	b.ok(err)
	b.stop(syscall.SIGKILL)
	time.Sleep(time.Second) // forwarding without us
	b.start()
	b.modemIs(30*time.Second, modem.Connected, "")
	b.active(20*time.Second, "4g", "wan2")
	r := s.Stop(time.Second)
	if r.Lost > 0 {
		t.Errorf("%d datagrams lost", r.Lost)
	}
	after := m.Counters()
	if after.Resets != before.Resets || after.DataStarts != before.DataStarts || after.Radio != before.Radio {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
}

// A card that is pulled is said within seconds, hurts no other uplink, and
// works again when it is back.
func TestGPCardPulled(t *testing.T) {
	b, m := modemBox(t, modemtest.Options{})
	b.start()
	b.ready(60*time.Second, "wan", "4g")
	b.active(20*time.Second, "wan", "wan1")
	s, err := b.Client.StartUDP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), 5*time.Millisecond)
	b.ok(err)
	b.ok(m.Fault("sim-removed"))
	b.modemIs(60*time.Second, modem.SIMWait, modem.CodeSIMMissing)
	b.eventually(10*time.Second, "the health code sim-missing is in the status", func() error {
		if !b.healthy("sim-missing") {
			return fmt.Errorf("%v", b.status().Health)
		}
		return nil
	})
	if r := s.Stop(time.Second); r.Lost > 0 {
		t.Errorf("%d datagrams of the other uplink lost", r.Lost)
	}
	b.cardSaid("NORDY")
	m.Clear("sim-removed")
	b.modemIs(90*time.Second, modem.Connected, "")
}

// A wrong PIN is sent once, over restarts, and never shown; the right one works.
func TestGPPIN(t *testing.T) {
	card := modemtest.SIM{ICCID: "89860000000000004711", IMSI: "460001234567890"}.Lock("1234", "87654321")
	b, m := modemBox(t, modemtest.Options{SIM: &card})
	text, err := os.ReadFile(b.Config)
	b.ok(err)
	with := func(pin string) string {
		s := strings.Replace(string(text), "[uplink.modem]\n", "[uplink.modem]\npin = \""+pin+"\"\n", 1)
		return strings.TrimSuffix(strings.TrimPrefix(s, "version = 1\n"), fmt.Sprintf("\n[state]\ndir = %q\n", b.State))
	}
	b.write(with("8642"))
	b.start()
	b.modemIs(60*time.Second, modem.Failed, modem.CodePINWrong)
	for range 2 {
		b.stop(syscall.SIGKILL)
		b.start()
		b.modemIs(60*time.Second, modem.Failed, modem.CodePINWrong)
	}
	if got := m.Card().PINTries; got != 2 {
		t.Errorf("%d tries left, want 2", got)
	}
	b.cardSaid("SIM_PIN")
	b.write(with("1234"))
	b.reload()
	b.modemIs(60*time.Second, modem.Failed, modem.CodePINTries) // two are left, and a person may be mistaken again
	b.want(0, "", "modem", "sim", "unlock")
	b.modemIs(60*time.Second, modem.Connected, "")
	said := b.Daemon.Output()
	for _, args := range [][]string{{"modem"}, {"modem", "--json"}, {"modem", "export"}, {"events"}, {"status", "--json"}} {
		out, _ := b.ctl(args...)
		said += out
	}
	files, err := filepath.Glob(filepath.Join(b.State, "*"))
	b.ok(err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		b.ok(err)
		said += string(text)
	}
	for _, secret := range []string{"8642", "\"1234\"", card.IMSI, card.ICCID} {
		if strings.Contains(said, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
}

// What an operator does by "ctl modem".
func TestGPOperator(t *testing.T) {
	power := filepath.Join(t.TempDir(), "power")
	b, m := modemBox(t, modemtest.Options{})
	b.ok(os.WriteFile(power, []byte("1"), 0o644))
	text, err := os.ReadFile(b.Config)
	b.ok(err)
	s := strings.Replace(string(text), "[uplink.modem]\n", "[uplink.modem]\npower = \"file:"+power+"\"\npower_off = \"1s\"\n", 1)
	b.write(strings.TrimSuffix(strings.TrimPrefix(s, "version = 1\n"), fmt.Sprintf("\n[state]\ndir = %q\n", b.State)))
	b.start()
	b.modemIs(60*time.Second, modem.Connected, "")

	b.want(0, "+CSQ: ", "modem", "at", "+CSQ")
	b.want(0, "AirM2M", "modem", "status")
	b.want(0, "dBm", "modem", "signal")
	b.want(1, "CME error 4", "modem", "at", "+NOSUCH")
	m.Receive("+8613800138000", "你好, gateway")
	b.eventually(20*time.Second, "the message is stored and deleted from the card", func() error {
		out, _ := b.ctl("modem", "sms", "list")
		if n, _ := m.Stored(); n > 0 || !strings.Contains(out, "你好, gateway") {
			return fmt.Errorf("%d on the card; %s", n, out)
		}
		return nil
	})
	b.want(0, "", "modem", "sms", "send", "+8613800138000", "hello")
	if n := len(m.Sent()); n != 1 {
		t.Errorf("%d messages sent", n)
	}
	b.want(0, "", "modem", "flight", "on")
	b.modemIs(30*time.Second, modem.RadioOff, modem.CodeRadioOff)
	b.want(0, "", "modem", "flight", "off")
	b.modemIs(60*time.Second, modem.Connected, "")
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		for now := []byte(nil); string(now) != "0" && t.Context().Err() == nil; time.Sleep(10 * time.Millisecond) {
			now, _ = os.ReadFile(power)
		}
	}()
	b.want(0, "", "modem", "reset", "power")
	select {
	case <-cut:
	case <-time.After(20 * time.Second):
		t.Error("the supply was not cut")
	}
	b.eventually(20*time.Second, "the supply is back", func() error {
		if now, _ := os.ReadFile(power); string(now) != "1" {
			return fmt.Errorf("it is %q", now)
		}
		return nil
	})
	b.modemIs(60*time.Second, modem.Connected, "")
}

// A reload that names another line drives the modem there, without a restart.
func TestGPReloadMovesToAnotherLine(t *testing.T) {
	b, first := modemBox(t, modemtest.Options{})
	b.start()
	b.modemIs(60*time.Second, modem.Connected, "")
	b.ok(first.Close())
	second, err := modemtest.Attach(b.ISPs[1], "quectel-qc", modemtest.Options{})
	b.ok(err)
	t.Cleanup(func() { _ = second.Close() })
	b.write(fmt.Sprintf(modemConfig, second.Port))
	b.reload()
	b.eventually(60*time.Second, "the other modem is connected", func() error {
		if s := b.modem(); s.State != modem.Connected || s.IMEI != second.Personality().IMEI {
			return fmt.Errorf("%s %s: %s", s.State, s.IMEI, s.Cause)
		}
		return nil
	})
}
