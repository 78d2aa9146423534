package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"luatnetd/internal/config"
)

type object = map[string]any

const durationPattern = `^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$`

// schemaOf is docs/config.schema.json: types, bounds and choices. What needs
// a look at several keys is left to luatnetd check.
func schemaOf(keys []config.Key, docs map[string]keyDoc) (string, error) {
	root := newObject()
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "luatnetd configuration"
	at := map[string]object{"": root}
	for _, k := range keys {
		dir, name := k.Section()
		parent, d := at[dir], docs[k.Path]
		s := property(k)
		s["description"] = strings.TrimSpace(d.Text + " " + d.Required)
		if v, ok := defaultValue(k, d); ok {
			s["default"] = v
		}
		parent["properties"].(object)[name] = s
		if k.Required {
			list, _ := parent["required"].([]string)
			parent["required"] = append(list, name)
		}
		switch k.Type {
		case config.TypeSection:
			at[k.Path] = s
		case config.TypeSections:
			at[k.Path] = s["items"].(object)
		}
	}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write the schema: %w", err)
	}
	return string(text) + "\n", nil
}

func newObject() object {
	return object{"type": "object", "additionalProperties": false, "properties": object{}}
}

// property is the schema of one key without words.
func property(k config.Key) object {
	switch k.Type {
	case config.TypeSection:
		return newObject()
	case config.TypeSections:
		return object{"type": "array", "items": newObject()}
	case config.TypeBool:
		return object{"type": "boolean"}
	case config.TypeNumber:
		s := object{"type": "integer"}
		if k.Min != "" {
			s["minimum"], s["maximum"] = json.Number(k.Min), json.Number(k.Max)
		}
		return s
	case config.TypeDuration:
		s := object{"type": "string", "pattern": durationPattern}
		if k.Infinite {
			return object{"anyOf": []object{s, {"const": "infinite"}}}
		}
		return s
	case config.TypePorts:
		return object{"anyOf": []object{
			{"type": "integer", "minimum": 1, "maximum": 65535},
			{"type": "string", "pattern": `^[0-9]{1,5}(\s*-\s*[0-9]{1,5})?$`},
		}}
	case config.TypeList:
		item := text(k)
		return object{"anyOf": []object{{"type": "array", "items": item}, item}}
	}
	return text(k)
}

func text(k config.Key) object {
	s := object{"type": "string"}
	if k.One != nil {
		s["enum"] = k.One
	}
	return s
}

// defaultValue is the default as JSON, where the documentation begins with a
// literal.
func defaultValue(k config.Key, d keyDoc) (any, bool) {
	switch {
	case d.Default == "" || strings.HasPrefix(d.Default, "none"):
		return nil, false
	case k.Type == config.TypeNumber:
		v, err := strconv.ParseInt(d.Default, 0, 64)
		return v, err == nil
	case k.Type == config.TypeBool:
		return strings.HasPrefix(d.Default, "true"), true
	case strings.HasPrefix(d.Default, "["):
		var v []string
		err := json.NewDecoder(strings.NewReader(d.Default)).Decode(&v)
		return v, err == nil
	}
	var v string
	err := json.NewDecoder(strings.NewReader(d.Default)).Decode(&v)
	return v, err == nil
}
