package config

import (
	"encoding"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decode fills the struct that into points to from a mapping, by the yaml tags
// of its fields. Unlike the YAML package it is strict, continues after a fault,
// says how to repair each, and takes no bare number for a duration. A
// field that is null or left out keeps its value. Keys in ignore are left alone.
func (d *document) decode(at string, node *yaml.Node, into any, what string, ignore ...string) {
	d.mapping(at, node, reflect.ValueOf(into).Elem(), what, ignore)
}

func (d *document) mapping(at string, node *yaml.Node, into reflect.Value, what string, ignore []string) {
	if node.Kind != yaml.MappingNode {
		d.fault(node, at, "is %s: it must be a mapping of settings", shape(node))
		return
	}
	fields := fieldsOf(into)
	for _, p := range d.pairs(at, node) {
		field, known := fields[p.name]
		switch {
		case known:
			d.value(join(at, p.name), p.value, field)
		case !slices.Contains(ignore, p.name):
			names := slices.Clone(ignore)
			for name := range fields {
				names = append(names, name)
			}
			slices.Sort(names)
			d.fault(p.key, join(at, p.name), "is no setting of %s: %s", what, suggest(p.name, names))
		}
	}
}

// fieldsOf lists a struct's fields by their keys, embedded structs included.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value)
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		name, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case !sf.IsExported() || name == "-":
		case options == "inline":
			for k, f := range fieldsOf(v.Field(i)) {
				fields[k] = f
			}
		case name == "":
			fields[strings.ToLower(sf.Name)] = v.Field(i)
		default:
			fields[name] = v.Field(i)
		}
	}
	return fields
}

var durationType = reflect.TypeFor[time.Duration]()

func (d *document) value(at string, node *yaml.Node, into reflect.Value) {
	node = deref(node)
	if isNull(node) {
		return
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		d.value(at, node, into.Elem())
		return
	}
	switch u := into.Addr().Interface().(type) {
	case yaml.Unmarshaler:
		if err := node.Decode(u); err != nil {
			d.unreadable(node, at, err)
		}
		return
	case encoding.TextUnmarshaler:
		if d.scalar(at, node, "text") {
			if err := u.UnmarshalText([]byte(node.Value)); err != nil {
				d.unreadable(node, at, err)
			}
		}
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		d.mapping(at, node, into, at, nil)
	case reflect.Map:
		d.mapOf(at, node, into)
	case reflect.Slice:
		d.list(at, node, into)
	case reflect.Interface:
		if err := node.Decode(into.Addr().Interface()); err != nil {
			d.unreadable(node, at, err)
		}
	default:
		d.plain(at, node, into)
	}
}

func (d *document) mapOf(at string, node *yaml.Node, into reflect.Value) {
	if node.Kind != yaml.MappingNode {
		d.fault(node, at, "is %s: it must be a mapping", shape(node))
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, p := range d.pairs(at, node) {
		elem := reflect.New(into.Type().Elem()).Elem()
		d.value(join(at, p.name), p.value, elem)
		into.SetMapIndex(reflect.ValueOf(p.name).Convert(into.Type().Key()), elem)
	}
}

func (d *document) list(at string, node *yaml.Node, into reflect.Value) {
	if node.Kind != yaml.SequenceNode {
		d.fault(node, at, "is %s: it must be a list, [a, b]", shape(node))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		d.value(at+"["+strconv.Itoa(i)+"]", item, into.Index(i))
	}
}

// plain decodes one scalar. Quotes do not matter: a value from the environment
// is text whatever it looks like.
func (d *document) plain(at string, node *yaml.Node, into reflect.Value) {
	switch kind := into.Kind(); {
	case into.Type() == durationType:
		if !d.scalar(at, node, "a duration such as 90s or 2m") {
			return
		}
		duration, err := time.ParseDuration(node.Value)
		if err != nil {
			d.fault(node, at, "is %q: write a duration with its unit, such as 500ms, 90s or 2m", node.Value)
			return
		}
		into.SetInt(int64(duration))
	case kind == reflect.String:
		if d.scalar(at, node, "text") {
			into.SetString(node.Value)
		}
	case kind == reflect.Bool:
		b, err := strconv.ParseBool(node.Value)
		if node.Kind != yaml.ScalarNode || err != nil {
			d.fault(node, at, "is %s: write true or false", shape(node))
			return
		}
		into.SetBool(b)
	case into.CanInt():
		n, err := strconv.ParseInt(node.Value, 10, into.Type().Bits())
		if node.Kind != yaml.ScalarNode || err != nil {
			d.fault(node, at, "is %s: write a whole number", shape(node))
			return
		}
		into.SetInt(n)
	case into.CanFloat():
		n, err := strconv.ParseFloat(node.Value, into.Type().Bits())
		if node.Kind != yaml.ScalarNode || err != nil {
			d.fault(node, at, "is %s: write a number", shape(node))
			return
		}
		into.SetFloat(n)
	default:
		d.fault(node, at, "cannot be set in a file")
	}
}

func (d *document) scalar(at string, node *yaml.Node, wanted string) bool {
	if node.Kind == yaml.ScalarNode {
		return true
	}
	d.fault(node, at, "is %s: it must be %s", shape(node), wanted)
	return false
}

// Suggest says in a fault which of the names may have been meant: the nearest, or
// all of them.
func Suggest(name string, names []string) string { return suggest(name, names) }

// longestName is that of names that are compared: no setting comes near it.
const longestName = 100

// suggest names the nearest of the names, or all of them.
func suggest(name string, names []string) string {
	best, least := "", max(2, len(name)/3)+1
	if len(name) > longestName {
		names, least = names[:0:0], 0
	}
	for _, candidate := range names {
		if n := distance(name, candidate); n < least {
			best, least = candidate, n
		}
	}
	switch {
	case best != "":
		return "did you mean " + best + "?"
	case len(names) == 0:
		return "take it out"
	default:
		return "there are " + strings.Join(names, ", ")
	}
}

// distance is how many letters must be changed, added or taken away to make b
// of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
