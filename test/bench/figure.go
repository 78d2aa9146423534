package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// figure is one measured line. Peer fields are those of another program doing
// the same in the same run, where there is one.
type figure struct {
	Bench      string  `json:"bench"`
	N          int     `json:"n"`
	Unit       string  `json:"unit"`
	P50        float64 `json:"p50"`
	P90        float64 `json:"p90"`
	P99        float64 `json:"p99"`
	Max        float64 `json:"max"`
	ControlP99 float64 `json:"control_p99"`
	Peer       string  `json:"peer,omitempty"`
	PeerP50    float64 `json:"peer_p50,omitempty"`
	Bar        string  `json:"bar"`  // what must hold, in words
	Held       bool    `json:"held"` // whether it did
	Runs       int     `json:"runs"` // 3: this line is the one with the median p50
	Load       string  `json:"load"`
	Date       string  `json:"date"`
}

// ms turns durations into milliseconds.
func ms(list []time.Duration) []float64 {
	out := make([]float64, len(list))
	for i, d := range list {
		out[i] = float64(d.Microseconds()) / 1000
	}
	return out
}

// summary fills the percentiles; an empty list gives zeros.
func summary(bench, unit string, values, control []float64) figure {
	f := figure{Bench: bench, N: len(values), Unit: unit}
	f.P50, f.P90, f.P99, f.Max = at(values, 50), at(values, 90), at(values, 99), at(values, 100)
	f.ControlP99 = at(control, 99)
	return f
}

// less is summary with the control's median taken off each value.
func less(bench, unit string, values, control []float64) figure {
	floor := at(control, 50)
	net := make([]float64, len(values))
	for i, v := range values {
		net[i] = max(v-floor, 0)
	}
	return summary(bench, unit, net, control)
}

// at is the percentile p by nearest rank.
func at(values []float64, p int) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	i := (len(s)*p + 99) / 100
	return s[max(min(i, len(s))-1, 0)]
}

// judge notes the bar and whether it held.
func (f figure) judge(bar string, held bool) figure {
	f.Bar, f.Held = bar, held
	return f
}

// few reports whether a figure rests on few measurements.
func few(figures []figure) bool {
	return slices.ContainsFunc(figures, func(f figure) bool { return f.N < small && f.Unit != "packets" })
}

// medians picks, for each figure, the run whose p50 is in the middle.
func medians(runs [][]figure) []figure {
	out := make([]figure, len(runs[0]))
	for i := range out {
		same := make([]figure, len(runs))
		for k, r := range runs {
			same[k] = r[i]
		}
		slices.SortFunc(same, func(a, b figure) int { return cmp.Compare(a.P50, b.P50) })
		out[i] = same[len(same)/2]
		out[i].Runs = len(runs)
	}
	return out
}

// count is a figure that is a number of something out of n.
func count(bench, unit string, value, n int, bar string, held bool) figure {
	v := float64(value)
	return figure{Bench: bench, N: n, Unit: unit, P50: v, P90: v, P99: v, Max: v}.judge(bar, held)
}

// writeTable renders the kept results into the part of a document between the
// two marks.
func writeTable(results, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	const begin, end = "<!-- results -->", "<!-- end of results -->"
	head, rest, ok1 := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s: the marks %s and %s are missing", file, begin, end)
	}
	paths, err := filepath.Glob(filepath.Join(results, "*.json"))
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(head + begin + "\n\n| figure | n | unit | p50 | p90 | p99 | max | control p99 | peer p50 | bar | held | runs | load | date |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, p := range paths {
		line, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		var f figure
		if err := json.Unmarshal(line, &f); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		held := "yes"
		if !f.Held {
			held = "**no**"
		}
		peer := ""
		if f.Peer != "" {
			peer = fmt.Sprintf("%s %.3g", f.Peer, f.PeerP50)
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %.3g | %.3g | %.3g | %.3g | %.3g | %s | %s | %s | %d | %s | %s |\n",
			f.Bench, f.N, f.Unit, f.P50, f.P90, f.P99, f.Max, f.ControlP99, peer, f.Bar, held, max(f.Runs, 1), f.Load, f.Date[:10])
	}
	b.WriteString("\n" + end + tail)
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
