package modelcall

import (
	"cmp"
	"encoding/json"
)

// HasError reports whether what should be an answer holds an error instead.
func HasError(raw string) bool {
	var probe struct {
		Error json.RawMessage `json:"error"`
	}
	return json.Unmarshal([]byte(raw), &probe) == nil && len(probe.Error) > 0 && string(probe.Error) != "null"
}

// ErrorFields are those of an error's body, and its message: in an object called
// error, as vendors have them, or, as gateways do, at the top or with a text in
// place of the object. What is not a JSON object has none.
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
