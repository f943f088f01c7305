package openai

import (
	"cmp"
	"encoding/json"

	sdk "github.com/openai/openai-go/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

type message = sdk.ChatCompletionMessageParamUnion

// messages returns the instructions and the conversation in the API's format. It is
// never empty: if the agent has the first turn, it holds the opening.
func (e *Executor) messages(req executors.Request) []message {
	kept, _ := modelcall.Window(req, e.cfg.MaxHistoryMessages)
	conv := conversation.Alternating(kept) // strict templates of compatible servers reject others
	out := make([]message, 0, len(conv)+2)
	if e.cfg.Instructions != "" {
		out = append(out, sdk.SystemMessage(e.cfg.Instructions))
	}
	opened, ids := false, map[string]string{}
	turn := modelcall.TurnStart(conv)
	for i, m := range conv {
		if m.Role == conversation.RoleAssistant && !opened {
			out = append(out, sdk.UserMessage(e.cfg.Opening))
		}
		opened = opened || m.Role != conversation.RoleSystem
		var kept state
		if i >= turn {
			kept = e.kept(m) // what belongs to earlier turns is not sent: some servers reject it
		}
		out = append(out, translate(m, kept, ids)...)
	}
	if !opened {
		out = append(out, sdk.UserMessage(e.cfg.Opening))
	}
	return out
}

// translate returns the API's messages for a message, with what the server needs back:
// each tool result is one of its own. Ids are the server's own ids of calls, where they
// differ.
func translate(m conversation.Message, kept state, ids map[string]string) []message {
	text := modelcall.Content(m)
	var out []message
	switch m.Role {
	case conversation.RoleSystem:
		if text != "" {
			out = append(out, sdk.SystemMessage(text))
		}
	case conversation.RoleAssistant:
		if a, ok := assistant(m, text, kept, ids); ok {
			out = append(out, a)
		}
	default:
		for _, p := range m.Parts {
			if p.ToolResult != nil {
				id := cmp.Or(ids[p.ToolResult.CallID], p.ToolResult.CallID)
				out = append(out, sdk.ToolMessage(modelcall.Valid(p.ToolResult.Content), id))
			}
		}
		if text != "" {
			out = append(out, sdk.UserMessage(text))
		}
	}
	return out
}

func assistant(m conversation.Message, said string, kept state, ids map[string]string) (message, bool) {
	var a sdk.ChatCompletionAssistantMessageParam
	if said != "" {
		a.Content.OfString = sdk.String(said)
	}
	a.SetExtraFields(extras(kept.Fields))
	for _, p := range m.Parts {
		if p.ToolCall == nil {
			continue
		}
		// Compatible servers accept objects only.
		arguments := string(modelcall.Arguments(p.ToolCall))
		call := &sdk.ChatCompletionMessageFunctionToolCallParam{
			ID:       p.ToolCall.ID,
			Function: sdk.ChatCompletionMessageFunctionToolCallFunctionParam{Name: modelcall.ToolName(p.ToolCall.Name), Arguments: arguments},
		}
		if i := len(a.ToolCalls); i < len(kept.Calls) {
			call.SetExtraFields(extras(kept.Calls[i]))
			if id := lenient.Word(kept.Calls[i]["id"]); id != "" {
				ids[p.ToolCall.ID] = id
			}
		}
		a.ToolCalls = append(a.ToolCalls, sdk.ChatCompletionMessageToolCallUnionParam{OfFunction: call})
	}
	return message{OfAssistant: &a}, said != "" || len(a.ToolCalls) > 0
}

func extras(fields map[string]json.RawMessage) map[string]any {
	out := make(map[string]any, len(fields))
	for name, value := range fields {
		out[name] = value
	}
	return out
}
