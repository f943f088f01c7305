package anthropic

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

type block = sdk.ContentBlockParamUnion

// silence is sent for a user's turn without content: the API continues a
// conversation that ends with an assistant message.
const silence = "(no answer)"

// messages returns the instructions and the conversation in the API's format.
// System messages become part of the instructions. The conversation begins with the
// user, if only with the opening, and ends with the user.
func (e *Executor) messages(req executors.Request, thoughts map[string][]thought) ([]sdk.TextBlockParam, []sdk.MessageParam) {
	var (
		system []sdk.TextBlockParam
		out    []sdk.MessageParam
	)
	if e.cfg.Instructions != "" {
		system = append(system, sdk.TextBlockParam{Text: e.cfg.Instructions})
	}
	kept, whole := modelcall.Window(req, e.cfg.MaxHistoryMessages)
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
		// Roles must alternate; tool results are part of the user's message.
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
		// A moving window begins differently in every turn: caching it is useless.
		mark(system, out, whole)
	}
	return system, out
}

// mark requests caching of the system prompt and, if the next request repeats it,
// of the conversation. The API ignores it for prompts below the model's minimum.
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

// translate returns the API's blocks for a message, tool results first. The API
// rejects blocks without text.
func translate(m conversation.Message) (sdk.MessageParamRole, []block) {
	var blocks []block
	for _, p := range m.Parts {
		if r := p.ToolResult; r != nil && m.Role != conversation.RoleAssistant {
			b := sdk.ToolResultBlockParam{ToolUseID: r.CallID, IsError: sdk.Bool(r.IsError)}
			text := modelcall.Valid(r.Content)
			if r.IsError && blank(text) {
				text = "it failed" // the API requires a text for an error
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

// callID returns a tool call's id in characters that the API accepts: another
// model's id may hold others.
func callID(id string) string { return notInCallID.ReplaceAllString(id, "_") }

// toolName returns the name of a called tool in characters that the API accepts: a
// model may invent names.
func toolName(name string) string {
	name = notInCallID.ReplaceAllString(name, "_")
	return cmp.Or(name[:min(len(name), 64)], "unknown")
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
