package modelcall

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/printable"
)

const (
	// MaxArguments bounds the arguments of a tool call. Longer or invalid ones are
	// cut and kept as text, so that the model sees what it sent.
	MaxArguments = 256 << 10
	maxBroken    = 8 << 10
	// maxCalls bounds the calls of one answer: each becomes an activity.
	maxCalls = 128
	// callSize is counted for each call in addition to its texts.
	callSize = 64
)

// A Call is the part of a tool call received so far.
type Call struct {
	ID, Name  string
	arguments strings.Builder
	received  int  // bytes of arguments, also of those that are not kept
	cut       bool // the arguments are longer than MaxArguments
	// checked is the length of the arguments that valid is about.
	checked int
	valid   bool
}

// Write appends a piece of the arguments.
func (c *Call) Write(piece string) {
	c.received += len(piece)
	if free := MaxArguments - c.arguments.Len(); len(piece) > free {
		piece, c.cut = piece[:free], true
	}
	c.arguments.WriteString(piece)
}

// Empty reports whether no arguments have arrived.
func (c *Call) Empty() bool { return c.arguments.Len() == 0 }

// Whole reports whether the arguments are valid JSON, so that none are missing.
func (c *Call) Whole() bool {
	if n := c.arguments.Len(); n != c.checked {
		c.checked, c.valid = n, json.Valid([]byte(c.arguments.String()))
	}
	return c.valid && !c.cut
}

// json returns the arguments: the object that they are or can only mean, or else a JSON
// string of their beginning.
func (c *Call) json() json.RawMessage {
	raw := strings.TrimSpace(c.arguments.String())
	if mended, ok := Mend(raw); ok && !c.cut {
		return mended
	}
	var compact bytes.Buffer
	if !c.cut && json.Compact(&compact, []byte(raw)) == nil {
		return compact.Bytes()
	}
	if len(raw) > maxBroken {
		raw = strings.ToValidUTF8(raw[:maxBroken], "") + "…"
	}
	out, _ := json.Marshal(Valid(raw)) // cannot fail for a string
	return out
}

// Call adds a tool call to the answer.
func (a *Answer) Call(id, name string) *Call {
	c := &Call{ID: id, Name: name}
	a.Calls = append(a.Calls, c)
	return c
}

// Size returns how many bytes the answer has.
func (a *Answer) Size() int {
	n := a.Text.Len()
	for _, c := range a.Calls {
		n += callSize + len(c.ID) + len(c.Name) + c.received
	}
	return n
}

// toolCalls returns the calls as parts of a message. A call without an id, or with
// the id of another call, gets one derived from Key.
func (a *Answer) toolCalls() ([]conversation.Part, error) {
	if len(a.Calls) > maxCalls {
		return nil, fmt.Errorf("the answer calls tools %d times: %d are allowed", len(a.Calls), maxCalls)
	}
	var (
		parts []conversation.Part
		seen  = map[string]bool{}
	)
	for i, c := range a.Calls {
		if strings.TrimSpace(c.Name) == "" {
			return nil, errors.New("the answer calls a tool without a name")
		}
		call := &conversation.ToolCall{ID: Valid(c.ID), Name: printable.Name(a.offered(c.Name), printable.MaxName), Arguments: c.json()}
		if call.ID == "" || !printable.IsName(call.ID, printable.MaxName) || seen[call.ID] {
			call.ID = fmt.Sprintf("call_%.16s_%d", IdempotencyKey(a.Key), i+1)
		}
		seen[call.ID] = true
		parts = append(parts, conversation.Part{Type: conversation.PartToolCall, ToolCall: call})
	}
	return parts, nil
}

// offered returns the offered tool that a name means. Models put the namespace of their
// training in front of it ("functions.find", "default_api.find").
func (a *Answer) offered(name string) string {
	if a.Offered == nil || a.Offered(name) {
		return name
	}
	if i := strings.LastIndexAny(name, ".:/"); i >= 0 && a.Offered(name[i+1:]) {
		return name[i+1:]
	}
	return name
}

var notInToolName = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// maxToolName is the longest name of a tool that all vendors accept.
const maxToolName = 64

// ToolName returns the name of a called tool as APIs accept it: a model may have called one
// that does not exist, and the request that repeats its call must not be refused for that.
func ToolName(name string) string {
	name = notInToolName.ReplaceAllString(name, "_")
	return cmp.Or(name[:min(len(name), maxToolName)], "unknown")
}

// For sets what an answer has to know about its request.
func (a *Answer) For(req executors.Request) {
	a.Key = CallKey(req)
	a.Offered = func(name string) bool {
		return slices.ContainsFunc(req.Tools, func(t conversation.Tool) bool { return t.Name == name })
	}
}

// CallKey returns a value for [Answer.Key] that all attempts of a request share and
// no other request has.
func CallKey(req executors.Request) string {
	if req.IdempotencyKey != "" {
		return req.IdempotencyKey
	}
	return fmt.Sprintf("%s/%d/%d", req.Conversation, req.Turn, req.Round)
}

// Schema returns the JSON Schema of the tool's arguments. It is always an object
// schema.
func Schema(t conversation.Tool) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(t.Schema, &fields) != nil || fields == nil {
		fields = map[string]json.RawMessage{}
	}
	delete(fields, "$schema") // some servers reject it
	fields["type"] = json.RawMessage(`"object"`)
	out, _ := json.Marshal(fields) // cannot fail for valid JSON
	return out
}
