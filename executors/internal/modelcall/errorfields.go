package modelcall

import (
	"cmp"
	"encoding/json"
)

// HasError reports whether an answer holds an error.
func HasError(raw string) bool {
	var probe struct {
		Error json.RawMessage `json:"error"`
	}
	return json.Unmarshal([]byte(raw), &probe) == nil && len(probe.Error) > 0 && string(probe.Error) != "null"
}

// ErrorFields returns the fields of an error's body, and its message. Vendors put them
// into an object called error; gateways put them at the top, or a string in place of
// the object. A body that is not a JSON object has no fields.
func ErrorFields(body []byte) (fields map[string]any, message string) {
	if json.Unmarshal(body, &fields) != nil {
		return nil, ""
	}
	switch inner := fields["error"].(type) {
	case map[string]any:
		fields = inner
	case string:
		message = inner
	}
	text := func(key string) string { s, _ := fields[key].(string); return s }
	return fields, cmp.Or(message, text("message"), text("detail"))
}
