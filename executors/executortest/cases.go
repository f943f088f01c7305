package executortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

const (
	// promptly is how soon Execute returns once its context is done. It is wide
	// because test machines are slow, and far below any model's answer time.
	promptly = 3 * time.Second
	maxState = 4 << 10
)

// Request returns a valid request of turn 1 for tests: one message from the
// other side in the conversation named.
func Request(id, text string) executors.Request {
	return executors.Request{
		Conversation:   conversation.Ref{Platform: "test", Project: "p1", Agent: "a1", ID: id},
		Turn:           1,
		Attempt:        1,
		IdempotencyKey: "test/p1/" + id + "/1",
		Messages:       []conversation.Message{conversation.Text(conversation.RoleUser, text)},
		New:            1,
	}
}

// Next returns the request that follows req once res has been delivered and the
// other side has said text.
func Next(req executors.Request, res executors.Result, text string) executors.Request {
	before := req.Messages
	req.Messages = append(before[:len(before):len(before)], res.Message, conversation.Text(conversation.RoleUser, text))
	req.Turn++
	req.Attempt = 1
	req.New = 1
	req.State = res.State
	req.Attach = nil
	req.IdempotencyKey = fmt.Sprintf("%s/%d", req.Conversation, req.Turn)
	return req
}

func (s suite) execute(t *testing.T, e executors.Executor, req executors.Request) executors.Result {
	t.Helper()
	res, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	s.wellFormed(t, res)
	return res
}

// wellFormed holds for every result.
func (s suite) wellFormed(t require.TestingT, res executors.Result) {
	text := res.Message.Text()
	if len(res.Message.Parts) > 0 || !res.End {
		require.Equal(t, conversation.RoleAssistant, res.Message.Role, "the agent speaks as the assistant")
	}
	if !res.End && !hasToolCall(res.Message) {
		require.NotEmpty(t, strings.TrimSpace(text), "a reply has text unless it ends the conversation")
	}
	for _, p := range res.Message.Parts {
		require.NotEmpty(t, p.Type, "a part says which of its fields is set")
	}
	require.True(t, utf8.ValidString(text), "text is valid UTF-8")
	require.LessOrEqual(t, len(res.State), maxState, "state is small")
	if res.State != nil {
		require.True(t, json.Valid(res.State), "state is valid JSON")
	}
	u := res.Usage
	for _, n := range []int64{u.InputTokens, u.OutputTokens, u.CachedInputTokens, u.CacheWriteTokens, u.Calls} {
		require.GreaterOrEqual(t, n, int64(0), "usage counts")
	}
	require.LessOrEqual(t, u.CachedInputTokens+u.CacheWriteTokens, u.InputTokens, "tokens read from a cache and put there are among the input tokens")
}

func hasToolCall(m conversation.Message) bool {
	for _, p := range m.Parts {
		if p.ToolCall != nil {
			return true
		}
	}
	return false
}

// "Messages … Empty: the agent opens."
func (s suite) opens(t *testing.T) {
	req := Request("opens", "")
	req.Messages, req.New = nil, 0
	res := s.execute(t, s.New(t), req)
	require.NotEmpty(t, res.Message.Text(), "the agent opens with words")
}

// "Message is the agent's reply."
func (s suite) answers(t *testing.T) {
	s.execute(t, s.New(t), Request("answers", "My parcel has not arrived."))
}

// "Usage … Provider and Model say who answered … FinishReason says why the
// model stopped."
func (s suite) reports(t *testing.T) {
	res := s.execute(t, s.New(t), Request("reports", "What are your opening hours?"))
	if s.Model {
		require.GreaterOrEqual(t, res.Usage.Calls, int64(1), "a model was called")
		require.NotEmpty(t, res.Provider)
		require.NotEmpty(t, res.Model)
		require.NotEmpty(t, res.FinishReason)
	}
}

// Messages hold every role and every kind of part.
func (s suite) rolesAndParts(t *testing.T) {
	req := Request("roles", "")
	req.Messages = []conversation.Message{
		conversation.Text(conversation.RoleSystem, "The customer writes from a phone."),
		{Role: conversation.RoleUser, Parts: []conversation.Part{
			{Type: conversation.PartText, Text: "Here is my order."},
			{Type: conversation.PartData, Data: json.RawMessage(`{"order": 12345, "items": ["kettle"]}`)},
		}},
		{Role: conversation.RoleAssistant, Parts: []conversation.Part{
			{Type: conversation.PartText, Text: "I will look it up."},
			{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{
				ID: "call-1", Name: "find_order", Arguments: json.RawMessage(`{"order": 12345}`),
			}},
		}},
		{Role: conversation.RoleTool, Parts: []conversation.Part{
			{Type: conversation.PartToolResult, ToolResult: &conversation.ToolResult{CallID: "call-1", Content: "on its way"}},
		}},
		conversation.Text(conversation.RoleAssistant, "It is on its way."),
		{Role: conversation.RoleUser, Parts: []conversation.Part{
			{Type: conversation.PartData, Data: json.RawMessage(`{"only": "data"}`)},
		}},
	}
	req.Turn, req.New = 2, 1
	s.execute(t, s.New(t), req)
}

// "State is handed back with the next request of the conversation."
func (s suite) carries(t *testing.T) {
	e := s.New(t)
	req := Request("carries", "Hello")
	for _, text := range []string{"I want my money back.", "It is order 12345.", "Are you sure?", "Thanks, bye!"} {
		res := s.execute(t, e, req)
		if res.End {
			return
		}
		req = Next(req, res, text)
	}
	s.execute(t, e, req)
}

// "the caller does [retry], with the same Request but for Attempt".
func (s suite) repeats(t *testing.T) {
	e := s.New(t)
	req := Request("repeats", "I forgot my password.")
	s.execute(t, e, req)
	req.Attempt = 2
	s.execute(t, e, req)
}

// After a restart on another worker there may be messages but no state: all of
// them are new then.
func (s suite) losesState(t *testing.T) {
	req := Request("loses", "Hello")
	req = Next(req, s.execute(t, s.New(t), req), "Where is my parcel?")
	req.State, req.New = nil, len(req.Messages)
	s.execute(t, s.New(t), req)
}

// The request is the caller's: it is kept for a retry.
func (s suite) leavesRequest(t *testing.T) {
	req := Request("leaves", "Hello")
	req.Messages = append(req.Messages, conversation.Text(conversation.RoleAssistant, "Hi."), conversation.Text(conversation.RoleUser, "Any news?"))
	before, err := json.Marshal(req.Messages)
	require.NoError(t, err)
	spare := append(req.Messages, conversation.Text(conversation.RoleUser, "not part of the request")) //nolint:gocritic // shares the array on purpose
	s.execute(t, s.New(t), req)
	after, err := json.Marshal(req.Messages)
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after))
	require.Equal(t, "not part of the request", spare[len(spare)-1].Text())
}

// "OnDelta, if not nil, is called with the text of a streaming reply as it comes."
func (s suite) deltas(t *testing.T) {
	req := Request("deltas", "Tell me about your return policy.")
	var got strings.Builder
	req.OnDelta = func(text string) { got.WriteString(text) }
	res := s.execute(t, s.New(t), req)
	if got.Len() > 0 {
		require.Equal(t, res.Message.Text(), got.String())
	}
}

// "Execute is safe for concurrent use". Run the suite with -race.
func (s suite) concurrent(t *testing.T) {
	e := s.New(t)
	errs := make([]error, 16)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			req := Request(fmt.Sprintf("concurrent-%d", i), "Hello")
			for range 3 {
				res, err := e.Execute(t.Context(), req)
				if err != nil {
					errs[i] = err
					return
				}
				req = Next(req, res, "And then?")
			}
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
}

// "returns promptly once ctx is done", with an error that says so.
func (s suite) doneBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.returns(t, ctx, s.New(t), context.Canceled)
}

func (s suite) cancelled(t *testing.T) {
	if s.Stall == nil {
		t.Skip("this backend waits for no other side")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(20*time.Millisecond, cancel)
	s.returns(t, ctx, s.Stall(t), context.Canceled)
}

func (s suite) deadline(t *testing.T) {
	if s.Stall == nil {
		t.Skip("this backend waits for no other side")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	s.returns(t, ctx, s.Stall(t), context.DeadlineExceeded)
}

func (s suite) returns(t *testing.T, ctx context.Context, e executors.Executor, want error) { //nolint:revive // t first, as everywhere here
	t.Helper()
	result := make(chan error, 1)
	go func() {
		_, err := e.Execute(ctx, Request("done", "Hello"))
		result <- err
	}()
	select {
	case err := <-result:
		require.ErrorIs(t, err, want)
		s.noSecrets(t, err.Error())
	case <-time.After(promptly):
		require.Fail(t, "Execute did not return although its context was done")
	}
}

// A Checker that works says so, and it heeds its context.
func (s suite) checks(t *testing.T) {
	e := s.New(t)
	if _, ok := executors.As[executors.Checker](e); !ok {
		t.Skip("this backend has no Check")
	}
	require.NoError(t, executors.Check(t.Context(), e))
	if s.Stall == nil {
		return
	}
	stalled := s.Stall(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_ = executors.Check(ctx, stalled)
	require.Less(t, time.Since(begun), promptly)
}

// Secrets stay where they belong.
func (s suite) printed(t *testing.T) {
	e := s.New(t)
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		s.noSecrets(t, fmt.Sprintf(verb, e))
	}
}

// "Failures are conversation.Error values with the kind that fits."
func (s suite) fails(t *testing.T) {
	if s.Fail == nil {
		t.Skip("this backend cannot fail")
	}
	for _, want := range Failures() {
		t.Run(want.Name, func(t *testing.T) {
			t.Parallel()
			e := s.Fail(t, want)
			if e == nil {
				t.Skip("this backend cannot fail so")
			}
			_, err := e.Execute(t.Context(), Request("fails", "Hello"))
			require.Error(t, err)
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Equal(t, want.Kind, ce.Kind, "%v", err)
			require.Equal(t, want.RetryAfter, ce.RetryAfter)
			require.NotEmpty(t, ce.Op, "the error says what was tried")
			switch want.Kind {
			case conversation.QuotaExhausted, conversation.Unauthorized, conversation.Invalid:
				require.NotEmpty(t, ce.Remedy, "an operator can correct this: the remedy is missing")
			}
			s.noSecrets(t, err.Error(), fmt.Sprintf("%+v", ce), fmt.Sprintf("%#v", ce))
		})
	}
}

func (s suite) noSecrets(t *testing.T, texts ...string) {
	t.Helper()
	for _, secret := range s.Secrets {
		for _, text := range texts {
			require.NotContains(t, text, secret)
		}
	}
}
