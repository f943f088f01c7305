package anthropic

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

type block = sdk.ContentBlockParamUnion

// silence stands for the other side's turn where nothing came of it: what ends
// with the agent's own words is taken for the beginning of its answer.
const silence = "(no answer)"

// messages are the instructions and the conversation in the API's terms. System
// messages have no place among the others there. The conversation begins with
// the other side, if only with the opening, and ends with it.
func (e *Executor) messages(conv []conversation.Message, thoughts map[string][]thought) ([]sdk.TextBlockParam, []sdk.MessageParam) {
	var (
		system []sdk.TextBlockParam
		out    []sdk.MessageParam
	)
	if e.cfg.Instructions != "" {
		system = append(system, sdk.TextBlockParam{Text: e.cfg.Instructions})
	}
	kept := modelcall.Window(conv, e.cfg.MaxHistoryMessages)
	for _, m := range modelcall.Pair(kept, callID) {
		if m.Role == conversation.RoleSystem {
			if text := modelcall.Content(m); !blank(text) {
				system = append(system, sdk.TextBlockParam{Text: text})
			}
			continue
		}
		role, blocks := translate(m)
		if len(blocks) == 0 {
			continue
		}
		if len(out) == 0 && role == sdk.MessageParamRoleAssistant {
			out = append(out, sdk.NewUserMessage(sdk.NewTextBlock(e.cfg.Opening)))
		}
		// Turns alternate, and a tool's results are part of the other side's.
		if last := len(out) - 1; last >= 0 && out[last].Role == role {
			out[last].Content = append(out[last].Content, blocks...)
		} else {
			out = append(out, sdk.MessageParam{Role: role, Content: blocks})
		}
		if calls := m.ToolCalls(); len(calls) > 0 && role == sdk.MessageParamRoleAssistant {
			to := &out[len(out)-1]
			for i, t := range thoughts[calls[0].ID] {
				to.Content = slices.Insert(to.Content, i, t.block())
			}
		}
	}
	switch {
	case len(out) == 0:
		out = append(out, sdk.NewUserMessage(sdk.NewTextBlock(e.cfg.Opening)))
	case out[len(out)-1].Role == sdk.MessageParamRoleAssistant:
		out = append(out, sdk.NewUserMessage(sdk.NewTextBlock(silence)))
	}
	if *e.cfg.PromptCache {
		// A window that moves begins anew in every turn: nothing of it comes again.
		mark(system, out, len(kept) == len(conv))
	}
	return system, out
}

// mark has the provider cache the system prompt and, if it will come again, the
// conversation up to now. Prompts too short for the model's cache are not cached,
// which is no error.
func mark(system []sdk.TextBlockParam, messages []sdk.MessageParam, again bool) {
	if n := len(system); n > 0 {
		system[n-1].CacheControl = sdk.NewCacheControlEphemeralParam()
	}
	if !again {
		return
	}
	blocks := messages[len(messages)-1].Content
	if cc := blocks[len(blocks)-1].GetCacheControl(); cc != nil {
		*cc = sdk.NewCacheControlEphemeralParam()
	}
}

// translate turns one message into the blocks the API wants for it, a tool's
// results first. Blocks without text are not allowed there.
func translate(m conversation.Message) (sdk.MessageParamRole, []block) {
	var blocks []block
	for _, p := range m.Parts {
		if r := p.ToolResult; r != nil && m.Role != conversation.RoleAssistant {
			b := sdk.ToolResultBlockParam{ToolUseID: r.CallID, IsError: sdk.Bool(r.IsError)}
			text := modelcall.Valid(r.Content)
			if r.IsError && blank(text) {
				text = "it failed" // the API wants to know what is wrong
			}
			if !blank(text) {
				b.Content = []sdk.ToolResultBlockParamContentUnion{{OfText: &sdk.TextBlockParam{Text: text}}}
			}
			blocks = append(blocks, block{OfToolResult: &b})
		}
	}
	if text := modelcall.Content(m); !blank(text) {
		blocks = append(blocks, sdk.NewTextBlock(text))
	}
	if m.Role != conversation.RoleAssistant {
		return sdk.MessageParamRoleUser, blocks
	}
	for _, p := range m.Parts {
		if c := p.ToolCall; c != nil {
			blocks = append(blocks, sdk.NewToolUseBlock(c.ID, modelcall.Arguments(c), toolName(c.Name)))
		}
	}
	return sdk.MessageParamRoleAssistant, slices.Clip(blocks)
}

var notInCallID = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// callID is a tool call's id as the API takes it: another model's may hold
// other characters.
func callID(id string) string { return notInCallID.ReplaceAllString(id, "_") }

// toolName is the name of a tool that was called as the API takes it: models
// make some up.
func toolName(name string) string {
	name = notInCallID.ReplaceAllString(name, "_")
	return cmp.Or(name[:min(len(name), 64)], "unknown")
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
