package modem

import (
	"fmt"
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
	h := newHost(rng, d, toyProfiles(t), Settings{Power: true, SIM: SIMSettings{Roaming: true, PIN: configured}}, quectel())
	return h
}

// blow is one of the things that may happen at any moment.
func (h *host) blow() {
	switch h.rng.IntN(4) {
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
// it is proved, where it cannot.
func TestPINUnderBlows(t *testing.T) {
	for _, tt := range []struct {
		pin, configured string
		readable        bool
		blows           int
	}{
		{"1234", "9999", true, 1000},
		{"1234", "9999", false, 1000},
		{"1234", "1234", true, 1000},
		{"1234", "1234", false, 300},
	} {
		for seed := range uint64(1 + *simDays/1000) {
			t.Run(fmt.Sprintf("%s with %s, readable %v, seed %d", tt.pin, tt.configured, tt.readable, seed), func(t *testing.T) {
				h := pinWorld(t, seed, tt.pin, tt.configured, tt.readable)
				right := tt.pin == tt.configured
				if right && !tt.readable && !h.until(time.Minute, h.online) {
					t.Fatal("not online", h.story())
				}
				for range tt.blows {
					// between any two writes: most blows fall into the first seconds of a start
					h.run(time.Duration(h.rng.Int64N(int64(8 * time.Second))))
					if h.rng.IntN(3) == 0 {
						h.run(time.Duration(h.rng.Int64N(int64(100 * time.Millisecond))))
					}
					h.blow()
				}
				if right && !h.until(3*time.Minute, h.online) {
					t.Fatal("the right PIN does not open the card", h.story())
				}
				if right {
					if h.card.tries != 3 {
						t.Fatalf("%d tries are left", h.card.tries)
					}
					return
				}
				h.run(2 * time.Hour)
				n := h.seen.wrongPINs[h.card.iccid+"/"+tt.configured]
				if n > 1 || tt.readable && n != 1 || h.card.tries != 3-n {
					t.Fatalf("the wrong PIN was sent %d times%s", n, h.story())
				}
				s := h.m.Status(h.now())
				if s.State != Failed || s.Code != string(CodePINWrong) && s.Code != string(CodePINTries) && s.Code != string(CodePINUnsure) {
					t.Fatalf("state %s, code %s", s.State, s.Code)
				}
			})
		}
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
