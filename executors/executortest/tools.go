package executortest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// A ToolCall is what the other side of a [Fixture] is to call. Its arguments may be
// no JSON: models write them.
type ToolCall struct{ ID, Name, Arguments string }

var (
	findOrder = conversation.Tool{
		Name: "find_order", Description: "Finds an order.",
		Schema: json.RawMessage(`{"type":"object","properties":{"order":{"type":"integer"}},"required":["order"]}`),
	}
	today = conversation.Tool{Name: "today"} // it takes no arguments

	oneCall  = []ToolCall{{"call-1", "find_order", `{"order": 12345}`}}
	twoCalls = []ToolCall{{"call-1", "find_order", `{"order": 1}`}, {"call-2", "find_order", `{"order": 2}`}}
)

// toolRequest offers two tools.
func toolRequest(id string) executors.Request {
	req := Request(id, "Where is order 12345?")
	req.Tools = []conversation.Tool{findOrder, today}
	return req
}

// AfterTools returns the request that follows res once its calls have been made.
func AfterTools(req executors.Request, res executors.Result, results ...conversation.ToolResult) executors.Request {
	messages := append(req.Messages[:len(req.Messages):len(req.Messages)], res.Message)
	for _, r := range results {
		messages = append(messages, conversation.ToolResultMessage(r))
	}
	req.Messages, req.New, req.State = messages, 1+len(results), res.State
	req.Round++
	req.Attempt = 1
	req.Attach = nil
	req.IdempotencyKey += "/tools"
	return req
}

// calls executes the request, which has to end in calls of tools.
func (s suite) calls(t *testing.T, e executors.Executor, req executors.Request, want int) (executors.Result, []conversation.ToolCall) {
	t.Helper()
	res := s.execute(t, e, req)
	require.Equal(t, executors.FinishToolCall, res.FinishReason, "a reply that calls tools has this finish reason")
	require.False(t, res.End)
	calls := res.Message.ToolCalls()
	require.Len(t, calls, want)
	seen := map[string]bool{}
	for _, c := range calls {
		require.NotEmpty(t, c.ID, "results find their call by its id")
		require.False(t, seen[c.ID], "two calls have the id %q", c.ID)
		seen[c.ID] = true
		require.True(t, json.Valid(c.Arguments), "arguments are JSON whatever the model wrote: %s", c.Arguments)
	}
	return res, calls
}

// concludes executes the request that has the results, and returns what the model
// says of them.
func (s suite) concludes(t *testing.T, e executors.Executor, req executors.Request) []string {
	t.Helper()
	res := s.execute(t, e, req)
	require.Empty(t, res.Message.ToolCalls())
	require.NotEqual(t, executors.FinishToolCall, res.FinishReason)
	return strings.Split(res.Message.Text(), "\n")
}

// "Tools are what the model may call. A reply that calls some (FinishToolCall) …"
func (s suite) callsTool(t *testing.T) {
	_, calls := s.calls(t, s.Calls(t, oneCall), toolRequest("calls"), 1)
	require.Equal(t, "call-1", calls[0].ID, "the id is the model's own where it gives one")
	require.Equal(t, "find_order", calls[0].Name)
	require.JSONEq(t, `{"order": 12345}`, string(calls[0].Arguments))
}

// "the next request has the calls and their results among Messages, as New, under
// the same Turn."
func (s suite) sendsResults(t *testing.T) {
	e, req := s.Calls(t, oneCall), toolRequest("results")
	res, _ := s.calls(t, e, req, 1)
	req = AfterTools(req, res, conversation.ToolResult{CallID: "call-1", Content: "on its way"})
	require.Equal(t, []string{"call-1 on its way"}, s.concludes(t, e, req))
}

// Results come in any order, and each goes with its own call.
func (s suite) callsInParallel(t *testing.T) {
	e, req := s.Calls(t, twoCalls), toolRequest("parallel")
	res, calls := s.calls(t, e, req, 2)
	require.JSONEq(t, `{"order": 1}`, string(calls[0].Arguments))
	require.JSONEq(t, `{"order": 2}`, string(calls[1].Arguments))
	req = AfterTools(req, res,
		conversation.ToolResult{CallID: "call-2", Content: "lost"},
		conversation.ToolResult{CallID: "call-1", Content: "on its way"},
	)
	require.ElementsMatch(t, []string{"call-1 on its way", "call-2 lost"}, s.concludes(t, e, req))
}

// A tool's fault is something for the model to know of.
func (s suite) sendsFaults(t *testing.T) {
	e, req := s.Calls(t, oneCall), toolRequest("faults")
	res, _ := s.calls(t, e, req, 1)
	req = AfterTools(req, res, conversation.ToolResult{CallID: "call-1", Content: "no such order", IsError: true})
	require.Equal(t, []string{"call-1 no such order"}, s.concludes(t, e, req))
}

// The conversation goes on after the calls of a turn, with all that was said and
// done in it.
func (s suite) goesOnAfterTools(t *testing.T) {
	e, req := s.Calls(t, oneCall), toolRequest("goes-on")
	res, _ := s.calls(t, e, req, 1)
	req = AfterTools(req, res, conversation.ToolResult{CallID: "call-1", Content: "on its way"})
	res = s.execute(t, e, req)
	req = Next(req, res, "Thanks. And when?")
	req.Round = 0
	s.execute(t, e, req)
	req.State, req.New = nil, len(req.Messages) // on a worker that knows nothing of it
	s.execute(t, e, req)
}

// Arguments that are no JSON are either kept as a JSON string, which the model
// receives, or the answer counts as none and the call is retried.
func (s suite) brokenArguments(t *testing.T) {
	e, req := s.Calls(t, []ToolCall{{"call-1", "find_order", `{"order": `}}), toolRequest("broken")
	if res, err := e.Execute(t.Context(), req); err != nil {
		require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
		require.Empty(t, res.Message.Parts)
		return
	}
	res, _ := s.calls(t, e, req, 1)
	req = AfterTools(req, res, conversation.ToolResult{CallID: "call-1", Content: "the arguments are not valid JSON", IsError: true})
	require.Equal(t, []string{"call-1 the arguments are not valid JSON"}, s.concludes(t, e, req))
}

// What is not offered cannot be called: no part would make the call.
func (s suite) callsOnlyWhatIsOffered(t *testing.T) {
	req := toolRequest("none")
	req.Tools = nil
	res, err := s.Calls(t, oneCall).Execute(t.Context(), req)
	if err != nil {
		require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
		return
	}
	s.wellFormed(t, res)
	require.Empty(t, res.Message.ToolCalls())
	require.NotEqual(t, executors.FinishToolCall, res.FinishReason)
}
