package modelcall

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// Content returns the text of a message, with structured data as JSON.
func Content(m conversation.Message) string {
	var texts []string
	for _, p := range m.Parts {
		switch {
		case p.Type == conversation.PartText && p.Text != "":
			texts = append(texts, p.Text)
		case p.Type == conversation.PartData && len(p.Data) > 0:
			texts = append(texts, string(p.Data))
		}
	}
	return Valid(strings.Join(texts, "\n\n"))
}

// Valid replaces invalid UTF-8.
func Valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Arguments returns the arguments of a tool call as the JSON object that APIs
// require: any other value becomes its only field.
func Arguments(c *conversation.ToolCall) json.RawMessage {
	raw := bytes.TrimSpace(c.Arguments)
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return json.RawMessage("{}")
	case json.Valid(raw) && raw[0] == '{':
		return raw
	}
	var v any = Valid(string(raw))
	if json.Valid(raw) {
		v = json.RawMessage(raw)
	}
	out, _ := json.Marshal(map[string]any{"arguments": v}) // cannot fail for a string or valid JSON
	return out
}

// Window returns the part of a conversation that a request has: see
// [conversation.Bounds]. n is the executor's max_history_messages; 0 means all.
// whole means that nothing was left out.
func Window(req executors.Request, n int) (kept []conversation.Message, whole bool) {
	w := conversation.Bounds{Messages: n, Marker: req.OmittedText}.Window(req.Messages)
	return w.Messages, w.Whole
}

// noResult is the content of the result of a call without one.
const noResult = "no result"

// Pair moves tool results directly behind the message with the calls, in one
// message and in the order of the calls: the APIs reject any other order. A call
// without a result gets one that states so; results without a call are dropped. Ids
// pass through clean and are made unique. The given messages are not changed.
func Pair(conv []conversation.Message, clean func(string) string) []conversation.Message {
	var (
		out  = make([]conversation.Message, 0, len(conv))
		open = map[string][]*conversation.ToolResult{} // results that are still missing, by the id of their call
		used = map[string]bool{}
	)
	for _, m := range conv {
		parts, calls, changed := make([]conversation.Part, 0, len(m.Parts)), []*conversation.ToolCall(nil), false
		for _, p := range m.Parts {
			switch {
			case p.ToolCall != nil && m.Role == conversation.RoleAssistant:
				c := *p.ToolCall
				calls, p.ToolCall = append(calls, &c), &c
				parts = append(parts, p)
			case p.ToolResult != nil && m.Role != conversation.RoleAssistant:
				changed = true
				id := p.ToolResult.CallID
				if waiting := open[id]; len(waiting) > 0 {
					to := waiting[0].CallID
					*waiting[0] = *p.ToolResult
					waiting[0].CallID = to
					open[id] = waiting[1:]
				}
			default:
				parts = append(parts, p)
			}
		}
		if changed && len(parts) == 0 {
			continue
		}
		m.Parts = parts
		out = append(out, m)
		if len(calls) == 0 {
			continue
		}
		for _, c := range calls {
			delete(open, c.ID) // a later call reuses the id: the earlier one gets no result
		}
		results := conversation.Message{Role: conversation.RoleTool}
		for _, c := range calls {
			id := c.ID
			c.ID = unique(clean(id), used)
			r := &conversation.ToolResult{CallID: c.ID, Content: noResult, IsError: true}
			open[id] = append(open[id], r)
			results.Parts = append(results.Parts, conversation.Part{Type: conversation.PartToolResult, ToolResult: r})
		}
		out = append(out, results)
	}
	return out
}

func unique(id string, used map[string]bool) string {
	if id == "" {
		id = "call"
	}
	name := id
	for n := 2; used[name]; n++ {
		name = fmt.Sprintf("%s_%d", id, n)
	}
	used[name] = true
	return name
}
