package client

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Placeholders are the words that may stand in braces in a registration, a
// heartbeat or a reply pattern.
var Placeholders = []string{"imei", "iccid", "imsi", "csq", "sn", "ver", "id"}

// Template is a text with placeholders, or fixed bytes.
type Template struct {
	parts []string // text, placeholder, text, …
}

// UnknownPlaceholder is a word in braces that stands for nothing.
type UnknownPlaceholder struct{ Name string }

func (e UnknownPlaceholder) Error() string {
	return fmt.Sprintf("{%s} is unknown; there are {%s}, and a brace itself is written {{", e.Name, strings.Join(Placeholders, "}, {"))
}

// ParseTemplate reads a text such as "reg,{imei},{ver}". Only a word of small
// letters in braces is a placeholder, so JSON stays as it is; "{{" is a brace in
// any case. The error is an UnknownPlaceholder.
func ParseTemplate(text string) (Template, error) {
	var t Template
	var lit strings.Builder
	for len(text) > 0 {
		i := strings.IndexByte(text, '{')
		if i < 0 {
			break
		}
		lit.WriteString(text[:i])
		text = text[i+1:]
		if strings.HasPrefix(text, "{") {
			lit.WriteByte('{')
			text = text[1:]
			continue
		}
		name, rest, ok := strings.Cut(text, "}")
		if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < 'a' || r > 'z' }) {
			lit.WriteByte('{')
			continue
		}
		if !slices.Contains(Placeholders, name) {
			return Template{}, UnknownPlaceholder{name}
		}
		t.parts = append(t.parts, lit.String(), name)
		lit.Reset()
		text = rest
	}
	lit.WriteString(text)
	t.parts = append(t.parts, lit.String())
	return t, nil
}

// Fixed is a template of bytes that stand for themselves.
func Fixed(b []byte) Template { return Template{parts: []string{string(b)}} }

// Equal reports whether two templates say the same.
func (t Template) Equal(o Template) bool { return slices.Equal(t.parts, o.parts) }

// Empty reports whether nothing was written.
func (t Template) Empty() bool { return len(t.parts) == 0 || len(t.parts) == 1 && t.parts[0] == "" }

// Has reports whether a placeholder stands in the text.
func (t Template) Has(name string) bool {
	for i := 1; i < len(t.parts); i += 2 {
		if t.parts[i] == name {
			return true
		}
	}
	return false
}

// Fill puts the values in; what is unknown becomes nothing.
func (t Template) Fill(values map[string]string, id uint64) []byte {
	var b []byte
	for i, p := range t.parts {
		switch {
		case i%2 == 0:
			b = append(b, p...)
		case p == "id":
			b = strconv.AppendUint(b, id, 10)
		default:
			b = append(b, values[p]...)
		}
	}
	return b
}
