package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPercentilesAreNearestRank(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[99-i] = float64(i + 1)
	}
	for _, tt := range []struct {
		name   string
		values []float64
		p      int
		want   float64
	}{
		{"none", nil, 50, 0}, {"one", []float64{7}, 99, 7},
		{"even", []float64{4, 1, 3, 2}, 50, 2}, {"five", []float64{5, 1, 2, 3, 4}, 90, 5},
		{"p50", hundred, 50, 50}, {"p99", hundred, 99, 99}, {"max", hundred, 100, 100},
	} {
		if got := at(tt.values, tt.p); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestNetTakesTheMedianOfTheControlOff(t *testing.T) {
	f := less("x", "ms", ms([]time.Duration{time.Millisecond, 5 * time.Millisecond, 9 * time.Millisecond}), []float64{2, 3, 40})
	if f.P50 != 2 || f.Max != 6 || at(above([]float64{1}, []float64{3}), 50) != 0 {
		t.Errorf("%+v, want p50 2 and max 6, and nothing below 0", f)
	}
	if f.ControlP99 != 40 {
		t.Errorf("control p99 %v, want 40", f.ControlP99)
	}
}

// The run in the middle by p50 may have held where another has not: the figure
// has not.
func TestAMedianHoldsOnlyIfEveryRunHas(t *testing.T) {
	run := func(p50 float64, held bool) []figure {
		return []figure{{Bench: "a", P50: p50, Held: held}, {Bench: "b", P50: -p50, Held: true}}
	}
	got := medians([][]figure{run(3, false), run(1, true), run(2, true)})
	if got[0].P50 != 2 || got[0].Held || got[0].Runs != 3 {
		t.Errorf("%+v, want the run with p50 2, not held, of 3 runs", got[0])
	}
	if got[1].P50 != -2 || !got[1].Held {
		t.Errorf("%+v, want the run with p50 -2, held", got[1])
	}
}

// A peer that loses nothing has a median of 0, which must be seen; a figure
// without a peer must show none.
func TestAPeerOfZeroIsWritten(t *testing.T) {
	line, err := json.Marshal(figure{}.beside([]float64{0, 0, 5}, 3))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(line), `"peer":"dhcpcd","peer_n":3,"peer_p50":0,`) {
		t.Errorf("%s, want the peer's median 0 of 3", line)
	}
	if line, _ = json.Marshal(figure{}); strings.Contains(string(line), "peer") {
		t.Errorf("%s, want no peer", line)
	}
}

func TestTableReplacesWhatIsBetweenTheMarks(t *testing.T) {
	dir := t.TempDir()
	f := count("some", "rounds", 0, 9, "at least one", false).beside([]float64{0}, 4)
	f.P90, f.P99, f.Max = 1.2345, 999.4, 8192
	f.Date = "2026-11-25T10:00:00Z"
	if err := store(dir, f); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "doc.md")
	if err := os.WriteFile(file, []byte("head\n<!-- results -->\nold\n<!-- end of results -->\ntail\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeTable(dir, file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	row := "| some | 9 | rounds | 0 | 1.23 | 999 | 8192 | 0 | dhcpcd 0 (4) | at least one | **no** | 1 |  | 2026-11-25 |\n"
	if s := string(text); !strings.HasPrefix(s, "head\n") || !strings.HasSuffix(s, "\ntail\n") || strings.Contains(s, "old") || !strings.Contains(s, row) {
		t.Errorf("%s\nwant the row %s", s, row)
	}
}
