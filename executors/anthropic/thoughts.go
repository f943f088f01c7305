package anthropic

import (
	"encoding/json"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"github.com/parley-run/parley/executors"
)

// maxState is the largest state that an executor may return.
const maxState = 4 << 10

// A state is the model's thinking in this turn before its tool calls. The API
// requires it, unchanged, with the results.
type state struct {
	Model  string  `json:"model"`
	Rounds []round `json:"rounds"`
}

// A round is the thinking before a message with tool calls, identified by the first
// call.
type round struct {
	Call     string    `json:"call"`
	Thoughts []thought `json:"thoughts"`
}

// A thought is signed or encrypted by the provider.
type thought struct {
	Text      string `json:"text,omitempty"`
	Signature string `json:"signature,omitempty"`
	Redacted  string `json:"redacted,omitempty"`
}

func (t thought) block() block {
	if t.Redacted != "" {
		return sdk.NewRedactedThinkingBlock(t.Redacted)
	}
	return sdk.NewThinkingBlock(t.Signature, t.Text)
}

// thoughts returns the kept rounds, by their first call.
func (e *Executor) thoughts(raw json.RawMessage) map[string][]thought {
	var s state
	if json.Unmarshal(raw, &s) != nil || s.Model != e.cfg.Model {
		return nil // another model rejects the signatures
	}
	out := make(map[string][]thought, len(s.Rounds))
	for _, r := range s.Rounds {
		out[r.Call] = r.Thoughts
	}
	return out
}

// keep returns the state after the result: the newest rounds of this turn that fit
// into maxState.
func (e *Executor) keep(before json.RawMessage, res executors.Result, a *answer) json.RawMessage {
	calls := res.Message.ToolCalls()
	if len(calls) == 0 {
		return nil
	}
	s := state{Model: e.cfg.Model}
	var old state
	if json.Unmarshal(before, &old) == nil && old.Model == s.Model {
		s.Rounds = old.Rounds
	}
	if thoughts := a.thoughts.complete(); len(thoughts) > 0 {
		s.Rounds = append(s.Rounds, round{Call: callID(calls[0].ID), Thoughts: thoughts})
	}
	for ; len(s.Rounds) > 0; s.Rounds = s.Rounds[1:] {
		if raw, err := json.Marshal(s); err == nil && len(raw) <= maxState {
			return raw
		}
	}
	return nil
}

// mustThink reports whether the settings make the API require the thinking before a
// tool call. Adaptive thinking does not.
func (e *Executor) mustThink() bool {
	t, _ := e.cfg.Extra["thinking"].(map[string]any)
	return t["type"] == "enabled"
}

// forgotten reports whether the conversation ends with tool calls whose thinking is
// not kept.
func forgotten(messages []sdk.MessageParam) bool {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role != sdk.MessageParamRoleAssistant {
			continue
		}
		blocks := messages[i].Content
		return blocks[len(blocks)-1].OfToolUse != nil && blocks[0].OfThinking == nil && blocks[0].OfRedactedThinking == nil
	}
	return false
}

// thinking collects the thoughts of an answer.
type thinking struct {
	list []*thought
	size int
	lost bool // not reusable: too long, or not all at the beginning
}

// begin adds a thought, to which later pieces may be added. Late means that text or
// a tool call came before it.
func (t *thinking) begin(first thought, late bool) *thought {
	next := &thought{}
	t.list = append(t.list, next)
	t.lost = t.lost || late
	t.add(next, first)
	return next
}

// add appends a piece.
func (t *thinking) add(to *thought, piece thought) {
	t.size += len(piece.Text) + len(piece.Signature) + len(piece.Redacted)
	if t.lost = t.lost || t.size > maxState; t.lost {
		t.list = nil
		return
	}
	to.Text += piece.Text
	to.Signature += piece.Signature
	to.Redacted += piece.Redacted
}

// complete returns all thoughts, or none if some are lost: the API requires them
// unchanged.
func (t *thinking) complete() []thought {
	var out []thought
	for _, one := range t.list {
		if t.lost || one.Signature == "" && one.Redacted == "" {
			return nil
		}
		out = append(out, *one)
	}
	return out
}
