package kernel

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// elementsPerMessage keeps one attribute below 64 KiB: a longer one wraps
// without an error and leaves most elements out.
const elementsPerMessage = 500

var typeIfNameMark = nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeMark)

// setDef is a set and its elements, ready to be queued.
type setDef struct {
	set      *nftables.Set
	elements []nftables.SetElement
}

// namedSet lowers a named set. Without the native key order nft lists every
// device name as "".
func namedSet(table *nftables.Table, s router.Set, id uint32) (setDef, error) {
	def := setDef{set: &nftables.Set{Table: table, Name: s.Name, ID: id, KeyByteOrder: binaryutil.NativeEndian}}
	switch s.Type {
	case router.TypeIfName:
		def.set.KeyType = nftables.TypeIFName
	case router.TypeIfNameMark:
		def.set.KeyType, def.set.Concatenation = typeIfNameMark, true
	default:
		return setDef{}, fmt.Errorf("set %s: type %q: not known", s.Name, s.Type)
	}
	var err error
	def.elements, err = elements(s.Type, s.Elements)
	if err != nil {
		return setDef{}, fmt.Errorf("set %s: %w", s.Name, err)
	}
	return def, nil
}

func elements(setType string, texts []string) ([]nftables.SetElement, error) {
	list := make([]nftables.SetElement, len(texts))
	for i, text := range texts {
		key, err := elementKey(setType, text)
		if err != nil {
			return nil, fmt.Errorf("element %s: %w", text, err)
		}
		list[i].Key = key
	}
	return list, nil
}

// elementKey reads what router.Set.Elements holds: `"wan1"` or, for marks,
// `"wan1" . 0x00000200`.
func elementKey(setType, text string) ([]byte, error) {
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return nil, fmt.Errorf("want a quoted device name: %w", err)
	}
	name, err := strconv.Unquote(quoted)
	if err != nil {
		return nil, err
	}
	key, err := ifName(name)
	if err != nil {
		return nil, err
	}
	rest := text[len(quoted):]
	if setType == router.TypeIfName {
		if rest != "" {
			return nil, fmt.Errorf("%q after the device name", rest)
		}
		return key, nil
	}
	mark, err := strconv.ParseUint(strings.TrimPrefix(rest, " . "), 0, 32)
	if err != nil || !strings.HasPrefix(rest, " . ") {
		return nil, fmt.Errorf("want a mark after the device name, not %q", rest)
	}
	return append(key, native32(uint32(mark))...), nil
}

// elementText is the inverse of elementKey; a key of another form is written
// in hexadecimal, which equals no element of a plan.
func elementText(key []byte) string {
	name := func(b []byte) string { return strconv.Quote(cString(b)) }
	switch len(key) {
	case unix.IFNAMSIZ:
		return name(key)
	case unix.IFNAMSIZ + 4:
		return fmt.Sprintf("%s . %#08x", name(key[:unix.IFNAMSIZ]), binary.NativeEndian.Uint32(key[unix.IFNAMSIZ:]))
	}
	return fmt.Sprintf("%x", key)
}

// anonymous adds a constant set of one-byte keys to the rule. It is queued
// before the rule. The identifier is ours: the library's counter is a global
// without a lock.
func (l *lowerer) anonymous(keyType nftables.SetDatatype, keys []byte) setDef {
	def := setDef{set: &nftables.Set{
		Table: l.table, Name: "__set%d", ID: l.newID(), Anonymous: true, Constant: true, KeyType: keyType,
	}}
	for _, k := range keys {
		def.elements = append(def.elements, nftables.SetElement{Key: []byte{k}})
	}
	l.anon = append(l.anon, def)
	return def
}

// ifName is a device name as the kernel compares it: 16 bytes, padded with
// zeros. Without the final zero it would match every name that begins so.
func ifName(name string) ([]byte, error) {
	if name == "" || len(name) >= unix.IFNAMSIZ || strings.IndexByte(name, 0) >= 0 {
		return nil, fmt.Errorf("device name %q: want 1 to %d bytes", name, unix.IFNAMSIZ-1)
	}
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b, nil
}

// cString is b up to its first zero byte.
func cString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}
