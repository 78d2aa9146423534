package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// got is receipts written as LIFE CONNECTION ID NUMBER.
func got(list ...[4]int) (out []receipt) {
	for _, r := range list {
		out = append(out, receipt{life: r[0], conn: r[1], id: uint64(r[2]), number: r[3]})
	}
	return out
}

// upTo is the numbers 1 to n.
func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		accepted []int
		got      []receipt
		want     verdict
	}{
		"all is well, and one was read that nobody was told of": {
			[]int{1, 2}, got([4]int{1, 1, 0, 1}, [4]int{1, 1, 0, 2}, [4]int{1, 1, 0, 3}),
			verdict{accepted: 2, received: 3, sessions: 1},
		},
		"lost while the server lived": {
			upTo(3), got([4]int{1, 1, 0, 1}, [4]int{1, 2, 0, 3}),
			verdict{accepted: 3, received: 2, lost: 1, unexplained: 1, sessions: 2},
		},
		"lost when the server was killed": {
			upTo(3), got([4]int{1, 1, 0, 1}, [4]int{2, 1, 0, 3}),
			verdict{accepted: 3, received: 2, lost: 1, sessions: 2},
		},
		"lost at the end": {
			upTo(2), got([4]int{1, 1, 0, 1}),
			verdict{accepted: 2, received: 1, lost: 1, unexplained: 1, sessions: 1},
		},
		"more lost than one window": {
			upTo(window + 3), got([4]int{1, 1, 0, 1}, [4]int{2, 1, 0, window + 3}),
			verdict{accepted: window + 3, received: 2, lost: window + 1, unexplained: 1, sessions: 2},
		},
		"two kills explain two windows": {
			upTo(2*window + 5), got([4]int{1, 1, 0, 1}, [4]int{4, 1, 0, 2*window + 5}),
			verdict{accepted: 2*window + 5, received: 2, lost: 2*window + 3, sessions: 2},
		},
		"what a killed server had not read explains two more": {
			upTo(window + 5), got([4]int{2, 1, 0, 1}, [4]int{3, 1, 0, window + 5}),
			verdict{accepted: window + 5, received: 2, lost: window + 3, unexplained: 1, sessions: 2},
		},
		"duplicates, counted by session": {
			upTo(2), got([4]int{1, 1, 7, 1}, [4]int{1, 1, 8, 2}, [4]int{1, 2, 7, 1}, [4]int{1, 2, 8, 2}, [4]int{1, 3, 8, 2}),
			verdict{accepted: 2, received: 5, duplicates: 3, worst: 2, sessions: 3},
		},
		"first receipts out of order": {
			upTo(3), got([4]int{1, 1, 0, 1}, [4]int{1, 1, 0, 3}, [4]int{1, 1, 0, 2}),
			verdict{accepted: 3, received: 3, disordered: 1, sessions: 1},
		},
		"one message with two ids, which no filter drops": {
			upTo(1), got([4]int{1, 1, 7, 1}, [4]int{1, 2, 8, 1}),
			verdict{accepted: 1, received: 2, duplicates: 1, worst: 1, filtered: 1, sessions: 2},
		},
		"one id for two messages, of which the filter drops the second": {
			upTo(2), got([4]int{1, 1, 7, 1}, [4]int{1, 1, 7, 2}),
			verdict{accepted: 2, received: 2, filtered: 1, sessions: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(c.accepted, c.got, map[int]int{2: len(body(2)) + len(body(3)) + 4})
			v.where = ""
			if v != c.want {
				t.Errorf("judge says %+v, want %+v", v, c.want)
			}
		})
	}
}

func TestReadReceipts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "1.read")
	text := fmt.Sprintf("17 1 100.64.1.2 5 %s\n18 2 100.64.2.2 6 %s\n19 2 100.64.2.2 7 m 3 torn", body(1), body(2))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := readReceipts(path, 4, true)
	want := []receipt{{4, 1, 17, "100.64.1.2", 5, 1}, {4, 2, 18, "100.64.2.2", 6, 2}}
	if err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("read %+v, %v; want %+v", list, err, want)
	}
	if _, err := parseReceipts("17 1 100.64.1.2 m 2 changed\n", 1, false); err == nil {
		t.Error("a line that nobody sent is not noticed")
	}
	if list, err := readReceipts(path+".none", 1, true); list != nil || err != nil {
		t.Errorf("a server killed at its start has read %v, %v", list, err)
	}
}

// A whole run has as many faults as are promised, each kind of them, and the
// same order for the same seed.
func TestSchedule(t *testing.T) {
	for quick, want := range map[bool][3]int{false: {100, 100, 50}, true: {5, 5, 5}} {
		list := schedule(options{quick: quick}, seeded())
		var n [3]int
		for _, f := range list {
			n[f]++
		}
		if n != want {
			t.Errorf("quick %v: %v faults of each kind, want %v", quick, n, want)
		}
		if again := schedule(options{quick: quick}, seeded()); !reflect.DeepEqual(list, again) {
			t.Error("two runs of one seed differ")
		}
	}
}
