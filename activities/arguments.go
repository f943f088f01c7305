package activities

import (
	"bytes"
	"encoding/json"
)

// argumentsFault says what is wrong with the arguments of a call, for the model. Empty:
// they are a JSON object, or there are none. Executors pass on as a JSON text what a model
// wrote in place of an object.
func argumentsFault(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0, string(raw) == "null":
		return ""
	case !json.Valid(raw):
		return "the arguments are not valid JSON"
	case raw[0] == '{':
		return ""
	}
	const want = "; call the tool again with one JSON object that fits its schema"
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return "the arguments are not a JSON object" + want
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return "the arguments are not a JSON object: " + err.Error() + want
	}
	return ""
}
