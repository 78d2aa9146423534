package main

import (
	"fmt"
	"regexp"
	"strings"
)

// keyDoc is what the comment above a key or header says.
type keyDoc struct {
	Line     int
	Text     string // sentences, on one line
	Default  string // what follows "Default:"
	Required string // the sentence that begins with "Required"
	Value    string // as shown in the file, "" for a section
}

var (
	headerLine = regexp.MustCompile(`^\[\[?([a-z0-9_.]+)\]\]?$`)
	keyLine    = regexp.MustCompile(`^([a-z0-9_]+) = (.*)$`)
)

// readDocs reads the comments of the reference. A comment belongs to the line
// right below it.
func readDocs(reference string) (map[string]keyDoc, error) {
	docs := map[string]keyDoc{}
	var comment []string
	section := ""
	for i, line := range strings.Split(reference, "\n") {
		path, value := "", ""
		if text, ok := strings.CutPrefix(line, "#"); ok {
			comment = append(comment, strings.TrimSpace(text))
			continue
		}
		if m := headerLine.FindStringSubmatch(line); m != nil {
			section, path = m[1]+".", m[1]
		} else if m := keyLine.FindStringSubmatch(line); m != nil {
			path, value = section+m[1], m[2]
		}
		if path != "" && len(comment) > 0 && !strings.HasPrefix(comment[0], "A second") && !strings.HasPrefix(comment[0], "A third") {
			if old, dup := docs[path]; dup {
				return nil, fmt.Errorf("reference.toml:%d: %s is documented in line %d already", i+1, path, old.Line)
			}
			docs[path] = docOf(comment, i+1, value)
		}
		comment = nil
	}
	return docs, nil
}

// docOf splits a comment: its last paragraph may begin with Default or Required.
func docOf(comment []string, line int, value string) keyDoc {
	d := keyDoc{Line: line, Value: value}
	var into *string = &d.Text
	for _, s := range comment {
		if rest, ok := strings.CutPrefix(s, "Default: "); ok {
			into, s = &d.Default, rest
		} else if strings.HasPrefix(s, "Required") {
			into = &d.Required
		}
		*into = strings.TrimSpace(*into + " " + s)
	}
	return d
}
