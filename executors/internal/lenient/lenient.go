// Package lenient reads the JSON of servers that follow a vendor's API loosely: fields
// of another type, null in place of a value, one value in place of a list, numbers in
// quotes. Values stay raw until they are needed, so that numbers keep their digits.
package lenient

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// An Object holds the fields of a JSON object. A field that cannot be read as
// requested counts as missing.
type Object map[string]json.RawMessage

// Read reads an object. Any other value has no fields.
func Read(raw json.RawMessage) Object {
	var o Object
	_ = json.Unmarshal(raw, &o)
	return o
}

// Get returns the first of the named fields that is present and not null, or nil.
func (o Object) Get(names ...string) json.RawMessage {
	for _, name := range names {
		if raw := bytes.TrimSpace(o[name]); len(raw) > 0 && string(raw) != "null" {
			return raw
		}
	}
	return nil
}

// Object returns a field that is an object.
func (o Object) Object(names ...string) Object { return Read(o.Get(names...)) }

// Text returns a field that is a string.
func (o Object) Text(names ...string) string { return Text(o.Get(names...)) }

// Text returns a JSON string, or "" for any other value.
func Text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

// List returns the elements of a field. A value that is no list counts as its only
// element.
func (o Object) List(names ...string) []json.RawMessage { return List(o.Get(names...)) }

// List returns the elements of a JSON array. Any other value but null counts as the
// only element.
func List(raw json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if raw = bytes.TrimSpace(raw); json.Unmarshal(raw, &list) == nil || len(raw) == 0 {
		return list
	}
	return []json.RawMessage{raw}
}

// Count returns a field that is a number, also in quotes. It is never negative.
func (o Object) Count(names ...string) int64 {
	raw := strings.Trim(string(o.Get(names...)), `"`)
	f, err := strconv.ParseFloat(raw, 64)
	switch {
	case err != nil || math.IsNaN(f) || f < 0:
		return 0
	case f > maxCount:
		return maxCount
	}
	return int64(f)
}

// maxCount bounds counts, so that sums do not overflow.
const maxCount = 1 << 40

// True reports whether a field says yes: any value but false, 0, "" and null.
func (o Object) True(names ...string) bool {
	switch strings.ToLower(strings.Trim(string(o.Get(names...)), `"`)) {
	case "", "false", "0":
		return false
	}
	return true
}
