package modem

import (
	"strconv"
	"strings"
)

// fieldsOf splits an answer at its prefix and its commas. Quotation marks go,
// what they held stays whole, blanks around a field go. "+QCSQ: "LTE",-58" is
// LTE and -58; a line without prefix is split as it is.
func fieldsOf(line string) []string {
	fields, _ := splitFields(line)
	return fields
}

// splitFields is fieldsOf that also says which fields had quotation marks.
func splitFields(line string) (fields []string, quoted []bool) {
	line = strings.TrimSpace(afterPrefix(line))
	if line == "" {
		return nil, nil
	}
	var field strings.Builder
	in, had := false, false
	add := func() {
		text := field.String()
		if !had {
			text = strings.TrimSpace(text)
		}
		fields, quoted = append(fields, text), append(quoted, had)
		field.Reset()
		had = false
	}
	for i := range len(line) {
		switch c := line[i]; {
		case c == '"':
			switch {
			case !in && had:
				field.WriteByte(' ') // two strings without a comma between them
			case !in && strings.TrimSpace(field.String()) == "":
				field.Reset()
			}
			in, had = !in, true
		case c == ',' && !in:
			add()
		case had && !in && c == ' ': // after the closing mark
		default:
			field.WriteByte(c)
		}
	}
	add()
	return fields, quoted
}

// afterPrefix returns what follows "+NAME:" or "name:" at the start of a line.
// Only a word of letters, digits and the vendors' signs is a prefix: an IPv6
// address or a time is none.
func afterPrefix(line string) string {
	line = strings.TrimSpace(line)
	i := strings.IndexByte(line, ':')
	if i <= 0 || !isPrefix(line[:i]) {
		return line
	}
	return line[i+1:]
}

func isPrefix(s string) bool {
	if strings.ContainsAny(s[:1], "+^$*#%") {
		return true
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// prefixOf returns the prefix with its sign and without the colon, "" if the line has none.
func prefixOf(line string) string {
	line = strings.TrimSpace(line)
	i := strings.IndexByte(line, ':')
	if i <= 0 || !isPrefix(line[:i]) {
		return ""
	}
	return strings.TrimSpace(line[:i])
}

// field returns field i, "" if there are fewer.
func field(fields []string, i int) string {
	if i < 0 || i >= len(fields) {
		return ""
	}
	return fields[i]
}

// integer returns the number in field i.
func integer(fields []string, i int) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(field(fields, i)))
	return n, err == nil
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// between reports whether n is a number from low to high, and returns it.
func between(fields []string, i, low, high int) (int, bool) {
	n, ok := integer(fields, i)
	return n, ok && n >= low && n <= high
}

// digits returns the first run of at least min and at most max decimal digits
// that no other digit touches, "" if there is none.
func digits(s string, min, max int) string {
	start := -1
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] >= '0' && s[i] <= '9' {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 && i-start >= min && i-start <= max {
			return s[start:i]
		}
		start = -1
	}
	return ""
}

// isHex reports whether s is a hexadecimal number of 1 to max digits.
func isHex(s string, max int) bool {
	if s == "" || len(s) > max {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}
