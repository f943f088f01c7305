package openai

import (
	sdk "github.com/openai/openai-go/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
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
	opened := false
	for _, m := range conv {
		if m.Role == conversation.RoleAssistant && !opened {
			out = append(out, sdk.UserMessage(e.cfg.Opening))
		}
		opened = opened || m.Role != conversation.RoleSystem
		out = append(out, translate(m)...)
	}
	if !opened {
		out = append(out, sdk.UserMessage(e.cfg.Opening))
	}
	return out
}

// translate returns the API's messages for a message: each tool result is one of
// its own.
func translate(m conversation.Message) []message {
	text := modelcall.Content(m)
	var out []message
	switch m.Role {
	case conversation.RoleSystem:
		if text != "" {
			out = append(out, sdk.SystemMessage(text))
		}
	case conversation.RoleAssistant:
		if a, ok := assistant(m, text); ok {
			out = append(out, a)
		}
	default:
		for _, p := range m.Parts {
			if p.ToolResult != nil {
				out = append(out, sdk.ToolMessage(modelcall.Valid(p.ToolResult.Content), p.ToolResult.CallID))
			}
		}
		if text != "" {
			out = append(out, sdk.UserMessage(text))
		}
	}
	return out
}

func assistant(m conversation.Message, text string) (message, bool) {
	var a sdk.ChatCompletionAssistantMessageParam
	if text != "" {
		a.Content.OfString = sdk.String(text)
	}
	for _, p := range m.Parts {
		if p.ToolCall == nil {
			continue
		}
		// Compatible servers accept objects only.
		arguments := string(modelcall.Arguments(p.ToolCall))
		a.ToolCalls = append(a.ToolCalls, sdk.ChatCompletionMessageToolCallUnionParam{
			OfFunction: &sdk.ChatCompletionMessageFunctionToolCallParam{
				ID:       p.ToolCall.ID,
				Function: sdk.ChatCompletionMessageFunctionToolCallFunctionParam{Name: p.ToolCall.Name, Arguments: arguments},
			},
		})
	}
	return message{OfAssistant: &a}, text != "" || len(a.ToolCalls) > 0
}
