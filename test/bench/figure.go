package main

import (
	"cmp"
	"slices"
	"time"
)

// figure is one measured line. Peer fields are those of another program doing
// the same in the same run, by the same meters and with the same sums; PeerP50
// is nil where there is no peer, for 0 may be what it reached.
type figure struct {
	Bench      string   `json:"bench"`
	N          int      `json:"n"`
	Unit       string   `json:"unit"`
	P50        float64  `json:"p50"`
	P90        float64  `json:"p90"`
	P99        float64  `json:"p99"`
	Max        float64  `json:"max"`
	ControlP99 float64  `json:"control_p99"`
	Peer       string   `json:"peer,omitempty"`
	PeerN      int      `json:"peer_n,omitempty"`
	PeerP50    *float64 `json:"peer_p50,omitempty"`
	Bar        string   `json:"bar"`  // what must hold, in words
	Held       bool     `json:"held"` // whether it did, in every run
	Runs       int      `json:"runs"` // 3: this line is the one with the median p50
	Load       string   `json:"load"`
	Date       string   `json:"date"`
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
	return summary(bench, unit, above(values, control), control)
}

// above is what each value has over the control's median, 0 at least.
func above(values, control []float64) []float64 {
	floor := at(control, 50)
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = max(v-floor, 0)
	}
	return out
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

// medians picks, for each figure, the run whose p50 is in the middle. It has
// held only if every run has: a bar on the largest value may be missed by a
// run that is not in the middle.
func medians(runs [][]figure) []figure {
	out := make([]figure, len(runs[0]))
	for i := range out {
		same := make([]figure, len(runs))
		held := true
		for k, r := range runs {
			same[k] = r[i]
			held = held && r[i].Held
		}
		slices.SortFunc(same, func(a, b figure) int { return cmp.Compare(a.P50, b.P50) })
		out[i] = same[len(same)/2]
		out[i].Runs, out[i].Held = len(runs), held
	}
	return out
}

// count is a figure that is a number of something out of n.
func count(bench, unit string, value, n int, bar string, held bool) figure {
	v := float64(value)
	return figure{Bench: bench, N: n, Unit: unit, P50: v, P90: v, P99: v, Max: v}.judge(bar, held)
}
