package anthropic

import (
	"encoding/json"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// A record is the content of a message with tool calls as the model wrote it. The API
// requires the thoughts in it, unchanged and in their places, with the results.
type record struct {
	// Blocks are in the API's form. A block of type tool_use stands for the message's
	// next call.
	Blocks []json.RawMessage `json:"blocks"`
}

// state returns the record of an answer, or nil if the message says it all.
func (e *Executor) state(s *blocks) *conversation.ProviderState {
	if s.lost() {
		return nil
	}
	var (
		r     record
		needs bool
	)
	for _, b := range s.all {
		raw := e.back(b)
		if raw == nil {
			continue
		}
		needs = needs || b.kind != textBlock && b.kind != toolUse
		r.Blocks = append(r.Blocks, raw)
	}
	data, err := json.Marshal(r)
	if err != nil || !needs || len(data) > conversation.MaxProviderState {
		return nil
	}
	return &conversation.ProviderState{Model: e.cfg.Model, Data: data}
}

// back returns a block as it is sent back, or nil if it is not: the API rejects blocks
// without text, and the vendor's own API rejects thoughts without a signature.
func (e *Executor) back(b *contentBlock) json.RawMessage {
	out := map[string]any{}
	for name, value := range b.fields {
		out[name] = value
	}
	out["type"] = b.kind
	switch b.kind {
	case "":
		return nil
	case toolUse:
		out = map[string]any{"type": toolUse}
	case textBlock:
		if blank(b.text.String()) {
			return nil
		}
		out = map[string]any{"type": textBlock, "text": modelcall.Valid(b.text.String())}
	case thinkingBlock:
		out["thinking"] = b.text.String()
		if b.signature.Len() > 0 {
			out["signature"] = b.signature.String()
		} else if e.cfg.official() {
			return nil
		}
	default:
		if b.input.Len() > 0 {
			out["input"] = json.RawMessage(b.input.String())
		}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return nil // the arguments of a server's tool are broken
	}
	return raw
}

// recorded returns the blocks of a message with tool calls as the model wrote them, and
// whether they begin with thoughts. It returns none if there is no record for this model.
func (e *Executor) recorded(m conversation.Message) (out []block, thoughts bool) {
	if m.State == nil || m.State.Model != e.cfg.Model {
		return nil, false // another model rejects the signatures
	}
	var r record
	if json.Unmarshal(m.State.Data, &r) != nil {
		return nil, false
	}
	calls := m.ToolCalls()
	for _, raw := range r.Blocks {
		kind := lenient.Read(raw).Text("type")
		if len(out) == 0 {
			thoughts = kind == thinkingBlock || kind == redactedBlock
		}
		if kind != toolUse {
			out = append(out, param.Override[block](raw))
			continue
		}
		if len(calls) == 0 {
			return nil, false
		}
		out = append(out, callBlock(&calls[0]))
		calls = calls[1:]
	}
	if len(calls) > 0 {
		return nil, false
	}
	return out, thoughts
}

func callBlock(c *conversation.ToolCall) block {
	return sdk.NewToolUseBlock(c.ID, modelcall.Arguments(c), modelcall.ToolName(c.Name))
}

// mustThink reports whether the settings make the API require the thinking before a
// tool call. Adaptive thinking does not.
func (e *Executor) mustThink() bool {
	t, _ := e.cfg.Extra["thinking"].(map[string]any)
	return t["type"] == "enabled"
}
