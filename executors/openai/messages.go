package openai

import (
	"strings"

	sdk "github.com/openai/openai-go/v3"

	"github.com/parley-run/parley/conversation"
)

type message = sdk.ChatCompletionMessageParamUnion

// messages are the instructions and the conversation in the API's terms. Never
// empty: where the agent speaks first, the opening asks it to.
func (e *Executor) messages(conv []conversation.Message) []message {
	conv = window(conv, e.cfg.MaxHistoryMessages)
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

// translate turns one message into those the API wants for it: tool results are
// messages of their own there.
func translate(m conversation.Message) []message {
	text := content(m)
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
				out = append(out, sdk.ToolMessage(p.ToolResult.Content, p.ToolResult.CallID))
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
		arguments := string(p.ToolCall.Arguments)
		if arguments == "" {
			arguments = "{}"
		}
		a.ToolCalls = append(a.ToolCalls, sdk.ChatCompletionMessageToolCallUnionParam{
			OfFunction: &sdk.ChatCompletionMessageFunctionToolCallParam{
				ID:       p.ToolCall.ID,
				Function: sdk.ChatCompletionMessageFunctionToolCallFunctionParam{Name: p.ToolCall.Name, Arguments: arguments},
			},
		})
	}
	return message{OfAssistant: &a}, text != "" || len(a.ToolCalls) > 0
}

// content is the message's text, with structured data as JSON.
func content(m conversation.Message) string {
	var texts []string
	for _, p := range m.Parts {
		switch {
		case p.Type == conversation.PartText && p.Text != "":
			texts = append(texts, p.Text)
		case p.Type == conversation.PartData && len(p.Data) > 0:
			texts = append(texts, string(p.Data))
		}
	}
	return strings.ToValidUTF8(strings.Join(texts, "\n\n"), "\uFFFD")
}

// window is the first message and the newest, together at most n; with n = 0,
// all. A tool's results never come without the call they answer: the API
// rejects that.
func window(conv []conversation.Message, n int) []conversation.Message {
	if n <= 0 || len(conv) <= n {
		return conv
	}
	newest := conv[len(conv)-max(n-1, 1):]
	for len(newest) > 1 && newest[0].Role == conversation.RoleTool {
		newest = newest[1:]
	}
	if n == 1 {
		return newest
	}
	return append([]conversation.Message{conv[0]}, newest...)
}
