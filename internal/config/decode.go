package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decoder fills the raw types from the tree and reports every key that is
// unknown, of the wrong type, out of range or none of its choices.
type decoder struct{ *report }

// keysOf lists the keys of a raw type in order.
func keysOf(t reflect.Type) []string {
	var list []string
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("toml"); k != "-" {
			list = append(list, k)
		}
	}
	return list
}

func fieldOf(v reflect.Value, key string) (reflect.Value, reflect.StructTag, bool) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Tag.Get("toml") == key && key != "-" {
			return v.Field(i), f.Tag, true
		}
	}
	return reflect.Value{}, "", false
}

// table fills v, a raw struct, from the table n.
func (d decoder) table(n *node, v reflect.Value) {
	v.FieldByName("At").Set(reflect.ValueOf(n))
	for _, c := range n.items {
		f, tag, ok := fieldOf(v, c.key)
		switch {
		case !ok:
			if !c.cut {
				d.unknown(c, keysOf(v.Type()))
			}
		case f.Kind() == reflect.Slice:
			d.tables(c, f)
		case isTable(f.Type()):
			d.subTable(c, f)
		default:
			d.leaf(c, f, tag)
		}
	}
}

// isTable tells a section from a val, which is a struct, too.
func isTable(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	_, ok := t.FieldByName("Bad")
	return !ok
}

func (d decoder) subTable(n *node, v reflect.Value) {
	switch {
	case n.cut:
	case n.kind == kindTable:
		d.table(n, v)
	case n.kind == kindArray && len(n.items) > 0 && n.items[0].kind == kindTable:
		d.bad(n, n.path(), "[["+n.path()+"]]", "one section ["+n.path()+"]", "write single brackets")
	default:
		d.bad(n, n.path(), n.shown(), "a section ["+n.path()+"]", "")
	}
}

// tables fills a list of raw structs. A single [uplink] is the common slip;
// ParseBoot takes it for [[uplink]] rather than lose the LAN.
func (d decoder) tables(n *node, list reflect.Value) {
	grow := func(at *node) {
		list.Grow(1)
		list.SetLen(list.Len() + 1)
		d.table(at, list.Index(list.Len()-1))
	}
	switch {
	case n.cut:
	case n.kind == kindTable:
		if !n.forgiven {
			d.slip(n, ScopeKey, "["+n.path()+"]", "[["+n.path()+"]]: there may be several", "write double brackets")
		}
		grow(n)
	case n.kind == kindArray:
		for _, e := range n.items {
			switch {
			case e.cut:
			case e.kind == kindTable:
				grow(e)
			default:
				d.bad(e, e.path(), e.shown(), "a section [["+n.path()+"]]", "")
			}
		}
	default:
		d.bad(n, n.path(), n.shown(), "sections [["+n.path()+"]]", "")
	}
}

// leaf fills a val.
func (d decoder) leaf(n *node, f reflect.Value, tag reflect.StructTag) {
	if n.cut {
		f.Addr().Interface().(interface{ spoil() }).spoil()
		return
	}
	ok := false
	n.secret = tag.Get("secret") != ""
	switch p := f.Addr().Interface().(type) {
	case *val[string]:
		if p.V, ok = d.text(n, tag); ok {
			p.At = n
		}
	case *val[bool]:
		if ok = n.kind == kindBool; ok {
			p.V, p.At = n.text == "true", n
		} else {
			d.bad(n, n.path(), n.shown(), "true or false", boolHint(n))
		}
	case *val[int64]:
		if p.V, ok = d.number(n, tag); ok {
			p.At = n
		}
	case *val[time.Duration]:
		if p.V, ok = d.duration(n, tag); ok {
			p.At = n
		}
	case *val[[]item]:
		if p.V, ok = d.list(n, tag); ok {
			p.At = n
		}
	case *val[ports]:
		if p.V, ok = d.ports(n); ok {
			p.At = n
		}
	default:
		panic("config: no decoder for the type of key " + n.path())
	}
	if !ok {
		f.Addr().Interface().(interface{ spoil() }).spoil()
	}
}

func boolHint(n *node) string {
	if n.kind == kindString && (n.text == "true" || n.text == "false") {
		return "without quotes"
	}
	return ""
}

func (d decoder) text(n *node, tag reflect.StructTag) (string, bool) {
	if n.kind != kindString {
		want := "text in quotes"
		if one := tag.Get("one"); one != "" {
			want = oneOf(strings.Fields(one))
		}
		return "", d.bad(n, n.path(), n.shown(), want, "")
	}
	return n.text, d.choice(n, tag)
}

func (d decoder) choice(n *node, tag reflect.StructTag) bool {
	one := strings.Fields(tag.Get("one"))
	if len(one) == 0 || slices.Contains(one, n.text) {
		return true
	}
	return d.bad(n, n.path(), n.shown(), oneOf(one), didYouMean(n.text, one))
}

func (d decoder) number(n *node, tag reflect.StructTag) (int64, bool) {
	var lo, hi int64
	want := "a whole number"
	if bounds := strings.Fields(tag.Get("range")); len(bounds) == 2 {
		lo, _ = strconv.ParseInt(bounds[0], 10, 64)
		hi, _ = strconv.ParseInt(bounds[1], 10, 64)
		want = fmt.Sprintf("%d to %d", lo, hi)
	}
	v, ok := n.number()
	if n.kind != kindInt || !ok {
		hint := ""
		if n.kind == kindString {
			hint = "without quotes"
		}
		return 0, d.bad(n, n.path(), n.shown(), want, hint)
	}
	if hi > 0 && (v < lo || v > hi) {
		return 0, d.bad(n, n.path(), n.shown(), want, "")
	}
	return v, true
}

func (d decoder) duration(n *node, tag reflect.StructTag) (time.Duration, bool) {
	bounds := strings.Fields(tag.Get("range"))
	want := fmt.Sprintf("a time from %q to %q", bounds[0], bounds[1])
	infinite := tag.Get("infinite") != ""
	if infinite {
		want += ` or "infinite"`
	}
	switch {
	case n.kind == kindInt:
		return 0, d.bad(n, n.path(), n.shown(), want, fmt.Sprintf("write the unit, in quotes: %q", n.text+"s"))
	case n.kind != kindString:
		return 0, d.bad(n, n.path(), n.shown(), want, "")
	case infinite && n.text == "infinite":
		return Infinite, true
	}
	v, ok := parseDuration(n.text)
	lo, _ := parseDuration(bounds[0])
	hi, _ := parseDuration(bounds[1])
	if !ok || v < lo || v > hi {
		hint := ""
		if !ok {
			hint = "a number and its unit (ms, s, m, h or d), such as " + quote(bounds[0])
		}
		return 0, d.bad(n, n.path(), n.shown(), want, hint)
	}
	return v, true
}

// parseDuration is time.ParseDuration with days, for leases: "30d".
func parseDuration(s string) (time.Duration, bool) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		v, err := time.ParseDuration(s)
		return v, err == nil
	}
	n, err := strconv.ParseUint(days, 10, 16)
	v := time.Duration(n) * 24 * time.Hour
	if err != nil || rest == "" {
		return v, err == nil
	}
	more, err := time.ParseDuration(rest)
	return v + more, err == nil && more >= 0 && more < 24*time.Hour
}

// list reads a list of texts, or a single text as a list of one.
func (d decoder) list(n *node, tag reflect.StructTag) ([]item, bool) {
	items := n.items
	if n.kind == kindString {
		items = []*node{n}
	} else if n.kind != kindArray {
		return nil, d.bad(n, n.path(), n.shown(), `a list such as ["a", "b"]`, "")
	}
	list := make([]item, 0, len(items))
	for _, e := range items {
		switch {
		case e.cut:
		case e.kind != kindString:
			d.bad(e, e.path(), e.shown(), "text in quotes", "")
		case d.choice(e, tag):
			list = append(list, item{e.text, e})
		}
	}
	return list, true
}

func (d decoder) ports(n *node) (ports, bool) {
	want := `a port from 1 to 65535 or a range such as "8000-8010"`
	if n.kind != kindInt && n.kind != kindString {
		return ports{}, d.bad(n, n.path(), n.shown(), want, "")
	}
	first, last, isRange := strings.Cut(n.text, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if errA != nil || errB != nil || a == 0 || b == 0 {
		return ports{}, d.bad(n, n.path(), n.shown(), want, "")
	}
	if a > b {
		return ports{}, d.bad(n, n.path(), n.shown(), "the lower port first", fmt.Sprintf("write %q", fmt.Sprintf("%d-%d", b, a)))
	}
	return ports{uint16(a), uint16(b)}, true
}
