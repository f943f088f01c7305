package lenient

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Has reports whether a field is present and not null.
func (o Object) Has(name string) bool { return o.Get(name) != nil }

// Index returns a field that is an integer, also in quotes, and nil without one.
func (o Object) Index(name string) *int64 {
	n, err := strconv.ParseInt(strings.Trim(string(o.Get(name)), `"`), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// Word returns a JSON string, or a number as a string: some servers count where others
// name. Any other value is "".
func Word(raw json.RawMessage) string {
	var n json.Number
	if json.Unmarshal(raw, &n) == nil && n != "" {
		return n.String()
	}
	return Text(raw)
}

// Word returns a field that is a string or a number. See [Word].
func (o Object) Word(name string) string { return Word(o.Get(name)) }
