package modem

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var withMutations = flag.Bool("modem.mutations", false, "check that the simulations catch mutations of ladder and PIN code")

// The simulations that catch a mutation.
const (
	byBlows = "^TestPINUnderBlows$"
	byDays  = "^TestSimulation$"
)

// mutations are faults of ours, each of one line.
var mutations = []struct{ name, file, from, to, run string }{
	{"the PIN's counter is not looked at", "pin.go", "tries < leastTries:", "tries < 0:", byBlows},
	{"a PIN without known fate is sent again", "pin.go", "case tries == triesUnknown || c.Tries == triesUnknown:", "case false:", byBlows},
	{"the PIN is sent before it is noted", "machine_sim.go", "if !v.note {", "if true {", byBlows},
	{"the PIN is sent though the note failed to be written", "pin.go", "return pinVerdict{send: true, note: true}", "return pinVerdict{send: true}", byBlows},
	{"a locked card is a trouble of the ladder", "machine_sim.go", "return m.hold(Failed, code, m.triesText())", "return m.suffer(Failed, code, m.triesText(), TroubleSearch)", byBlows},
	{"a modem in the dark is power-cycled like any other", "ladder.go", "return darkPower", "return 0", byDays},
	{"soft resets have no interval", "ladder.go", "settle: 60 * time.Second, every: 15 * time.Minute", "settle: 60 * time.Second, every: time.Second", byDays},
	{"the course stays on its rung", "ladder.go", "	l.At[t]++\n", "	l.At[t] += 0\n", byDays},
	{"what works is reset", "machine_rescue.go", "	if m.alive() {\n		return true\n	}\n	return m.data.state == dataUp &&", "	return false &&", byDays},
	{"ports stay open under a lever", "machine_device.go", "	m.closePorts()\n	m.stopData()", "	m.ports.main = \"\"\n	m.stopData()", byDays},
	{"the ladder is forgotten by a crash", "machine_port.go", "		m.adoptLadder(imei)\n", "", byDays},
	{"a session that lives is started anew", "machine_data.go", "		if up, ok := ParseDialled(r.Lines, m.profile.CID); ok && r.Err == nil && up {", "		if false {", byDays},
}

// The two simulations, and nothing else, catch every mutation.
func TestMutations(t *testing.T) {
	if !*withMutations {
		t.Skip("needs -modem.mutations (some minutes): run it after every change of ladder or PIN code")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			source, err := os.ReadFile(m.file)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(source, []byte(m.from)); n != 1 {
				t.Fatalf("%s has %q %d times", m.file, m.from, n)
			}
			out, err := mutated(t, m.run, m.file, bytes.Replace(source, []byte(m.from), []byte(m.to), 1))
			switch {
			case err == nil:
				t.Error("not caught")
			case !strings.Contains(out, "--- FAIL: "):
				t.Errorf("it does not run: %v\n%s", err, out)
			}
		})
	}
}

// mutated runs a simulation with another text of a file.
func mutated(t *testing.T, run, file string, text []byte) (string, error) {
	dir := t.TempDir()
	changed := filepath.Join(dir, file)
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(wd, file): changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{changed: text, filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-vet=off", "-overlay="+filepath.Join(dir, "overlay.json"),
		"-run="+run, ".", "-failfast", "-modem.days=60").CombinedOutput()
	return string(out), err
}
