package modemtest_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

// refused are commands of profiles that their module does not have, and why.
// What is not here has to be answered without an error.
var refused = map[string]string{
	"+QCCID":              "Quectel's",
	"+CCED=0,2":           "neighbours are not emulated",
	"^MONNC":              "neighbours are not emulated",
	"air780-at +CPINR":    "V1011 has it not",
	"air720 +CCED=0,1":    "cells are not emulated",
	"ec618-ref +ICCID":    "a firmware that knows +CCID only",
	"generic-ppp +ICCID":  "a firmware that knows +CCID only",
	"huawei-ndis +ICCID":  "it knows ^ICCID only",
	"huawei-ndis +CCID":   "it knows ^ICCID only",
	"fibocom-l610 +CPINR": "it tells no tries",
	"fibocom-l610 +CSIM":  "it tells no tries",
}

// refusal is why a module does not know a command, "" if it does.
func refusal(p modemtest.Personality, text string) string {
	if strings.HasPrefix(p.ID, "quectel") && text == "+QCCID" {
		return ""
	}
	name := modem.Command{Text: text}.Name()
	for _, key := range []string{text, name, p.ID + " " + text, p.ID + " " + name} {
		if why := refused[key]; why != "" {
			return why
		}
	}
	return ""
}

// A personality is what its profile is for: the bus leads to that profile, and
// what the profile asks for is answered.
func TestPersonalityFitsItsProfile(t *testing.T) {
	profiles, err := modem.LoadProfiles("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range modemtest.Personalities() {
		t.Run(p.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := modemtest.New(p, modemtest.Options{})
				time.Sleep(3 * time.Second)
				if p.Compositions[0].Unbound {
					m.NewID()
				}
				d := *m.Device()
				profile := profiles.For(d)
				if !p.AT() {
					if profile = profiles.WithoutAT(profile, d); profile.ID != p.ID {
						t.Errorf("%s leads to profile %s", d.ID(), profile.ID)
					}
					return
				}
				iface := atPort(p)
				port, err := open(t, m, iface)
				if err != nil {
					t.Fatal(err)
				}
				ask := func(text string) modem.Reply {
					return port.Do(t.Context(), profile.Command(text, modem.Values{CID: profile.CID, Access: modem.DataAccess{APN: "cmnet", PDPType: "IP"}}))
				}
				for _, step := range profile.InitSteps() {
					port.Do(t.Context(), step[0])
				}
				id := modem.ParseATI(ask("I").Lines)
				words := id.Words() + " " + strings.Join(ask("+CGMM").Lines, " ")
				if profile = profiles.Refine(profile, d, words); profile.ID != p.ID {
					t.Fatalf("%s, %q leads to profile %s", d.ID(), words, profile.ID)
				}
				if len(profile.AT) > 0 && !slices.Contains(profile.AT, iface) {
					t.Errorf("it speaks AT on %d, its profile looks on %v", iface, profile.AT)
				}
				for _, text := range asked(profile) {
					why := refusal(p, text)
					if r := ask(text); (r.Err == nil) != (why == "") {
						t.Errorf("%s: %v, %q (%s)", text, r.Err, r.Lines, why)
					}
				}
			})
		})
	}
}

func atPort(p modemtest.Personality) int {
	i := slices.IndexFunc(p.Compositions[0].Ports, func(s modemtest.Port) bool { return s.Kind == modemtest.KindAT })
	return p.Compositions[0].Ports[i].Interface
}

// asked are the commands of a profile that ask or start; stops come last.
func asked(p modem.Profile) []string {
	list := slices.Concat(p.ICCID, p.Signal, p.Tries, p.Start, []string{p.Check, p.DNS, p.Cell, p.Temperature, p.Modes.Query}, p.Cells, p.Stop)
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// What the codec reads is what the emulator measures.
func TestSignalIsWhatItIs(t *testing.T) {
	profiles, err := modem.LoadProfiles("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range modemtest.Personalities() {
		profile, ok := profiles.ByID(p.ID)
		if !ok || !p.AT() {
			continue
		}
		t.Run(p.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := modemtest.New(p, modemtest.Options{})
				time.Sleep(3 * time.Second)
				port, err := open(t, m, atPort(p))
				if err != nil {
					t.Fatal(err)
				}
				var got modem.Radio
				for _, text := range append(slices.Clone(profile.Signal), profile.Cell) {
					if text == "" {
						continue
					}
					r := port.Do(t.Context(), modem.NewCommand(text))
					if r.Err != nil && !errors.Is(r.Err, modem.ErrError) {
						t.Errorf("%s: %v", text, r.Err)
					}
					got = got.With(modem.ParseRadio(r.Lines))
				}
				s := got.Signal
				if s.CSQ == nil || *s.CSQ != 24 || s.RSRP == nil || *s.RSRP != -90 || s.RSRQ == nil || *s.RSRQ != -10 {
					t.Errorf("signal %+v", s)
				}
				if profile.Cell != "" && p.Answers[profile.Cell] != "" && (got.Cell.EARFCN != 1650 || got.Cell.PCI != 81) {
					t.Errorf("cell %+v", got.Cell)
				}
				if s.SINR != nil && math.Abs(*s.SINR-14) > 0.25 {
					t.Errorf("SINR %v", *s.SINR)
				}
			})
		})
	}
}
