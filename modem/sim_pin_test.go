package modem

import (
	"math/rand/v2"
	"testing"
	"time"
)

// pinWorld is a locked card under resets, crashes and power cuts.
func pinWorld(t *testing.T, seed uint64, pin, configured string, readable bool) *host {
	rng := rand.New(rand.NewPCG(seed, 5))
	d := newToy(rng)
	d.card.locked, d.card.pin, d.card.readable = true, pin, readable
	d.lockedOut = pin != configured
	h := newHost(rng, d, simProfiles(t), Settings{Power: true, SIM: SIMSettings{Roaming: true, PIN: configured}}, quectel())
	return h
}

// blow is one of the things that may happen at any moment.
func (h *host) blow() {
	kinds := 4
	if h.lockedOut {
		kinds = 3 // the oracle allows no reset beside a locked card
	}
	switch h.rng.IntN(kinds) {
	case 0:
		h.crash()
	case 1:
		h.cut()
	case 2:
		h.note("modem restarts")
		h.boot(time.Second)
	case 3:
		h.note("radio cycle by hand")
		h.later(0, coming{e: Asked{Request{ID: 1, Kind: AskReset, Text: "radio"}}, own: true})
	}
}

// A wrong PIN is sent once over 1,000 resets, crashes and power cuts at any
// moment; a right one is never refused where the counter can be read, nor, once
// it is proved, where it cannot. Most blows fall into the moments about the
// writes: each world is new, so that there is something to burn.
func TestPINUnderBlows(t *testing.T) {
	for _, tt := range []struct {
		name, pin, configured string
		tries                 int
		readable, warm        bool
	}{
		{"wrong, counter readable", "1234", "9999", 3, true, false},
		{"wrong, counter not readable", "1234", "9999", 3, false, false},
		{"wrong, two tries left", "1234", "9999", 2, true, false},
		{"right, counter readable", "1234", "1234", 3, true, false},
		{"right and proved, counter not readable", "1234", "1234", 3, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent := 0
			for seed := range uint64(250) {
				h := pinWorld(t, seed, tt.pin, tt.configured, tt.readable)
				h.card.tries = tt.tries
				right := tt.pin == tt.configured
				if tt.warm && !h.until(time.Minute, h.online) {
					t.Fatal("not online", h.story())
				}
				for range 4 {
					h.run(time.Second + time.Duration(h.rng.Int64N(int64(500*time.Millisecond))))
					h.blow()
				}
				if right && (!h.until(3*time.Minute, h.online) || h.card.tries != 3) {
					t.Fatal("the right PIN does not open the card", h.card.tries, h.story())
				}
				if right {
					continue
				}
				h.run(30 * time.Minute)
				n := h.seen.wrongPINs[h.card.iccid+"/"+tt.configured]
				sent += n
				if n > 1 || h.card.tries != tt.tries-n || n > 0 && tt.tries < 3 {
					t.Fatalf("the wrong PIN was sent %d times%s", n, h.story())
				}
				if n == 0 && tt.readable && tt.tries == 3 {
					t.Fatal("the PIN was never sent", h.story())
				}
				if complaint := h.verdict(); complaint != "" {
					t.Fatal(complaint)
				}
				if s := h.m.Status(h.now()); s.State != Failed || s.Code != string(CodePINWrong) && s.Code != string(CodePINTries) && s.Code != string(CodePINUnsure) {
					t.Fatalf("state %s, code %s", s.State, s.Code)
				}
			}
			t.Logf("sent %d times in 250 worlds, 1,000 blows", sent)
		})
	}
}

// Each card and each PIN has its one try; the operator can forgive.
func TestPINOtherCardAndOperator(t *testing.T) {
	h := pinWorld(t, 1, "1234", "9999", true)
	h.run(time.Hour)
	if h.card.tries != 2 {
		t.Fatalf("%d tries are left", h.card.tries)
	}
	other := h.set
	other.SIM.PIN = "1234"
	h.set = other
	h.m.Update(other)
	h.run(2 * time.Minute)
	if h.card.tries != 2 || h.card.open {
		t.Fatalf("a PIN was sent with %d tries left", h.card.tries)
	}
	h.card.tries = 3 // somebody has opened it in a telephone
	if !h.until(2*time.Minute, h.online) {
		t.Fatal("not online", h.story())
	}
}
