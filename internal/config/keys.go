package config

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// Key describes one key of the file, as its raw type does.
type Key struct {
	Path     string   // "uplink.check.interval"
	Type     KeyType  // what may be written
	One      []string // choices, nil for any
	Min, Max string   // bounds as written in the file, "" for none
	Infinite bool     // a time may be "infinite"
	Required bool
}

// KeyType is what a key holds.
type KeyType string

// The types of keys.
const (
	TypeText     KeyType = "text"
	TypeBool     KeyType = "true or false"
	TypeNumber   KeyType = "number"
	TypeDuration KeyType = "time"
	TypeList     KeyType = "list of text"
	TypePorts    KeyType = "port or range"
	TypeSection  KeyType = "section"
	TypeSections KeyType = "sections" // [[…]]: any number
)

// Section returns the path of the section that k stands in, and its own name.
func (k Key) Section() (section, key string) {
	i := strings.LastIndexByte(k.Path, '.')
	return k.Path[:max(i, 0)], k.Path[i+1:]
}

// Keys lists every key and section of the file in order, a section before
// its keys.
func Keys() []Key { return slices.Clone(allKeys) }

// allKeys is made once: the raw types do not change.
var allKeys = keysIn(reflect.TypeFor[rawConfig](), "")

var keyTypes = map[reflect.Type]KeyType{
	reflect.TypeFor[val[string]]():        TypeText,
	reflect.TypeFor[val[bool]]():          TypeBool,
	reflect.TypeFor[val[int64]]():         TypeNumber,
	reflect.TypeFor[val[time.Duration]](): TypeDuration,
	reflect.TypeFor[val[[]item]]():        TypeList,
	reflect.TypeFor[val[ports]]():         TypePorts,
}

func keysIn(t reflect.Type, section string) []Key {
	var list []Key
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("toml")
		if name == "-" {
			continue
		}
		k := Key{Path: section + name, Required: f.Tag.Get("need") != "", Infinite: f.Tag.Get("infinite") != ""}
		switch inner := f.Type; {
		case inner.Kind() == reflect.Slice:
			k.Type = TypeSections
			list = append(append(list, k), keysIn(inner.Elem(), k.Path+".")...)
		case isTable(inner):
			k.Type = TypeSection
			list = append(append(list, k), keysIn(inner, k.Path+".")...)
		default:
			k.Type = keyTypes[inner]
			if one := f.Tag.Get("one"); one != "" {
				k.One = strings.Fields(one)
			}
			if r := strings.Fields(f.Tag.Get("range")); len(r) == 2 {
				k.Min, k.Max = r[0], r[1]
			}
			list = append(list, k)
		}
	}
	return list
}
