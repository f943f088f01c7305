package conversation

import "encoding/json"

// A Tool describes something that the model can call.
type Tool struct {
	// Name is what the model calls it by: letters, digits, "_" and "-", at most 64.
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Schema is the JSON Schema of the arguments, an object. Nil: it takes none.
	Schema json.RawMessage `json:"schema,omitempty"`
	// Repeatable means, as its source says, that a second call with the same arguments
	// does no harm.
	Repeatable bool `json:"-"`
	// Annotations are what else its source says of it. They are compared, and nothing else.
	Annotations string `json:"-"`
}

// ToolCalls are the calls the message asks for, in order.
func (m Message) ToolCalls() []ToolCall {
	var calls []ToolCall
	for _, p := range m.Parts {
		if p.Type == PartToolCall && p.ToolCall != nil {
			calls = append(calls, *p.ToolCall)
		}
	}
	return calls
}

// Internal reports whether the message is between the agent and its tools. The platform
// never receives it.
func (m Message) Internal() bool {
	return m.Role == RoleTool || len(m.ToolCalls()) > 0
}

// ToolResultMessage is the message that answers a tool call.
func ToolResultMessage(r ToolResult) Message {
	return Message{Role: RoleTool, Parts: []Part{{Type: PartToolResult, ToolResult: &r}}}
}
