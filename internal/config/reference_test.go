package config

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReferenceShowsEveryKey by reflection on the raw types, and nothing else.
func TestReferenceShowsEveryKey(t *testing.T) {
	mustParse(t, Reference())
	root, bad := parseTree("reference.toml", []byte(Reference()))
	if bad != nil {
		t.Fatal(bad)
	}
	shown := map[string]bool{}
	var walk func(n *node)
	walk = func(n *node) {
		shown[n.path()] = true
		for _, c := range n.items {
			walk(c)
		}
	}
	walk(root)
	for _, k := range Keys() {
		if !shown[k.Path] {
			t.Errorf("reference.toml has no %s", k.Path)
		}
	}
}

// TestReferenceShowsTheDefaults: a line whose value is documented as its
// default changes nothing when it is taken away.
func TestReferenceShowsTheDefaults(t *testing.T) {
	want := mustParse(t, Reference())
	want.File = "x"
	lines := strings.Split(Reference(), "\n")
	checked := 0
	for i, line := range lines {
		key, value, ok := strings.Cut(line, " = ")
		def := defaultAbove(lines[:i])
		if !ok || strings.HasPrefix(line, "#") || def == "" || !strings.HasPrefix(def, value) {
			continue
		}
		text := without(lines, i)
		if key == "pool_start" { // both or neither
			text = regexp.MustCompile(`(?m)^pool_end = .*$`).ReplaceAllString(text, "")
		}
		if key == "pool_end" {
			text = regexp.MustCompile(`(?m)^pool_start = .*$`).ReplaceAllString(text, "")
		}
		got, problems := Parse("x", []byte(text))
		if problems != nil {
			t.Errorf("without line %d, %s: %v", i+1, line, problems)
			continue
		}
		if diff := cmp.Diff(want, got, equal...); diff != "" {
			t.Errorf("without line %d, %s (-want +got):\n%s", i+1, line, diff)
		}
		checked++
	}
	if checked < 30 {
		t.Errorf("only %d defaults are shown", checked)
	}
}

// defaultAbove is what the comment right above says after "Default:".
func defaultAbove(lines []string) string {
	for i := len(lines) - 1; i >= 0 && strings.HasPrefix(lines[i], "#"); i-- {
		if def, ok := strings.CutPrefix(lines[i], "# Default: "); ok {
			return def
		}
	}
	return ""
}

func without(lines []string, i int) string {
	return strings.Join(append(append([]string(nil), lines[:i]...), lines[i+1:]...), "\n")
}

// TestReferenceNeedsWhatItRequires: a line documented as required, or as
// required unless another is there, is missed when it is taken away.
func TestReferenceNeedsWhatItRequires(t *testing.T) {
	lines := strings.Split(Reference(), "\n")
	for i, line := range lines {
		if i == 0 || strings.HasPrefix(line, "#") || !strings.HasPrefix(lines[i-1], "# Required") || !strings.Contains(line, " = ") {
			continue
		}
		if _, problems := Parse("x", []byte(without(lines, i))); problems == nil {
			t.Errorf("line %d, %s, is not missed", i+1, line)
		}
	}
}

// TestRequiredTagsAgree: need in a tag and Required in the words.
func TestRequiredTagsAgree(t *testing.T) {
	required := map[string]bool{}
	section := ""
	lines := strings.Split(Reference(), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]") + "."
		}
		if key, _, ok := strings.Cut(line, " = "); ok && i > 0 && lines[i-1] == "# Required." {
			required[section+key] = true
		}
	}
	for _, k := range Keys() {
		if k.Required != required[k.Path] {
			t.Errorf("%s: required in the tag %v, in the words %v", k.Path, k.Required, required[k.Path])
		}
	}
}

// TestRawTypesAreDecodable: every field has a decoder and its tags make sense.
func TestRawTypesAreDecodable(t *testing.T) {
	for _, k := range Keys() {
		if k.Type == "" {
			t.Errorf("%s has a type that no decoder knows", k.Path)
		}
		if (k.Type == TypeDuration) != (k.Min != "") && k.Type != TypeNumber {
			t.Errorf("%s: bounds %q", k.Path, k.Min)
		}
	}
}
