package runagent

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// A value is an agent's answer: any JSON.
type value struct{ raw json.RawMessage }

var null = json.RawMessage("null")

// text returns the value if it is a string.
func (v value) text() (string, bool) {
	var s string
	if len(v.raw) == 0 || v.raw[0] != '"' || json.Unmarshal(v.raw, &s) != nil {
		return "", false
	}
	return s, true
}

func (v value) isNull() bool { return len(v.raw) == 0 || string(v.raw) == "null" }

func textValue(s string) value {
	raw, _ := json.Marshal(s) // cannot fail for a string
	return value{raw}
}

// An envelope wraps answers to runs, and errors.
type envelope struct {
	Success *bool           `json:"success"`
	Data    json.RawMessage `json:"data"`
	Payload json.RawMessage `json:"payload"`
	Output  json.RawMessage `json:"output_data"`
	Detail  json.RawMessage `json:"detail"`
	Error   json.RawMessage `json:"error"`
	Message json.RawMessage `json:"message"`
}

// readAnswer returns the value from any of the formats of RunAgent's servers, old
// and new. A failed run is a [*reported].
func readAnswer(data []byte) (value, error) {
	if !utf8.Valid(data) {
		return value{}, modelcall.ErrInvalidUTF8
	}
	data = bytes.TrimSpace(data)
	if !json.Valid(data) {
		if len(data) > 0 && data[0] == '{' { // an incomplete object
			return value{}, modelcall.ErrCutOff
		}
		return textValue(string(data)), nil
	}
	if data[0] != '{' {
		return unwrap(data), nil
	}
	var e envelope
	if json.Unmarshal(data, &e) != nil { // a field of another type: it is not an envelope
		return value{compact(data)}, nil
	}
	if e.Success != nil && !*e.Success || e.Success == nil && present(e.Error) && !present(e.Data) {
		return value{}, e.reported()
	}
	switch {
	case present(e.Data):
		return fromData(e.Data), nil
	case present(e.Payload):
		return fromEither(data, e.Payload), nil
	case present(e.Output):
		return unwrap(e.Output), nil
	case e.Success == nil && e.Data == nil:
		return value{compact(data)}, nil // not an envelope
	}
	return value{null}, nil
}

// fromEither reads a body with a payload: the structured form, or an envelope that
// contains it.
func fromEither(body, payload json.RawMessage) value {
	if v, ok := structured(body); ok {
		return v
	}
	return unwrap(payload)
}

// fromData reads the envelope's data.
func fromData(data json.RawMessage) value {
	if data[0] != '{' {
		return unwrap(data)
	}
	if v, ok := structured(data); ok {
		return v
	}
	var fields struct {
		Result struct {
			Data json.RawMessage `json:"data"`
		} `json:"result_data"`
	}
	if json.Unmarshal(data, &fields) == nil && fields.Result.Data != nil {
		return unwrap(fields.Result.Data)
	}
	var either map[string]json.RawMessage
	_ = json.Unmarshal(data, &either) // cannot fail for an object
	for _, name := range []string{"data", "content", "payload"} {
		if raw, ok := either[name]; ok {
			return unwrap(raw)
		}
	}
	return value{compact(data)}
}

// unwrap reads a value that may be a string in the structured form.
func unwrap(raw json.RawMessage) value {
	v := value{compact(raw)}
	text, ok := v.text()
	if !ok {
		return v
	}
	if inner, ok := structured([]byte(text)); ok {
		return inner
	}
	return v
}

// types are the type names of the structured form.
var types = map[string]bool{
	"string": true, "integer": true, "number": true, "boolean": true, "array": true, "object": true, "null": true,
}

// structured reads {"type": …, "payload": "<JSON>"}. A payload that is not JSON is
// the value itself, as a string.
func structured(data []byte) (value, bool) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] != '{' {
		return value{}, false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil || len(fields) != 2 || fields["payload"] == nil {
		return value{}, false
	}
	var kind string
	if json.Unmarshal(fields["type"], &kind) != nil || !types[kind] {
		return value{}, false
	}
	payload := value{compact(fields["payload"])}
	text, ok := payload.text()
	switch {
	case !ok:
		return payload, true
	case json.Valid([]byte(text)):
		return value{compact([]byte(text))}, true
	case kind == "null":
		return value{null}, true
	}
	return payload, true
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// compact returns the JSON without white space. Numbers keep their digits.
func compact(raw []byte) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return null
	}
	return b.Bytes()
}
