package openai

import (
	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

type inputItem = responses.ResponseInputItemUnionParam

// conversationItems returns the items of a conversation that the provider does not
// have. It is never empty: if the agent has the first turn, it holds the opening.
func (e *Executor) conversationItems(conv []conversation.Message) []inputItem {
	out := make([]inputItem, 0, len(conv)+1)
	opening := inputMessage(e.cfg.Opening, responses.EasyInputMessageRoleUser)
	opened := false
	turn := modelcall.TurnStart(conv)
	for i, m := range conv {
		if m.Role == conversation.RoleAssistant && !opened {
			out = append(out, opening)
		}
		opened = opened || m.Role != conversation.RoleSystem
		var kept state
		if i >= turn {
			kept = e.kept(m)
		}
		out = append(out, messageItems(m, kept)...)
	}
	if !opened {
		out = append(out, opening)
	}
	return out
}

// items returns messages in the API's format: tool calls and results are items of
// their own.
func items(messages []conversation.Message) []inputItem {
	var out []inputItem
	for _, m := range messages {
		out = append(out, messageItems(m, state{})...)
	}
	return out
}

// messageItems returns a message in the API's format, with the items of reasoning that
// came before its calls.
func messageItems(m conversation.Message, kept state) []inputItem {
	var out []inputItem
	role := responses.EasyInputMessageRoleUser
	switch m.Role {
	case conversation.RoleSystem:
		role = responses.EasyInputMessageRoleSystem
	case conversation.RoleAssistant:
		role = responses.EasyInputMessageRoleAssistant
	}
	for _, p := range m.Parts {
		if r := p.ToolResult; r != nil && m.Role != conversation.RoleAssistant {
			item := responses.ResponseInputItemParamOfFunctionCallOutput(modelcall.Valid(r.Content))
			item.OfFunctionCallOutput.CallID = sdk.String(r.CallID)
			out = append(out, item)
		}
	}
	reason := func(before int) {
		for len(kept.Items) > 0 && kept.Items[0].Before <= before {
			out = append(out, param.Override[inputItem](kept.Items[0].Item))
			kept.Items = kept.Items[1:]
		}
	}
	reason(0)
	if text := modelcall.Content(m); text != "" {
		out = append(out, inputMessage(text, role))
	}
	for i, c := range m.ToolCalls() {
		if m.Role == conversation.RoleAssistant {
			reason(i)
			out = append(out, responses.ResponseInputItemParamOfFunctionCall(string(modelcall.Arguments(&c)), c.ID, modelcall.ToolName(c.Name)))
		}
	}
	return out
}

func inputMessage(text string, role responses.EasyInputMessageRole) inputItem {
	return responses.ResponseInputItemParamOfMessage(text, role)
}

func responseTools(tools []conversation.Tool) ([]responses.ToolUnionParam, error) {
	var out []responses.ToolUnionParam
	for _, t := range tools {
		schema, err := parameters(t)
		if err != nil {
			return nil, err
		}
		// The API treats schemas as strict by default, and rejects most.
		f := responses.FunctionToolParam{Name: t.Name, Parameters: schema, Strict: sdk.Bool(false)}
		if t.Description != "" {
			f.Description = sdk.String(modelcall.Valid(t.Description))
		}
		out = append(out, responses.ToolUnionParam{OfFunction: &f})
	}
	return out, nil
}
