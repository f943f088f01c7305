package anthropic

import (
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
// user, if only with the opening, and ends with the user. Forgotten reports that it ends
// with tool calls whose thoughts are not recorded.
func (e *Executor) messages(req executors.Request) (system []sdk.TextBlockParam, out []sdk.MessageParam, forgotten bool) {
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
		role, blocks, thoughts := e.translate(m)
		if len(blocks) == 0 {
			continue
		}
		if role == sdk.MessageParamRoleAssistant {
			forgotten = len(m.ToolCalls()) > 0 && !thoughts
		}
		if len(out) == 0 && role == sdk.MessageParamRoleAssistant {
			out = append(out, sdk.NewUserMessage(sdk.NewTextBlock(e.cfg.Opening)))
		}
		// Roles must alternate; tool results are part of the user's message.
		switch last := len(out) - 1; {
		case last < 0 || out[last].Role != role:
			out = append(out, sdk.MessageParam{Role: role, Content: blocks})
		case thoughts: // the API requires them at the beginning
			out[last].Content = append(blocks, out[last].Content...)
		default:
			out[last].Content = append(out[last].Content, blocks...)
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
	return system, out, forgotten
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
// rejects blocks without text. Thoughts reports that the blocks begin with some.
func (e *Executor) translate(m conversation.Message) (role sdk.MessageParamRole, blocks []block, thoughts bool) {
	if m.Role == conversation.RoleAssistant {
		if blocks, thoughts = e.recorded(m); blocks != nil {
			return sdk.MessageParamRoleAssistant, blocks, thoughts
		}
	}
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
		return sdk.MessageParamRoleUser, blocks, false
	}
	for _, p := range m.Parts {
		if c := p.ToolCall; c != nil {
			blocks = append(blocks, callBlock(c))
		}
	}
	return sdk.MessageParamRoleAssistant, slices.Clip(blocks), false
}

var notInCallID = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// callID returns a tool call's id in characters that the API accepts: another
// model's id may hold others.
func callID(id string) string { return notInCallID.ReplaceAllString(id, "_") }

func blank(s string) bool { return strings.TrimSpace(s) == "" }
