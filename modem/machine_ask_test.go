package modem

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Requests of an operator.
func TestRequests(t *testing.T) {
	h := up(t, false, Settings{Power: true})
	ask := func(r Request) Answer {
		t.Helper()
		h.asked++
		r.ID = h.asked
		h.later(0, coming{e: Asked{r}, own: true})
		h.until(2*time.Minute, func() bool { _, ok := h.answers[r.ID]; return ok })
		return h.answers[r.ID]
	}
	h.says = map[string][]string{
		"+COPS=?":             {`+COPS: (2,"CMCC","CMCC","46000",7),(3,"CU","CU","46001",7),,(0-4),(0-2)`},
		`+QENG="servingcell"`: {`+QENG: "servingcell","866000000000001"`},
		"+GMI":                {"Toy"},
	}
	if a := ask(Request{Kind: AskScan}); a.Err != nil || len(a.Lines) != 2 || !strings.HasPrefix(a.Lines[0], "46000 current") {
		t.Errorf("scan: %+v", a)
	}
	if a := ask(Request{Kind: AskAT, Text: "AT+GMI"}); a.Err != nil || !slices.Equal(a.Lines, []string{"Toy"}) {
		t.Errorf("at: %+v", a)
	}
	if a := ask(Request{Kind: AskAT, Text: "ATD*99#"}); a.Err == nil {
		t.Error("a dial command was sent")
	}
	if a := ask(Request{Kind: AskCells}); strings.Contains(strings.Join(a.Lines, ""), "866000000000001") {
		t.Errorf("cells show the IMEI: %+v", a)
	}
	if a := ask(Request{Kind: AskSMSSend, To: "10086", Text: "hello"}); a.Err != nil || h.sent != 1 {
		t.Errorf("sms: %+v, %d were sent", a, h.sent)
	}
	h.later(time.Second, coming{e: Heard{Port: h.m.ports.main, URC: URC{Prefix: "+CUSD", Line: `+CUSD: 0,"balance 5",15`, Count: 1}}, own: true})
	if a := ask(Request{Kind: AskUSSD, Text: "*100#"}); a.Err != nil || len(a.Lines) == 0 || a.Lines[0] != "balance 5" {
		t.Errorf("ussd: %+v", a)
	}
	if a := ask(Request{Kind: AskFlightOn}); a.Err != nil {
		t.Error(a)
	}
	h.is(t, 30*time.Second, RadioOff, CodeRadioOff)
	h.crash()
	h.run(time.Hour)
	h.is(t, time.Second, RadioOff, CodeRadioOff)
	if h.radio != 4 || h.dataOn {
		t.Error("flight mode does not outlive a crash")
	}
	if a := ask(Request{Kind: AskFlightOff}); a.Err != nil || !h.until(time.Minute, h.online) {
		t.Error(a, h.story())
	}
	for _, kind := range []string{"radio", "modem", "usb", "power"} {
		n := h.resets()
		if a := ask(Request{Kind: AskReset, Text: kind}); a.Err != nil || h.resets() != n+1 {
			t.Errorf("reset %s: %+v, %d resets", kind, a, h.resets()-n)
		}
		if !h.until(2*time.Minute, h.online) {
			t.Fatal("not online", h.story())
		}
	}
	if a := ask(Request{Kind: AskReset, Text: "everything"}); a.Err == nil {
		t.Error("an unknown reset")
	}
	if a := ask(Request{Kind: "nonsense"}); !errors.Is(a.Err, errUnknown) {
		t.Error(a)
	}
	h.muteAll = RungPower + 1 // busy with probing and checking
	h.until(time.Minute, func() bool { return h.m.busy() })
	if a := ask(Request{Kind: AskAT, Text: "I", Timeout: time.Second}); a.Err == nil {
		t.Error("an answer of a modem that is mute")
	}
	h.muteAll = -1
	h.plugged = false
	h.run(time.Second)
	if a := ask(Request{Kind: AskAT, Text: "I"}); !errors.Is(a.Err, errNoPort) {
		t.Error(a)
	}
}

// smsPDU is an SMS-DELIVER of two septets, "Hi", from 10086.
const smsPDU = "07911356048801F004" + "05A10180F6" + "0000" + "52115021000023" + "02" + "C834"

// put lays a message on the card.
func (h *host) put(slot int, pdu string) {
	if h.store == nil {
		h.store = map[int]string{}
	}
	h.store[slot] = pdu
}

// A message is read, stored, deleted: once, over crashes, and never lost when
// the store refuses it.
func TestSMSNeverTwice(t *testing.T) {
	for seed := range uint64(60) {
		h := up(t, seed%2 == 0, Settings{})
		h.rng = rand.New(rand.NewPCG(seed, 3))
		h.put(1, smsPDU)
		h.badStore = seed%3 == 0
		h.pop(`+CMTI: "SM",1`)
		h.run(time.Duration(h.rng.Int64N(int64(150 * time.Millisecond))))
		if seed%4 != 0 {
			h.crash()
		}
		h.run(time.Duration(h.rng.Int64N(int64(2 * time.Second))))
		h.badStore = false
		h.run(3 * time.Minute)
		if len(h.kept) != 1 || h.kept[0].Text != "Hi" || h.kept[0].From != "10086" || len(h.store) != 0 {
			t.Fatalf("seed %d: kept %+v, on the card %d %s", seed, h.kept, len(h.store), h.story())
		}
		handed := h.handed
		h.put(2, smsPDU) // the network brings it again
		h.pop(`+CMTI: "SM",2`)
		h.run(time.Minute)
		if len(h.kept) != 1 || len(h.store) != 0 || h.handed != handed {
			t.Fatalf("seed %d: the same message again: kept %d, handed over %d times", seed, len(h.kept), h.handed-handed)
		}
	}
}

// A card that is full at the start is emptied; where no URC tells, it is looked
// at every minute.
func TestSMSFullCard(t *testing.T) {
	h := world(t, true, Settings{})
	for i := range 10 {
		h.put(i+1, strings.Replace(smsPDU, "52115021", "521150"+string(rune('1'+i%9))+string(rune('1'+i/9)), 1))
	}
	h.refuse = map[string]bool{"+CNMI=2,1,0,1,0": true, "+CNMI=2,1": true}
	if !h.until(2*time.Minute, func() bool { return len(h.store) == 0 && len(h.kept) == 10 }) {
		t.Fatalf("%d on the card, %d kept %s", len(h.store), len(h.kept), h.story())
	}
	h.put(1, strings.Replace(smsPDU, "52115021", "62115021", 1))
	if !h.until(2*time.Minute+10*time.Second, func() bool { return len(h.store) == 0 && len(h.kept) == 11 }) {
		t.Errorf("no URC: %d on the card", len(h.store))
	}
}
