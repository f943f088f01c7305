package conversation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Run says which agent a task runs, and how. Its fields are those of a payload of
// RunAgent Pulse.
type Run struct {
	AgentID    string          `json:"agent_id,omitempty"`
	Entrypoint string          `json:"entrypoint_tag,omitempty"`
	Args       []any           `json:"args,omitempty"`
	Params     json.RawMessage `json:"params,omitempty"` // a JSON object
	UserID     string          `json:"user_id,omitempty"`
	// PersistentMemory keeps the agent's memory of UserID.
	PersistentMemory bool `json:"persistent_memory,omitempty"`
	// Executor is "serverless", "local" or another name. Empty or "auto" is the first
	// available.
	Executor string `json:"executor_type,omitempty"`
	// Local sends a serverless run to an agent on this machine too.
	Local *bool  `json:"local,omitempty"`
	Host  string `json:"agent_host,omitempty"`
	Port  int    `json:"agent_port,omitempty"`
	// TimeoutSeconds bounds the run. Zero: none is given.
	TimeoutSeconds int `json:"timeout_seconds,omitempty"`
}

// Run reads the payload. The metadata supplies the executor, the flag and the address of
// a local agent where the payload has none. Each field is read by itself: the error, of
// kind Invalid, names every field of a wrong type, the type it has and the one it needs.
// Unmistakable values of another type are accepted: a whole number as an id, "8450" as a
// number, "true" as a flag.
func (t Task) Run() (Run, error) {
	var run Run
	fields, err := payloadFields(t.Payload)
	if err == nil {
		err = errors.Join(
			readText(fields, "agent_id", &run.AgentID),
			readText(fields, "entrypoint_tag", &run.Entrypoint),
			readList(fields, "args", &run.Args),
			readText(fields, "user_id", &run.UserID),
			readFlag(fields, "persistent_memory", func(v bool) { run.PersistentMemory = v }),
			readText(fields, "executor_type", &run.Executor),
			readFlag(fields, "local", func(v bool) { run.Local = &v }),
			readText(fields, "agent_host", &run.Host),
			readNumber(fields, "agent_port", &run.Port),
			readNumber(fields, "timeout_seconds", &run.TimeoutSeconds),
		)
	}
	if err != nil {
		return Run{}, &Error{
			Kind: Invalid, Op: "payload of the task", Err: errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")),
			Remedy: "schedule the task again with a corrected payload",
		}
	}
	if given(fields["params"]) {
		run.Params = fields["params"]
	}
	// Metadata may also hold keys of other programs: each key is read by itself, and one
	// of another type is ignored.
	var more map[string]json.RawMessage
	_ = json.Unmarshal(t.Metadata, &more)
	if run.Executor == "" {
		_ = json.Unmarshal(more["executor_type"], &run.Executor)
	}
	var local *bool
	if run.Local == nil && json.Unmarshal(more["local"], &local) == nil {
		run.Local = local
	}
	if run.Host == "" {
		_ = json.Unmarshal(more["agent_host"], &run.Host)
	}
	if run.Port == 0 {
		_ = json.Unmarshal(more["agent_port"], &run.Port)
	}
	return run, nil
}

// payloadFields are the fields of a payload; an empty payload has none.
func payloadFields(payload json.RawMessage) (map[string]json.RawMessage, error) {
	if !given(payload) {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(payload, &fields) != nil {
		return nil, fmt.Errorf("it is %s; it must be a JSON object", shapeOf(payload))
	}
	return fields, nil
}

func given(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && string(raw) != "null"
}

// readText reads a string, or a whole number as its digits.
func readText(fields map[string]json.RawMessage, name string, into *string) error {
	raw := fields[name]
	if !given(raw) || json.Unmarshal(raw, into) == nil {
		return nil
	}
	if digits := string(bytes.TrimSpace(raw)); wholeNumber(digits) {
		*into = digits
		return nil
	}
	return wrongType(name, raw, "a string")
}

func wholeNumber(text string) bool {
	return strings.Trim(text, "0123456789") == "" && text != "" && len(text) <= 20
}

// readNumber reads a whole number, with or without quotation marks.
func readNumber(fields map[string]json.RawMessage, name string, into *int) error {
	raw := fields[name]
	if !given(raw) {
		return nil
	}
	text := string(bytes.TrimSpace(raw))
	var quoted string
	if json.Unmarshal(raw, &quoted) == nil {
		text = strings.TrimSpace(quoted)
	}
	number, err := strconv.ParseFloat(text, 64)
	const most = 1 << 53 // above it, a float64 skips whole numbers
	if err != nil || number != float64(int64(number)) || number < -most || number > most {
		return wrongType(name, raw, "a whole number")
	}
	*into = int(number)
	return nil
}

// readFlag reads true or false, with or without quotation marks.
func readFlag(fields map[string]json.RawMessage, name string, set func(bool)) error {
	raw := fields[name]
	if !given(raw) {
		return nil
	}
	switch strings.ToLower(strings.Trim(string(bytes.TrimSpace(raw)), `"`)) {
	case "true":
		set(true)
	case "false":
		set(false)
	default:
		return wrongType(name, raw, "true or false")
	}
	return nil
}

func readList(fields map[string]json.RawMessage, name string, into *[]any) error {
	raw := fields[name]
	if !given(raw) || json.Unmarshal(raw, into) == nil {
		return nil
	}
	return wrongType(name, raw, "a list")
}

func wrongType(name string, raw json.RawMessage, right string) error {
	return fmt.Errorf("%s is %s; it must be %s", name, shapeOf(raw), right)
}

// shapeOf names the type of a JSON value. Errors must not repeat the value itself.
func shapeOf(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return "empty"
	case raw[0] == '{':
		return "an object"
	case raw[0] == '[':
		return "a list"
	case raw[0] == '"':
		return "a string"
	case raw[0] == 't', raw[0] == 'f':
		return "true or false"
	case raw[0] == 'n':
		return "null"
	case !json.Valid(raw):
		return "no JSON"
	case bytes.ContainsAny(raw, ".eE"):
		return "a number with a fraction"
	}
	return "a number"
}
