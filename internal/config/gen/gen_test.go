package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"luatnetd/internal/config"
)

var update = flag.Bool("update", false, "write docs/config.md and docs/config.schema.json")

const docsDir = "../../../docs"

func TestDocsAreFresh(t *testing.T) {
	if *update {
		if err := write(docsDir); err != nil {
			t.Fatal(err)
		}
	}
	files, err := generate(config.Reference())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(docsDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("docs/%s is stale: run go run ./internal/config/gen (-want +got)\n%s", name, diff)
		}
	}
}

// TestEveryKeyIsDocumentedOnce; readDocs refuses twice.
func TestEveryKeyIsDocumentedOnce(t *testing.T) {
	docs, err := readDocs(config.Reference())
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, k := range config.Keys() {
		known[k.Path] = true
		d := docs[k.Path]
		switch {
		case d.Text == "":
			t.Errorf("%s is not documented", k.Path)
		case k.Type != config.TypeSection && k.Type != config.TypeSections && d.Default == "" && d.Required == "":
			t.Errorf("%s: neither a default nor required", k.Path)
		case k.Required && d.Required == "":
			t.Errorf("%s is required, and the words do not say so", k.Path)
		}
	}
	for path := range docs {
		if !known[path] {
			t.Errorf("%s is documented and no key", path)
		}
	}
}

func TestDocumentedTwice(t *testing.T) {
	_, err := readDocs("# One.\nversion = 1\n\n# Two.\nversion = 1\n")
	if err == nil || !strings.Contains(err.Error(), "reference.toml:5: version is documented in line 2 already") {
		t.Errorf("got %v", err)
	}
}

// TestSchema is JSON, refuses unknown keys everywhere and knows the defaults.
func TestSchema(t *testing.T) {
	files, err := generate(config.Reference())
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Required             []string
		AdditionalProperties bool
		Properties           map[string]struct {
			Items struct {
				Properties map[string]struct{ Default any }
			}
			Properties map[string]struct{ Default any }
		}
	}
	if err := json.Unmarshal([]byte(files["config.schema.json"]), &schema); err != nil {
		t.Fatal(err)
	}
	if schema.AdditionalProperties || len(schema.Required) != 1 {
		t.Errorf("got %+v", schema)
	}
	if got := schema.Properties["state"].Properties["mark_mask"].Default; got != float64(0x3f00) {
		t.Errorf("mark_mask: %v", got)
	}
	if got := schema.Properties["uplink"].Items.Properties["address"].Default; got != "dhcp" {
		t.Errorf("address: %v", got)
	}
	if got := strings.Count(files["config.schema.json"], `"additionalProperties": false`); got != 35 {
		t.Errorf("%d sections refuse unknown keys", got)
	}
}
