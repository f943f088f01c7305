package openai_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/openai"
)

var findOrder = conversation.Tool{
	Name: "find_order", Description: "Finds an order.",
	Schema: json.RawMessage(`{"type":"object","properties":{"order":{"type":"integer","maximum":12345678901234567890}},"required":["order"]}`),
}

func toolRequest(text string) executors.Request {
	req := executortest.Request("tools", text)
	req.Tools = []conversation.Tool{findOrder, {Name: "today"}}
	return req
}

// fragment is a piece of a call in a stream.
func fragment(index int, id, name, arguments string) string {
	function := map[string]any{"arguments": arguments}
	if name != "" {
		function["name"] = name
	}
	call := map[string]any{"index": index, "function": function}
	if id != "" {
		call["id"], call["type"] = id, "function"
	}
	return chunk(map[string]any{"tool_calls": []any{call}}, "")
}

// calling is a whole answer with calls: id, name and arguments of each.
func calling(text, finish string, calls ...[3]string) string {
	var out []any
	for _, c := range calls {
		out = append(out, map[string]any{"id": c[0], "type": "function", "function": map[string]any{"name": c[1], "arguments": c[2]}})
	}
	return modeltest.JSON(map[string]any{
		"id": "c1", "model": "test-1-0601", "usage": json.RawMessage(usageJSON),
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": finish,
			"message": map[string]any{"role": "assistant", "content": text, "tool_calls": out},
		}},
	})
}

func toolCalls(m conversation.Message) []string {
	var out []string
	for _, c := range m.ToolCalls() {
		out = append(out, fmt.Sprintf("%s %s %s", c.ID, c.Name, c.Arguments))
	}
	return out
}

func TestToolCalls(t *testing.T) {
	t.Parallel()
	stop := chunk(map[string]any{}, "tool_calls")
	for name, c := range map[string]struct {
		events []string // streamed, or
		whole  string
		text   string
		want   []string // nil: an error
		kind   conversation.Kind
		fault  string
	}{
		"Whole": {whole: calling("", "tool_calls", [3]string{"t1", "find_order", `{"order":1}`}), want: []string{`t1 find_order {"order":1}`}},
		"WholeParallelWithText": {
			whole: calling("I look.", "tool_calls", [3]string{"t1", "find_order", `{"order":1}`}, [3]string{"t2", "today", ""}),
			text:  "I look.", want: []string{`t1 find_order {"order":1}`, "t2 today {}"},
		},
		"WholeFinishStop":   {whole: calling("", "stop", [3]string{"t1", "today", "{}"}), want: []string{"t1 today {}"}},
		"WholeMalformed":    {whole: calling("", "tool_calls", [3]string{"t1", "today", `{"a": `}), want: []string{`t1 today "{\"a\":"`}},
		"WholeNamespace":    {whole: calling("", "tool_calls", [3]string{"t1", "functions.today", "{}"}, [3]string{"t2", "functions.tomorrow", "{}"}), want: []string{"t1 today {}", "t2 functions.tomorrow {}"}},
		"WholeNoIDs":        {whole: calling("", "tool_calls", [3]string{"", "today", ""}, [3]string{"", "today", ""}), want: []string{"made", "up"}},
		"WholeNameless":     {whole: calling("", "tool_calls", [3]string{"t1", "", "{}"}), kind: conversation.Unavailable, fault: "without a name"},
		"WholeCutOff":       {whole: calling("", "length", [3]string{"t1", "today", `{"a`}), kind: conversation.Invalid, fault: "raise max_output_tokens"},
		"WholeCutOffEarly":  {whole: calling("", "length", [3]string{"t1", "today", ""}), kind: conversation.Invalid, fault: "raise max_output_tokens"},
		"WholeSpoofed":      {whole: calling("", "tool_calls", [3]string{"t\n1", "to\nday", "{}"}), want: []string{"call_58c4f0ec74f1ceda_1 to day {}"}},
		"WholeAtTheLimit":   {whole: calling("", "length", [3]string{"t1", "today", `{}`}), want: []string{"t1 today {}"}},
		"WholeFiltered":     {whole: calling("", "content_filter", [3]string{"t1", "today", `{}`}), kind: conversation.Refused, fault: "content filter"},
		"WholeTooLarge":     {whole: calling("", "tool_calls", [3]string{"t1", "today", `"` + strings.Repeat("x", 1<<20) + `"`}), kind: conversation.Invalid, fault: "larger than allowed"},
		"WholeTooMany":      {whole: calling("", "tool_calls", make([][3]string, 20_000)...), kind: conversation.Invalid, fault: "larger than allowed"},
		"Fragments":         {events: []string{fragment(0, "t1", "find_order", ""), fragment(0, "", "", `{"ord`), fragment(0, "", "", `er":1}`), stop, usageChunk, "[DONE]"}, want: []string{`t1 find_order {"order":1}`}},
		"FragmentsInTurns":  {events: []string{fragment(0, "t1", "find_order", ""), fragment(1, "t2", "find_order", ""), fragment(0, "", "", `{"order":1}`), fragment(1, "", "", `{"order":2}`), stop}, want: []string{`t1 find_order {"order":1}`, `t2 find_order {"order":2}`}},
		"FragmentsAllZero":  {events: []string{fragment(0, "t1", "today", "{}"), fragment(0, "t2", "today", "{}"), stop}, want: []string{"t1 today {}", "t2 today {}"}},
		"FragmentsHugePlan": {events: []string{fragment(1<<40, "t1", "today", "{}"), stop}, want: []string{"t1 today {}"}},
		"FragmentsWithText": {events: []string{chunk(map[string]any{"content": "I "}, ""), chunk(map[string]any{"content": "look."}, ""), fragment(0, "t1", "today", ""), stop}, text: "I look.", want: []string{"t1 today {}"}},
		"FragmentsTooLarge": {events: append(modeltest.Repeat(fragment(0, "t1", "today", strings.Repeat("x", 1<<18)), 5), stop), kind: conversation.Invalid, fault: "larger than allowed"},
		"FragmentsCutOff":   {events: []string{fragment(0, "t1", "today", "{")}, kind: conversation.Unavailable, fault: "the stream ended"},
		"FragmentsBroken":   {events: []string{fragment(0, "t1", "today", `{"a":`), stop}, want: []string{`t1 today "{\"a\":"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := noStream
			if c.events != nil {
				change = nil
			}
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ call) {
				if c.events != nil {
					modeltest.WriteEvents(w, modeltest.Events(c.events...)...)
					return
				}
				modeltest.WriteJSON(w, http.StatusOK, c.whole)
			}), change)
			res, err := e.Execute(t.Context(), toolRequest("Where is it?"))
			if c.want == nil {
				require.Equal(t, c.kind, conversation.KindOf(err), "%v", err)
				require.ErrorContains(t, err, c.fault)
				return
			}
			require.NoError(t, err)
			require.Equal(t, executors.FinishToolCall, res.FinishReason)
			require.Equal(t, c.text, res.Message.Text())
			if name == "WholeNoIDs" {
				calls := res.Message.ToolCalls()
				require.Len(t, calls, 2)
				require.NotEqual(t, calls[0].ID, calls[1].ID)
				return
			}
			require.Equal(t, c.want, toolCalls(res.Message))
			for _, call := range res.Message.ToolCalls() {
				require.True(t, json.Valid(call.Arguments))
			}
		})
	}
}

// A call, its result, and the reply made of it.
func TestToolRoundTrip(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*openai.Config){"Streaming": nil, "Whole": noStream} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bodies := make(chan map[string]any, 2)
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
				bodies <- c.All
				switch {
				case c.Body.Messages[len(c.Body.Messages)-1].Role == "tool":
					speak(w, c, "It is on its way.")
				case c.Body.Stream:
					modeltest.WriteEvents(w, modeltest.Events(fragment(0, "t1", "find_order", `{"order":`), fragment(0, "", "", `1}`), chunk(nil, "tool_calls"), "[DONE]")...)
				default:
					modeltest.WriteJSON(w, http.StatusOK, calling("", "tool_calls", [3]string{"t1", "find_order", `{"order":1}`}))
				}
			}), func(c *openai.Config) {
				c.Extra = map[string]any{"parallel_tool_calls": false}
				if change != nil {
					change(c)
				}
			})
			req := toolRequest("Where is order 1?")
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, []string{`t1 find_order {"order":1}`}, toolCalls(res.Message))
			body := <-bodies
			require.Equal(t, false, body["parallel_tool_calls"])
			require.JSONEq(t, `[
				{"type":"function","function":{"name":"find_order","description":"Finds an order.","parameters":`+string(findOrder.Schema)+`}},
				{"type":"function","function":{"name":"today","parameters":{"type":"object","properties":{}}}}
			]`, modeltest.JSON(body["tools"]))

			req.Messages = append(req.Messages, res.Message, conversation.ToolResultMessage(conversation.ToolResult{CallID: "t1", Content: "on its way"}))
			req.New, req.Round, req.State = 2, 1, res.State
			res, err = e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, "It is on its way.", res.Message.Text())
			require.Equal(t, executors.FinishStop, res.FinishReason)
			sent := (<-bodies)["messages"].([]any)
			require.JSONEq(t, `{"role":"assistant","tool_calls":[{"id":"t1","type":"function","function":{"name":"find_order","arguments":"{\"order\":1}"}}]}`, modeltest.JSON(sent[1]))
			require.JSONEq(t, `{"role":"tool","tool_call_id":"t1","content":"on its way"}`, modeltest.JSON(sent[2]))
		})
	}
}

func TestNoTools(t *testing.T) {
	t.Parallel()
	bodies := make(chan map[string]any, 1)
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
		bodies <- c.All
		modeltest.WriteJSON(w, http.StatusOK, calling("I look.", "tool_calls", [3]string{"t1", "find_order", "{}"}))
	}), func(c *openai.Config) {
		c.Extra = map[string]any{"tool_choice": "auto", "parallel_tool_calls": false}
	})
	res, err := e.Execute(t.Context(), executortest.Request("none", "Hi"))
	require.NoError(t, err)
	require.Empty(t, res.Message.ToolCalls(), "no tool was offered")
	require.Equal(t, executors.FinishStop, res.FinishReason)
	body := <-bodies
	for _, field := range []string{"tools", "tool_choice", "parallel_tool_calls"} {
		require.NotContains(t, body, field)
	}
}

func TestToolSchemaIsAnObject(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, serve(t, func(http.ResponseWriter, *http.Request, call) { t.Error("nothing should be sent") }), nil)
	req := executortest.Request("odd", "Hi")
	req.Tools = []conversation.Tool{{Name: "odd", Schema: json.RawMessage("[]")}}
	_, err := e.Execute(t.Context(), req)
	require.True(t, conversation.IsKind(err, conversation.Invalid), "%v", err)
	require.ErrorContains(t, err, `tool "odd"`)
}
