package openai

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// An object is a JSON object. Compatible servers send other types than the vendor does, or
// null: what cannot be used counts as missing.
type object map[string]json.RawMessage

func parseObject(raw []byte) object {
	var o object
	_ = json.Unmarshal(raw, &o) // no object has no fields
	return o
}

// has reports whether there is a value other than null.
func (o object) has(key string) bool {
	return len(o[key]) > 0 && string(bytes.TrimSpace(o[key])) != "null"
}

// text returns a string, or a number as a string.
func (o object) text(key string) string { return text(o[key]) }

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// count returns a number from 0.
func (o object) count(key string) int64 {
	n, err := strconv.ParseFloat(o.text(key), 64)
	if err != nil || n != n || n < 0 || n > 1<<53 {
		return 0
	}
	return int64(n)
}

// index returns a position, and nil without one.
func (o object) index(key string) *int64 {
	n, err := strconv.ParseInt(o.text(key), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

func (o object) object(key string) object { return parseObject(o[key]) }

// list returns the elements of a list; another value is its only element.
func (o object) list(key string) []json.RawMessage {
	if !o.has(key) {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(o[key], &list) == nil {
		return list
	}
	return []json.RawMessage{o[key]}
}
