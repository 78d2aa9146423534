package config

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// kind is what a node of the file is, in a person's words.
type kind string

const (
	kindTable  kind = "a section"
	kindArray  kind = "a list"
	kindString kind = "text"
	kindInt    kind = "a whole number"
	kindFloat  kind = "a number with a fraction"
	kindBool   kind = "true or false"
	kindTime   kind = "a date or time"
)

// node is a table, list or value of the file with its place.
type node struct {
	kind     kind
	key      string   // own name; "" for items of a list
	pos      Position // of the key or header; of the value for items
	at       Position // of the value
	text     string   // decoded text, or the value as written
	parent   *node
	items    []*node // members of a table in order of the file, or items of a list
	byKey    map[string]*node
	cut      bool // left out by ParseBoot
	secret   bool // never shown
	forgiven bool // wrong, reported, and read as it was meant by ParseBoot
}

// child returns the member called key, nil if there is none.
func (n *node) child(key string) *node { return n.byKey[key] }

// leftOut reports whether ParseBoot has left out the member called key.
func (n *node) leftOut(key string) bool {
	c := n.child(key)
	return c != nil && c.cut
}

func (n *node) add(c *node) *node {
	c.parent = n
	n.items = append(n.items, c)
	if c.key != "" || n.kind == kindTable {
		if n.byKey == nil {
			n.byKey = map[string]*node{}
		}
		n.byKey[c.key] = c
	}
	return c
}

// shown is the value as a problem repeats it.
func (n *node) shown() string {
	if n.secret {
		return "a secret"
	}
	switch n.kind {
	case kindString:
		return quote(n.text)
	case kindTable, kindArray:
		if len(n.items) == 0 && n.kind == kindArray {
			return "an empty list"
		}
		return string(n.kind)
	}
	if r := []rune(n.text); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return n.text
}

// number returns the value of a whole number.
func (n *node) number() (int64, bool) {
	v, err := strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 0, 64)
	return v, err == nil
}

// path is the key as problems name it: "lan.dhcp.host.mac".
func (n *node) path() string {
	var parts []string
	for ; n != nil; n = n.parent {
		switch {
		case n.key == "" && (n.parent == nil || n.parent.kind == kindArray): // the file, an entry
		case n.key != "" && only(strings.ToLower(n.key), "_-"):
			parts = append(parts, n.key)
		default:
			parts = append(parts, quote(n.key))
		}
	}
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}

// maxSize bounds the work on a file. A thousand fixed hosts are 100 KiB.
const maxSize = 1 << 20

// parseTree reads text. go-toml judges it first: syntax, duplicate keys and
// redefined sections, so that the tree may be built without a second thought.
func parseTree(file string, text []byte) (*node, *Problem) {
	bad := func(pos Position, value, want, hint string) *Problem {
		return &Problem{File: file, Line: max(pos.Line, 1), Col: max(pos.Col, 1), Key: "file",
			Value: value, Want: want, Hint: hint, Scope: ScopeFile}
	}
	if len(text) > maxSize {
		return nil, bad(Position{}, strconv.Itoa(len(text))+" bytes", "at most 1 MiB", "is this the right file?")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // Windows editors put it there
	if i, pos := badUTF8(text); i >= 0 {
		return nil, bad(pos, "a byte that is not UTF-8", "UTF-8 text", "save the file as UTF-8; comments in GBK are the usual cause")
	}
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		pos, message := position(err), strings.TrimPrefix(err.Error(), "toml: ")
		return nil, bad(pos, "text that is not TOML ("+clean(message)+")", "TOML 1.0", syntaxHint(text, pos.Line))
	}
	b := builder{text: text}
	b.root = &node{kind: kindTable, pos: Position{1, 1}, at: Position{1, 1}}
	b.parse()
	return b.root, nil
}

func position(err error) Position {
	var d *toml.DecodeError
	if !errors.As(err, &d) {
		return Position{1, 1}
	}
	line, col := d.Position()
	return Position{line, col}
}

func badUTF8(text []byte) (int, Position) {
	if utf8.Valid(text) {
		return -1, Position{}
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i, positionOf(text, i)
		}
		i += size
	}
	return -1, Position{}
}

// positionOf returns the place of the byte at offset.
func positionOf(text []byte, offset int) Position {
	before := text[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return Position{1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])}
}

// builder makes the tree of a text that go-toml has accepted.
type builder struct {
	text  []byte
	lines []int // offset of each line's first byte
	p     unstable.Parser
	root  *node
}

func (b *builder) parse() {
	b.lines = []int{0}
	for i, c := range b.text {
		if c == '\n' {
			b.lines = append(b.lines, i+1)
		}
	}
	b.p.Reset(b.text)
	table := b.root
	for b.p.NextExpression() {
		e := b.p.Expression()
		switch e.Kind {
		case unstable.Table:
			table = b.enter(b.root, e.Key(), false)
		case unstable.ArrayTable:
			table = b.enter(b.root, e.Key(), true)
		case unstable.KeyValue:
			b.keyValue(table, e)
		}
	}
}

// place is positionOf by binary search: a file has many keys.
func (b *builder) place(raw unstable.Range) Position {
	line, ok := slices.BinarySearch(b.lines, int(raw.Offset))
	if !ok {
		line--
	}
	return Position{line + 1, 1 + utf8.RuneCount(b.text[b.lines[line]:raw.Offset])}
}

// enter walks a header or dotted key from n and makes what is missing. With
// list, the last part is a new element of a list of tables.
func (b *builder) enter(n *node, key unstable.Iterator, list bool) *node {
	for key.Next() {
		part := key.Node()
		name, pos := string(part.Data), b.place(part.Raw)
		next := n.child(name)
		if next == nil {
			next = n.add(&node{kind: kindTable, key: name, pos: pos, at: pos})
			if list && key.IsLast() {
				next.kind = kindArray
			}
		}
		if next.kind == kindArray {
			if list && key.IsLast() {
				next.add(&node{kind: kindTable, pos: pos, at: pos})
			}
			if len(next.items) > 0 {
				next = next.items[len(next.items)-1]
			}
		}
		n = next
	}
	return n
}

func (b *builder) keyValue(table *node, e *unstable.Node) {
	n, key := table, e.Key()
	for key.Next() {
		part := key.Node()
		name, pos := string(part.Data), b.place(part.Raw)
		if key.IsLast() {
			v := &node{key: name, pos: pos, at: pos}
			n.add(v)
			b.value(v, e.Value())
			return
		}
		next := n.child(name)
		if next == nil {
			next = n.add(&node{kind: kindTable, key: name, pos: pos, at: pos})
		}
		n = next
	}
}

var kinds = map[unstable.Kind]kind{
	unstable.String: kindString, unstable.Integer: kindInt, unstable.Float: kindFloat, unstable.Bool: kindBool,
	unstable.LocalDate: kindTime, unstable.LocalTime: kindTime, unstable.LocalDateTime: kindTime, unstable.DateTime: kindTime,
}

func (b *builder) value(v *node, e *unstable.Node) {
	if e.Raw.Length > 0 {
		v.at = b.place(e.Raw)
	}
	switch e.Kind {
	case unstable.Array:
		v.kind = kindArray
		for it := e.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			item := v.add(&node{pos: v.at, at: v.at})
			b.value(item, it.Node())
			item.pos = item.at
		}
	case unstable.InlineTable:
		v.kind = kindTable
		for it := e.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				b.keyValue(v, it.Node())
			}
		}
	default:
		v.kind, v.text = kinds[e.Kind], string(e.Data)
	}
}
