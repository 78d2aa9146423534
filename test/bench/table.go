package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

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
	b.WriteString(head + begin + "\n\n| figure | n | unit | p50 | p90 | p99 | max | control p99 | peer p50 (n) | bar | held | runs | load | date |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, p := range paths {
		line, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		var f figure
		if err := json.Unmarshal(line, &f); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		b.WriteString(f.row())
	}
	b.WriteString("\n" + end + tail)
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// row is the figure as a line of the table.
func (f figure) row() string {
	held, peer := "yes", ""
	if !f.Held {
		held = "**no**"
	}
	if f.PeerP50 != nil {
		peer = fmt.Sprintf("%s %s (%d)", f.Peer, short(*f.PeerP50), f.PeerN)
	}
	return fmt.Sprintf("| %s | %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %d | %s | %s |\n",
		f.Bench, f.N, f.Unit, short(f.P50), short(f.P90), short(f.P99), short(f.Max), short(f.ControlP99), peer, f.Bar, held, max(f.Runs, 1), f.Load, f.Date[:min(len(f.Date), 10)])
}

// short is a value with three figures, or all of those before the point.
func short(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
