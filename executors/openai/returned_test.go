package openai_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/openai"
)

// asks answers with each text in turn, and keeps the bodies of the requests.
type asks struct {
	answers []string
	bodies  []json.RawMessage
}

func (a *asks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.bodies = append(a.bodies, body)
	answer := a.answers[min(len(a.bodies), len(a.answers))-1]
	if strings.HasPrefix(answer, "{") {
		modeltest.WriteJSON(w, http.StatusOK, answer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, answer)
}

// message returns the fields of a message in the request.
func (a *asks) message(t *testing.T, request, i int) map[string]json.RawMessage {
	t.Helper()
	var body struct {
		Messages []map[string]json.RawMessage `json:"messages"`
	}
	require.NoError(t, json.Unmarshal(a.bodies[request], &body))
	require.Greater(t, len(body.Messages), i)
	return body.Messages[i]
}

// What a server needs back with the results of tool calls is in the next request of the
// turn, as it came, and in no other turn.
func TestThoughtsAreReturned(t *testing.T) {
	t.Parallel()
	const (
		call  = `{"index":0,"id":"a","type":"function","function":{"name":"today","arguments":"{}"}}`
		other = `{"index":1,"id":"b","type":"function","function":{"name":"today","arguments":"{}"}}`
	)
	with := func(call, fields string) string { return strings.TrimSuffix(call, "}") + "," + fields + "}" }
	google := `"extra_content":{"google":{"thought_signature":"c2ln/+=<>&","n":9007199254740993}}`
	for name, c := range map[string]struct {
		stream  []string // deltas
		whole   string   // the message
		message string   // expected fields of the next request's message
		calls   []string // and of its calls
		absent  []string // fields that are not sent
	}{
		"ReasoningContent": {
			stream:  []string{`{"reasoning_content":"the "}`, `{"reasoning_content":"date\n"}`, `{"content":"I look.","tool_calls":[` + call + `]}`},
			whole:   `{"content":"I look.","reasoning_content":"the date\n","tool_calls":[` + call + `]}`,
			message: `{"content":"I look.","reasoning_content":"the date\n"}`,
		},
		"ReasoningContentAlone": {
			stream:  []string{`{"content":null,"reasoning_content":"the date"}`, `{"tool_calls":[` + call + `]}`},
			whole:   `{"content":null,"reasoning_content":"the date","tool_calls":[` + call + `]}`,
			message: `{"reasoning_content":"the date"}`,
		},
		"Reasoning": {
			stream:  []string{`{"reasoning":"the "}`, `{"reasoning":"date"}`, `{"tool_calls":[` + call + `]}`},
			whole:   `{"content":null,"reasoning":"the date","tool_calls":[` + call + `]}`,
			message: `{"reasoning":"the date"}`,
		},
		"ReasoningDetails": {
			stream: []string{
				`{"reasoning":"the ","reasoning_details":[{"type":"reasoning.text","text":"the ","index":0,"format":"f"}]}`,
				`{"reasoning":"date","reasoning_details":[{"type":"reasoning.text","text":"date","index":0,"format":"f"}]}`,
				`{"reasoning_details":[{"type":"reasoning.text","text":"","signature":"sig","index":0,"format":"f"}]}`,
				`{"reasoning_details":[{"type":"reasoning.encrypted","data":"AbC","id":"r1","index":1,"format":"f"}]}`,
				`{"tool_calls":[` + call + `]}`,
			},
			whole:   `{"content":null,"reasoning":"the date","reasoning_details":[{"type":"reasoning.text","text":"the date","signature":"sig","index":0,"format":"f"},{"type":"reasoning.encrypted","data":"AbC","id":"r1","index":1,"format":"f"}],"tool_calls":[` + call + `]}`,
			message: `{"reasoning_details":[{"type":"reasoning.text","text":"the date","signature":"sig","index":0,"format":"f"},{"type":"reasoning.encrypted","data":"AbC","id":"r1","index":1,"format":"f"}]}`,
			absent:  []string{"reasoning"},
		},
		"ReasoningDetailsWithoutIndex": {
			stream:  []string{`{"reasoning_details":[{"type":"reasoning.summary","summary":"a"}]}`, `{"reasoning_details":[{"type":"reasoning.summary","summary":"b"}]}`, `{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}`, `{"reasoning_details":[{"type":"reasoning.encrypted","data":"y"}]}`, `{"tool_calls":[` + call + `]}`},
			message: `{"reasoning_details":[{"type":"reasoning.summary","summary":"ab"},{"type":"reasoning.encrypted","data":"x"},{"type":"reasoning.encrypted","data":"y"}]}`,
		},
		"ExtraContent": {
			stream: []string{`{"tool_calls":[` + with(call, google) + `]}`, `{"tool_calls":[` + other + `]}`},
			whole:  `{"content":"","tool_calls":[` + with(call, google) + `,` + other + `]}`,
			calls:  []string{`{` + google + `}`, `{}`},
		},
		"ThoughtSignature": {
			stream: []string{`{"tool_calls":[` + with(call, `"thought_signature":"abc=="`) + `]}`},
			whole:  `{"content":"","tool_calls":[` + with(call, `"thought_signature":"abc=="`) + `]}`,
			calls:  []string{`{"thought_signature":"abc=="}`},
		},
		"ThinkingBlocks": {
			stream:  []string{`{"thinking_blocks":[{"type":"thinking","thinking":"a"}]}`, `{"thinking_blocks":[{"type":"thinking","thinking":"b","signature":"s"}]}`, `{"tool_calls":[` + call + `]}`},
			whole:   `{"content":"","thinking_blocks":[{"type":"thinking","thinking":"ab","signature":"s"}],"tool_calls":[` + call + `]}`,
			message: `{"thinking_blocks":[{"type":"thinking","thinking":"ab","signature":"s"}]}`,
		},
		"ThinkTags": {
			stream:  []string{`{"content":"<think>the date</think>"}`, `{"content":"\nI look."}`, `{"tool_calls":[` + call + `]}`},
			whole:   `{"content":"<think>the date</think>\nI look.","tool_calls":[` + call + `]}`,
			message: `{"content":"<think>the date</think>\nI look."}`,
		},
		"SignatureInTheID": {
			stream: []string{`{"tool_calls":[{"index":0,"id":"call_1__thought__` + strings.Repeat("s", 2000) + `","function":{"name":"today","arguments":"{}"}}]}`},
			whole:  `{"content":"","tool_calls":[{"id":"call_1__thought__` + strings.Repeat("s", 2000) + `","function":{"name":"today","arguments":"{}"}}]}`,
			calls:  []string{`{"id":"call_1__thought__` + strings.Repeat("s", 2000) + `"}`},
		},
		"Nothing": {
			stream: []string{`{"content":"I look.","tool_calls":[` + call + `]}`},
			whole:  `{"content":"I look.","tool_calls":[` + call + `]}`,
			absent: []string{"reasoning_content", "reasoning", "reasoning_details", "extra_content"},
		},
		"TooLarge": {
			stream: []string{`{"reasoning_content":"` + strings.Repeat("x", conversation.MaxProviderState+1) + `","tool_calls":[` + call + `]}`},
			absent: []string{"reasoning_content"},
		},
	} {
		for mode, answer := range map[string]string{"Streaming": deltas(c.stream...), "Whole": wholeMessage(c.whole)} {
			if mode == "Whole" && c.whole == "" {
				continue
			}
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				a := &asks{answers: []string{answer, wholeMessage(`{"content":"` + shipped + `"}`)}}
				change := func(*openai.Config) {}
				if mode == "Whole" {
					change = noStream
				}
				e := newExecutor(t, modeltest.NewServer(t, a), change)
				req := toolRequest("Which day is it?")
				res, err := e.Execute(t.Context(), req)
				require.NoError(t, err)
				require.NotContains(t, res.Message.Text(), "the date")

				// The state is recorded, and comes back with the results.
				var recorded conversation.Message
				raw, err := json.Marshal(res.Message)
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(raw, &recorded))
				res.Message = recorded
				var results []conversation.ToolResult
				for _, call := range res.Message.ToolCalls() {
					results = append(results, conversation.ToolResult{CallID: call.ID, Content: "Monday"})
				}
				next := modeltest.Called(req, res, results...)
				last, err := e.Execute(t.Context(), next)
				require.NoError(t, err)
				sent := a.message(t, 1, 1)
				for field, want := range fields(t, c.message) {
					require.JSONEq(t, string(want), string(sent[field]), field)
				}
				var calls []map[string]json.RawMessage
				require.NoError(t, json.Unmarshal(sent["tool_calls"], &calls))
				for i, want := range c.calls {
					for field, value := range fields(t, want) {
						require.JSONEq(t, string(value), string(calls[i][field]), field)
					}
				}
				for _, field := range c.absent {
					require.NotContains(t, sent, field)
				}
				require.JSONEq(t, string(calls[0]["id"]), string(a.message(t, 1, 2)["tool_call_id"]))
				require.Contains(t, string(calls[0]["function"]), `"today"`)

				// A later turn sends none of it, nor does another model.
				next.Messages = append(next.Messages, last.Message, modeltest.User("And tomorrow?"))
				next.Turn, next.New = 2, 2
				_, err = e.Execute(t.Context(), next)
				require.NoError(t, err)
				requireNoState(t, a.message(t, 2, 1), c.message)

				foreign := modeltest.Called(req, res, results...)
				foreign.Messages[1].State = changed(foreign.Messages[1].State)
				_, err = e.Execute(t.Context(), foreign)
				require.NoError(t, err)
				requireNoState(t, a.message(t, 3, 1), c.message)
			})
		}
	}
}

func fields(t *testing.T, object string) map[string]json.RawMessage {
	t.Helper()
	var out map[string]json.RawMessage
	if object != "" {
		require.NoError(t, json.Unmarshal([]byte(object), &out))
	}
	return out
}

func changed(s *conversation.ProviderState) *conversation.ProviderState {
	if s == nil {
		return nil
	}
	return &conversation.ProviderState{Model: "another", Data: s.Data}
}

func requireNoState(t *testing.T, sent map[string]json.RawMessage, message string) {
	t.Helper()
	for field := range fields(t, message) {
		if field != "content" {
			require.NotContains(t, sent, field)
		}
	}
	require.NotContains(t, string(sent["content"]), "<think>")
	require.NotContains(t, string(sent["tool_calls"]), "extra_content")
	require.NotContains(t, string(sent["tool_calls"]), "thought")
}

// Through the Responses API, reasoning goes back where the provider does not keep it.
func TestReasoningItemsAreReturned(t *testing.T) {
	t.Parallel()
	reasoning := map[string]any{"type": "reasoning", "id": "rs_1", "summary": []any{map[string]any{"type": "summary_text", "text": "the date"}}, "encrypted_content": "c2VjcmV0"}
	for mode, change := range map[string]func(*openai.Config){
		"Streaming": func(c *openai.Config) { c.API = openai.APIResponses },
		"Whole":     func(c *openai.Config) { c.API = openai.APIResponses; noStream(c) },
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			p.answer = func(body map[string]any) []any {
				if slices.Contains(inputs(body), "function_call_output: t1") {
					return []any{message(shipped)}
				}
				return []any{reasoning, message("I look."), functionCall("t1", "today", "{}")}
			}
			e := newExecutor(t, p.Server, change)
			req := toolRequest("Which day is it?")
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, "I look.", res.Message.Text())
			next := modeltest.Called(req, res, conversation.ToolResult{CallID: "t1", Content: "Monday"})
			last, err := e.Execute(t.Context(), next)
			require.NoError(t, err)
			require.Equal(t, executors.FinishStop, last.FinishReason)
			sent := p.bodies()[1]["input"].([]any)
			require.Equal(t, []string{"user: Which day is it?", "reasoning: <nil>", "assistant: I look.", "function_call: t1", "function_call_output: t1"}, inputs(p.bodies()[1]))
			require.JSONEq(t, modeltest.JSON(reasoning), modeltest.JSON(sent[1]))

			next.Messages = append(next.Messages, last.Message, modeltest.User("And tomorrow?"))
			next.New = 2
			_, err = e.Execute(t.Context(), next)
			require.NoError(t, err)
			require.NotContains(t, modeltest.JSON(p.bodies()[2]), "encrypted_content")
		})
	}
}
