package drive

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

// A memory that cannot be read is no permission to send a PIN once more: where
// the card's counter cannot be read, an operator has to say so.
func TestLostMemory(t *testing.T) {
	for _, tt := range []struct {
		personality string // fibocom-l610 tells no counter
		state       modem.State
		code        modem.Code
		pins        int
	}{
		{"fibocom-l610", modem.Failed, modem.CodePINUnsure, 0},
		{"quectel-qc", modem.Connected, "", 1},
	} {
		t.Run(tt.personality, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				card := modemtest.SIM{ICCID: cardICCID, IMSI: cardIMSI}.Lock(secretPIN, "12345678")
				w := newWorld(t, tt.personality, modemtest.Options{SIM: &card}, modem.Settings{SIM: modem.SIMSettings{PIN: secretPIN, PDPType: "IP", Roaming: true}})
				for _, name := range []string{"modem-4g.json", "modem-4g.json.bak"} {
					if err := os.WriteFile(w.cfg.Dir+"/"+name, []byte("{torn"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				w.start()
				defer w.close()
				time.Sleep(time.Minute)
				for range 3 { // what is written since knows it, too
					w.kill()
					w.start()
					time.Sleep(time.Minute)
				}
				synctest.Wait()
				if s := w.d.Status(); s.State != tt.state || s.Code != string(tt.code) {
					t.Errorf("it is %s %q, want %s %q\nlast commands: %s", s.State, s.Code, tt.state, tt.code, w.lastCommands(12))
				}
				if n := w.emu.Counters().PINs; n != tt.pins {
					t.Errorf("%d PINs were sent, want %d", n, tt.pins)
				}
			})
		})
	}
}
