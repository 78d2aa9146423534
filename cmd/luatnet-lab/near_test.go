package main

import (
	"testing"
	"time"
)

// The oracle of the client's story (LC-04): what was accepted against what a
// server read.
func TestCompare(t *testing.T) {
	one := func(n string) string { return flowTag + n + ";" }
	for _, tt := range []struct {
		name string
		text string
		want receipts
	}{
		{"all, in order", one("000001") + one("000002") + one("000003"), receipts{ordered: true}},
		{"between others", "send from uart: x" + one("000001") + "send from timer: 1" + one("000002") + one("000003"), receipts{ordered: true}},
		{"one is missing", one("000001") + one("000003"), receipts{missing: 1, ordered: true}},
		{"torn and sent again", flowTag + "000001;" + flowTag + "0000" + one("000002") + one("000003"), receipts{ordered: true}},
		{"torn and lost", one("000001") + one("000002") + flowTag + "000003", receipts{missing: 1, ordered: true}},
		{"sent again", one("000001") + one("000002") + one("000001") + one("000002") + one("000003"), receipts{twice: 2, ordered: true}},
		{"order broken", one("000002") + one("000001") + one("000003"), receipts{ordered: false}},
		{"never answered is no loss, and no harm", one("000001") + one("000002") + one("000003") + one("000004"), receipts{ordered: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := compare([]int{1, 2, 3}, tt.text); got != tt.want {
				t.Errorf("compare = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestSilence(t *testing.T) {
	at := time.Now()
	f := &far{at: []time.Time{at, at.Add(10 * time.Millisecond), at.Add(50 * time.Millisecond), at.Add(60 * time.Millisecond)}}
	for _, tt := range []struct {
		name string
		from time.Duration
		want time.Duration
	}{
		{"the longest", 0, 40 * time.Millisecond},
		{"from the event on", 20 * time.Millisecond, 30 * time.Millisecond},
		{"none since", 70 * time.Millisecond, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := f.silence(at.Add(tt.from)); got != tt.want {
				t.Errorf("silence = %v, want %v", got, tt.want)
			}
		})
	}
}
