package config

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
)

// clean makes a message of the TOML library fit a sentence.
func clean(message string) string {
	message = strings.TrimPrefix(message, "toml: ")
	message, _, _ = strings.Cut(message, ": strconv.") // "unable to parse float: strconv.…"
	message = notASCII.ReplaceAllString(message, "character outside ASCII")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, message)
}

var (
	// The library sees bytes: the first one of “ is U+00E2 to it.
	notASCII = regexp.MustCompile(`(character )?U\+00[89A-F][0-9A-F]( '.')?`)

	// A word, an address or a time, as it was meant.
	unquoted = regexp.MustCompile(`^([A-Za-z0-9_-]+)\s*=\s*([A-Za-z/][^\s"'#,\[\]{}=]*|[0-9]+(?:ms|s|m|h|d)|[0-9]+\.[0-9]+\.[0-9./:]+)\s*(?:#.*)?$`)
	luaNote  = regexp.MustCompile(`^\s*--`)
	colon    = regexp.MustCompile(`^\s*[A-Za-z0-9_-]+\s*:`)
)

// syntaxHint looks at the line of a syntax error for the usual causes.
func syntaxHint(text []byte, line int) string {
	lines := bytes.Split(text, []byte("\n"))
	if line < 1 || line > len(lines) {
		return ""
	}
	s := strings.TrimSpace(string(lines[line-1]))
	if i := strings.IndexAny(s, "“”‘’，：＝【】"); i >= 0 && !strings.HasPrefix(s, "#") {
		return "the line has full-width characters; TOML wants the plain ones: \" ' , = [ ]"
	}
	if m := unquoted.FindStringSubmatch(s); m != nil {
		if low := strings.ToLower(m[2]); low == "true" || low == "false" {
			return "in lower case: " + m[1] + " = " + low
		}
		return "text stands in quotes: " + m[1] + " = " + quote(m[2])
	}
	switch {
	case luaNote.MatchString(s):
		return "a comment begins with #"
	case colon.MatchString(s):
		return "a key and its value are joined by =, not by a colon"
	case strings.HasPrefix(s, "[[") && !strings.Contains(s, "]]"):
		return "close the header with ]]"
	}
	return ""
}
