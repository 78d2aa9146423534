// Command gen writes docs/config.md and docs/config.schema.json from the
// comments of internal/config/reference.toml and the tags of the raw types.
// Run it in the root of the repository:
//
//	go run ./internal/config/gen
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"luatnetd/internal/config"
)

func main() {
	dir := flag.String("o", "docs", "directory to write to")
	flag.Parse()
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	files, err := generate(config.Reference())
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the generated files by name.
func generate(reference string) (map[string]string, error) {
	docs, err := readDocs(reference)
	if err != nil {
		return nil, err
	}
	schema, err := schemaOf(config.Keys(), docs)
	if err != nil {
		return nil, err
	}
	return map[string]string{"config.md": markdown(config.Keys(), docs), "config.schema.json": schema}, nil
}
