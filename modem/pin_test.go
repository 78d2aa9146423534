package modem

import (
	"strings"
	"testing"
)

func TestPINRules(t *testing.T) {
	fresh := CardMemory{Salt: "s"}
	tried := fresh.try("1234", 3)
	blind := fresh.try("1234", triesUnknown)
	proved := fresh.prove("1234")
	refused := fresh.refusePIN("1234")
	for _, tt := range []struct {
		name  string
		card  CardMemory
		pin   string
		tries int
		want  pinVerdict
	}{
		{"none is configured", fresh, "", 3, pinVerdict{code: CodePINNeeded}},
		{"too short", fresh, "123", 3, pinVerdict{code: CodePINNeeded}},
		{"too long", fresh, "123456789", 3, pinVerdict{code: CodePINNeeded}},
		{"no digits", fresh, "12a4", 3, pinVerdict{code: CodePINNeeded}},
		{"new, counter full", fresh, "1234", 3, pinVerdict{send: true, note: true}},
		{"new, ten tries", fresh, "1234", 10, pinVerdict{send: true, note: true}},
		{"new, counter not readable", fresh, "1234", triesUnknown, pinVerdict{send: true, note: true}},
		{"new, two left", fresh, "1234", 2, pinVerdict{code: CodePINTries}},
		{"new, none left", fresh, "1234", 0, pinVerdict{code: CodePINTries}},
		{"unsure, it cost nothing", tried, "1234", 3, pinVerdict{send: true}},
		{"unsure of ten, it cost one", fresh.try("1234", 10), "1234", 9, pinVerdict{code: CodePINWrong}},
		{"unsure, counter not readable now", tried, "1234", triesUnknown, pinVerdict{code: CodePINUnsure}},
		{"unsure, counter not readable then", blind, "1234", 3, pinVerdict{code: CodePINUnsure}},
		{"unsure, another PIN now", blind, "5678", 3, pinVerdict{send: true, note: true}},
		{"refused", refused, "1234", 3, pinVerdict{code: CodePINWrong}},
		{"refused, another PIN", refused, "5678", 3, pinVerdict{send: true, note: true}},
		{"refused, another PIN tried since", refused.try("5678", 3), "1234", 3, pinVerdict{code: CodePINWrong}},
		{"unsure without counter, another tried since", blind.try("5678", triesUnknown), "1234", 3, pinVerdict{code: CodePINWrong}},
		{"proved", proved, "1234", 3, pinVerdict{send: true}},
		{"proved, counter not readable", proved, "1234", triesUnknown, pinVerdict{send: true}},
		{"proved, two left", proved, "1234", 2, pinVerdict{code: CodePINTries}},
		{"proved, then refused", proved.refusePIN("1234"), "1234", 3, pinVerdict{code: CodePINWrong}},
		{"forgiven", refused.forgive(), "1234", 3, pinVerdict{send: true, note: true}},
		{"forgiven, two left", refused.forgive(), "1234", 2, pinVerdict{send: true, note: true}},
		{"forgiven, the last one left", refused.forgive(), "1234", 1, pinVerdict{code: CodePINTries}},
		{"forgiven once", refused.forgive().try("1234", 2).refusePIN("1234"), "5678", 2, pinVerdict{code: CodePINTries}},
		{"forgiven when unsure", blind.forgive(), "1234", triesUnknown, pinVerdict{send: true, note: true}},
	} {
		if got := tt.card.judge(tt.pin, tt.tries); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestMemoryHoldsNoSecret(t *testing.T) {
	c := CardMemory{Salt: "s"}.try("1234", 3).prove("1234").refusePIN("5678")
	for _, s := range append([]string{c.Trying, c.Proved, CardKey("89860012345678901234")}, c.Refused...) {
		if strings.Contains(s, "1234") || strings.Contains(s, "5678") {
			t.Errorf("%q shows a secret", s)
		}
	}
	if a, b := (CardMemory{Salt: "a"}).hash("1234"), (CardMemory{Salt: "b"}).hash("1234"); a == b {
		t.Error("the salt does not count")
	}
	if CardKey("") != "" || CardKey("1") == CardKey("2") {
		t.Error("cards are mixed up")
	}
}

// Refused PINs are kept within bounds, the newest ones.
func TestRefusedAreBounded(t *testing.T) {
	var c CardMemory
	for i := range 20 {
		c = c.refusePIN(string(rune('a' + i)))
	}
	if len(c.Refused) != refusedKept || c.Refused[refusedKept-1] != c.hash("t") {
		t.Errorf("%d are kept", len(c.Refused))
	}
}
