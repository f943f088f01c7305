package modelcall

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/printable"
)

const (
	// MaxArguments bounds the arguments of a tool call. What is longer, or no JSON,
	// is kept only in part: enough for the model to see what it did.
	MaxArguments = 256 << 10
	maxBroken    = 8 << 10
	// maxCalls bounds the calls of one answer: each becomes work of its own.
	maxCalls = 128
	// callSize is counted for a call beside its texts.
	callSize = 16
)

// A Call is a tool call as far as it has come.
type Call struct {
	ID, Name  string
	arguments strings.Builder
	cut       bool // not all arguments are kept
}

// Write adds a piece of the arguments.
func (c *Call) Write(piece string) {
	if room := MaxArguments - c.arguments.Len(); len(piece) > room {
		piece, c.cut = piece[:room], true
	}
	c.arguments.WriteString(piece)
}

// Empty reports whether no arguments have come.
func (c *Call) Empty() bool { return c.arguments.Len() == 0 }

// json is the arguments as they were if that is JSON, and otherwise a JSON
// string with their beginning.
func (c *Call) json() json.RawMessage {
	raw := strings.TrimSpace(c.arguments.String())
	var compact bytes.Buffer
	switch {
	case raw == "":
		return json.RawMessage("{}")
	case !c.cut && json.Compact(&compact, []byte(raw)) == nil:
		return compact.Bytes()
	}
	if len(raw) > maxBroken {
		raw = strings.ToValidUTF8(raw[:maxBroken], "") + "…"
	}
	out, _ := json.Marshal(Valid(raw)) // a string: it cannot fail
	return out
}

// Call adds a tool call to the answer.
func (a *Answer) Call(id, name string) *Call {
	c := &Call{ID: id, Name: name}
	a.Calls = append(a.Calls, c)
	return c
}

// Size is what of the answer is kept, in bytes.
func (a *Answer) Size() int {
	n := a.Text.Len()
	for _, c := range a.Calls {
		n += callSize + len(c.ID) + len(c.Name) + c.arguments.Len()
	}
	return n
}

// IgnoreCalls is for answers that call tools although none were offered.
func (a *Answer) IgnoreCalls() {
	a.Calls = nil
	if a.Finish == executors.FinishToolCall {
		a.Finish = executors.FinishStop
	}
}

// toolCalls are the calls as parts of a message. A call without an id, or with
// one that another has, gets one made from the answer's key.
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
		id := Valid(c.ID)
		if id == "" || !printable.IsName(id, printable.MaxName) || seen[id] {
			id = fmt.Sprintf("call_%.16s_%d", IdempotencyKey(a.Key), i+1)
		}
		seen[id] = true
		parts = append(parts, conversation.Part{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{
			ID: id, Name: printable.Name(c.Name, printable.MaxName), Arguments: c.json(),
		}})
	}
	return parts, nil
}

// CallKey is a key for [Answer] that all attempts of a request share and no
// other request has.
func CallKey(req executors.Request) string {
	if req.IdempotencyKey != "" {
		return req.IdempotencyKey
	}
	return fmt.Sprintf("%s/%d/%d", req.Conversation, req.Turn, req.Round)
}

// Schema is the JSON Schema of the tool's arguments, an object's in any case.
func Schema(t conversation.Tool) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(t.Schema, &fields) != nil || fields == nil {
		fields = map[string]json.RawMessage{}
	}
	delete(fields, "$schema") // some servers take it for a fault
	fields["type"] = json.RawMessage(`"object"`)
	out, _ := json.Marshal(fields) // valid JSON: it cannot fail
	return out
}
