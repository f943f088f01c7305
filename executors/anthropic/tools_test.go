package anthropic_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

// A piece of a block: its beginning, or a delta.
type fields = map[string]any

func toolUse(id, name, input string) fields {
	return fields{"type": "tool_use", "id": id, "name": name, "input": json.RawMessage(input)}
}

func text(s string) fields { return fields{"type": "text", "text": s} }

func thought(s, signature string) fields {
	return fields{"type": "thinking", "thinking": s, "signature": signature}
}

// answerWith gives the blocks as the real API does, in pieces of three bytes if
// asked to stream.
func answerWith(w http.ResponseWriter, c call, stop string, blocks ...fields) {
	if !c.Body.Stream {
		var m fields
		_ = json.Unmarshal([]byte(message("", stop)), &m)
		m["content"] = blocks
		modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(m))
		return
	}
	events := []string{start}
	for i, b := range blocks {
		events = append(events, event("content_block_start", fields{"index": i, "content_block": empty(b)}))
		add := func(kind, field, s string) {
			for len(s) > 0 {
				n := min(3, len(s))
				events = append(events, event("content_block_delta", fields{"index": i, "delta": fields{"type": kind, field: s[:n]}}))
				s = s[n:]
			}
		}
		switch b["type"] {
		case "text":
			add("text_delta", "text", b["text"].(string)) //nolint:forcetypeassert // as made above
		case "thinking":
			add("thinking_delta", "thinking", b["thinking"].(string))    //nolint:forcetypeassert // as made above
			add("signature_delta", "signature", b["signature"].(string)) //nolint:forcetypeassert // as made above
		case "tool_use":
			if raw := string(b["input"].(json.RawMessage)); raw != "{}" { //nolint:forcetypeassert // as made above
				add("input_json_delta", "partial_json", raw)
			}
		}
		events = append(events, event("content_block_stop", fields{"index": i}))
	}
	modeltest.WriteEvents(w, append(events, messageDelta(stop), messageStop)...)
}

// empty is a block as its stream begins.
func empty(b fields) fields {
	switch b["type"] {
	case "text":
		return text("")
	case "thinking":
		return thought("", "")
	case "tool_use":
		out := toolUse("", b["name"].(string), "{}") //nolint:forcetypeassert // as made above
		out["id"] = b["id"]
		return out
	}
	return b
}

var weather = conversation.Tool{
	Name: "weather", Description: "The weather.",
	Schema: json.RawMessage(`{"$schema":"x","properties":{"z":{"type":"string"},"a":{"type":"number"}},"required":["z"]}`),
}

func TestToolCalls(t *testing.T) {
	t.Parallel()
	part, words := modeltest.Call, modeltest.TextPart("Let me see.")
	type parts = []conversation.Part
	for name, c := range map[string]struct {
		blocks []fields
		stop   string
		want   parts
		kind   conversation.Kind
		text   string
	}{
		"One":          {[]fields{toolUse("t1", "weather", `{"z": "Ulm"}`)}, "tool_use", parts{part("t1", "weather", `{"z":"Ulm"}`)}, "", ""},
		"Namespace":    {[]fields{toolUse("t1", "tools/weather", `{}`)}, "tool_use", parts{part("t1", "weather", `{}`)}, "", ""},
		"NoArguments":  {[]fields{toolUse("t1", "weather", `{}`)}, "tool_use", parts{part("t1", "weather", `{}`)}, "", ""},
		"TextBeside":   {[]fields{text("Let me see."), toolUse("t1", "weather", `{}`)}, "tool_use", parts{words, part("t1", "weather", `{}`)}, "", ""},
		"BlankBeside":  {[]fields{text("\n"), toolUse("t1", "weather", `{}`)}, "tool_use", parts{part("t1", "weather", `{}`)}, "", ""},
		"Parallel":     {[]fields{text("Let me see."), toolUse("t1", "weather", `{"z":"ü"}`), toolUse("t2", "weather", `{"z":"b"}`)}, "tool_use", parts{words, part("t1", "weather", `{"z":"ü"}`), part("t2", "weather", `{"z":"b"}`)}, "", ""},
		"OddStop":      {[]fields{toolUse("t1", "weather", `{}`)}, "end_turn", parts{part("t1", "weather", `{}`)}, "", ""},
		"Thought":      {[]fields{thought("hm", ""), toolUse("t1", "weather", `{}`)}, "tool_use", parts{part("t1", "weather", `{}`)}, "", ""},
		"CutOff":       {[]fields{text("Let me see."), toolUse("t1", "weather", `{}`)}, "max_tokens", nil, conversation.Invalid, "while calling tools (raise max_output_tokens"},
		"NoTokensLeft": {[]fields{toolUse("t1", "weather", `{}`)}, "model_context_window_exceeded", nil, conversation.ContextTooLong, "no tokens for an answer"},
		"Nameless":     {[]fields{toolUse("t1", "", `{}`)}, "tool_use", nil, conversation.Unavailable, "without a name"},
		"TooManyBytes": {[]fields{toolUse("t1", "weather", `{"z":"`+strings.Repeat("x", 5000)+`"}`)}, "tool_use", nil, conversation.Invalid, "larger than allowed"},
		"OtherTools":   {[]fields{{"type": "server_tool_use", "id": "s", "name": "web_search", "input": json.RawMessage(`{}`)}}, "end_turn", nil, conversation.Unavailable, "the answer is empty"},
	} {
		for mode, change := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, got call) {
					answerWith(w, got, c.stop, c.blocks...)
				}), func(cfg *anthropic.Config) {
					cfg.MaxReplyBytes = 4000
					if change != nil {
						change(cfg)
					}
				})
				res, err := e.Execute(t.Context(), modeltest.Offering("Hi", weather))
				if c.kind != "" {
					require.True(t, conversation.IsKind(err, c.kind), "%v", err)
					require.ErrorContains(t, err, c.text)
					return
				}
				require.NoError(t, err)
				require.Equal(t, executors.FinishToolCall, res.FinishReason)
				require.Equal(t, conversation.RoleAssistant, res.Message.Role)
				require.Equal(t, c.want, res.Message.Parts)
				require.Equal(t, known, res.Usage)
				require.Nil(t, res.State)
			})
		}
	}
}

// A compatible server may send anything as arguments.
func TestBrokenArguments(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ fragments, want string }{
		"NoJSON":     {`{"z": "U`, `"{\"z\": \"U"`},
		"NoObject":   {`[1]`, `[1]`},
		"Far":        {`{"z": "` + strings.Repeat("ü", 200<<10) + `"}`, `"{\"z\": \"` + strings.Repeat("ü", 4092) + `…"`},
		"AtTheStart": {"", `{"z":"early"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := "{}"
			if c.fragments == "" {
				first = c.want
			}
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ call) {
				modeltest.WriteEvents(w, start,
					event("content_block_start", fields{"index": 0, "content_block": toolUse("t1", "weather", first)}),
					event("content_block_delta", fields{"index": 0, "delta": fields{"type": "input_json_delta", "partial_json": c.fragments}}),
					blockStop, messageDelta("tool_use"), messageStop)
			}), nil)
			res, err := e.Execute(t.Context(), modeltest.Offering("Hi", weather))
			require.NoError(t, err)
			require.Len(t, res.Message.ToolCalls(), 1)
			require.True(t, json.Valid(res.Message.ToolCalls()[0].Arguments))
			require.JSONEq(t, c.want, string(res.Message.ToolCalls()[0].Arguments))
		})
	}
}

func TestToolRounds(t *testing.T) {
	t.Parallel()
	for name, change := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := make(chan call, 1)
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
				calls <- c
				if len(c.Body.Messages) == 1 {
					answerWith(w, c, "tool_use", text("Let me see."), toolUse("t1", "weather", `{"z":"Ulm"}`), toolUse("t2", "weather", `{"z":"Bonn"}`))
					return
				}
				speak(w, c, "It rains.")
			}), func(cfg *anthropic.Config) {
				cfg.Instructions = "Be kind."
				cfg.Extra = map[string]any{"tool_choice": map[string]any{"type": "auto", "disable_parallel_tool_use": true}}
				if change != nil {
					change(cfg)
				}
			})
			other := conversation.Tool{Name: "other"}
			req := modeltest.Offering("Hi", weather, other)
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			first := <-calls
			require.Len(t, first.Body.Tools, 2)
			require.Equal(t, "The weather.", first.Body.Tools[0].Description)
			require.JSONEq(t, `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"number"}},"required":["z"]}`, string(first.Body.Tools[0].InputSchema))
			require.JSONEq(t, `{"type":"object"}`, string(first.Body.Tools[1].InputSchema))
			require.Nil(t, first.Body.Tools[0].CacheControl)
			require.Equal(t, "ephemeral", first.Body.Tools[1].CacheControl["type"])
			require.Equal(t, "auto", first.Body.ToolChoice["type"])

			req = modeltest.Called(req, res, conversation.ToolResult{CallID: "t2", Content: "sun"}, conversation.ToolResult{CallID: "t1", IsError: true})
			res, err = e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, "It rains.", res.Message.Text())
			require.Equal(t, executors.FinishStop, res.FinishReason)
			want := []string{
				"system: Be kind. *", "user: Hi", "assistant: Let me see.", `assistant: call t1 weather{"z":"Ulm"}`, `assistant: call t2 weather{"z":"Bonn"}`,
				"user: result t1 it failed (error)", "user: result t2 sun *",
			}
			require.Equal(t, want, (<-calls).lines())

			// Nothing is offered any more, but the API wants the tools of the past.
			req.Tools = nil
			_, err = e.Execute(t.Context(), req)
			require.NoError(t, err)
			last := <-calls
			require.Equal(t, want, last.lines())
			require.Len(t, last.Body.Tools, 1)
			require.Equal(t, "weather", last.Body.Tools[0].Name)
			require.Equal(t, map[string]any{"type": "none"}, last.Body.ToolChoice)

			_, err = e.Execute(t.Context(), modeltest.Offering("Hi"))
			require.NoError(t, err, "no choice without tools")
			require.Nil(t, (<-calls).Body.ToolChoice)
		})
	}
}

func TestCallsThatNobodyOffered(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
		answerWith(w, c, "tool_use", text("Well."), toolUse("t1", "weather", `{}`))
	}), nil)
	res, err := e.Execute(t.Context(), modeltest.Offering("Hi"))
	require.NoError(t, err)
	require.Equal(t, conversation.Text(conversation.RoleAssistant, "Well."), res.Message)
	require.Equal(t, executors.FinishStop, res.FinishReason)
}

// The API requires the thoughts before a call together with the call's results. If they
// are lost, the request turns thinking off.
func TestThoughts(t *testing.T) {
	t.Parallel()
	redacted := fields{"type": "redacted_thinking", "data": "xyz"}
	use := toolUse("t1", "weather", `{}`)
	for name, c := range map[string]struct {
		blocks []fields
		want   []string // of the message with the call
	}{
		"Kept":        {[]fields{thought("hm, so", "sig1"), use}, []string{"thought hm, so sig1", "call t1 weather{}"}},
		"Redacted":    {[]fields{thought("", "sig1"), redacted, text("Well"), use}, []string{"thought  sig1", "redacted xyz", "Well", "call t1 weather{}"}},
		"TooLong":     {[]fields{thought(strings.Repeat("hm ", 50_000), "sig1"), use}, []string{"call t1 weather{}"}},
		"Unsigned":    {[]fields{thought("hm", ""), use}, []string{"thought hm ", "call t1 weather{}"}},
		"Interleaved": {[]fields{thought("hm", "s"), text("Well"), thought("so", "t"), use}, []string{"thought hm s", "Well", "thought so t", "call t1 weather{}"}},
		"NotFirst":    {[]fields{text("Well"), thought("hm", "s"), use}, []string{"Well", "thought hm s", "call t1 weather{}"}},
		"None":        {[]fields{use}, []string{"call t1 weather{}"}},
	} {
		for mode, change := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				calls := make(chan call, 1)
				e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, got call) {
					calls <- got
					if len(got.Body.Messages) == 1 {
						answerWith(w, got, "tool_use", c.blocks...)
						return
					}
					speak(w, got, "It rains.")
				}), func(cfg *anthropic.Config) {
					cfg.Extra = map[string]any{"thinking": map[string]any{"type": "enabled", "budget_tokens": 1024}}
					if change != nil {
						change(cfg)
					}
				})
				req := modeltest.Offering("Hi", weather)
				res, err := e.Execute(t.Context(), req)
				require.NoError(t, err)
				require.Nil(t, res.State)
				require.Equal(t, "enabled", (<-calls).Body.Thinking["type"])
				req = modeltest.Called(req, res, conversation.ToolResult{CallID: "t1", Content: "rain"})
				res, err = e.Execute(t.Context(), req)
				require.NoError(t, err)
				require.Nil(t, res.Message.State, "the turn is over")
				got := <-calls
				want := []string{"user: Hi"}
				for _, line := range c.want {
					want = append(want, "assistant: "+line)
				}
				require.Equal(t, append(want, "user: result t1 rain *"), got.lines())
				first := c.want[0]
				require.Equal(t, strings.HasPrefix(first, "thought") || strings.HasPrefix(first, "redacted"), got.Body.Thinking != nil)
			})
		}
	}
}
