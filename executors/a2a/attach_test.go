package a2a_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	sdk "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/a2asrv"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

// methods collects what a raw agent is asked for.
type methods struct {
	mu  sync.Mutex
	all []string
}

func (m *methods) add(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, name)
	n := 0
	for _, have := range m.all {
		if have == name {
			n++
		}
	}
	return n
}

func (m *methods) asked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all)
}

// A retry takes over the task that is under way: the agent is told once.
func TestRetryReattaches(t *testing.T) { eachBinding(t, testRetryReattaches) }

func testRetryReattaches(t *testing.T, v version) {
	t.Parallel()
	for mode, streaming := range map[string]bool{"Streaming": true, "Polled": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			goOn := make(chan struct{})
			var h received
			server, agent := v.serveSDK(t, streaming, func(_ context.Context, say func(sdk.Event), req *a2asrv.RequestContext) error {
				h.add(req.Message)
				say(sdk.NewStatusUpdateEvent(req, sdk.TaskStateSubmitted, nil))
				<-goOn
				say(sdk.NewArtifactEvent(req, sdk.TextPart{Text: "At last."}))
				say(final(req, sdk.TaskStateCompleted, ""))
				return nil
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			req := executortest.Request("c1", "Hi")
			var tokens []json.RawMessage
			req.OnAttach = func(token json.RawMessage) {
				tokens = append(tokens, token)
				cancel(errors.New("the worker stops"))
			}
			_, err := newExecutor(t, server).Execute(ctx, req)
			require.ErrorIs(t, err, context.Canceled)
			require.Len(t, tokens, 1, "the place is told once")
			close(goOn)

			req.Attempt, req.Attach = 2, tokens[0]
			res, err := newExecutor(t, server).Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, "At last.", res.Message.Text())
			require.Contains(t, string(res.State), `"context":"`)
			require.Len(t, h.all(), 1)
			require.Len(t, tokens, 1)
			require.Empty(t, agent.cancelled, "handed over is not cancelled")
		})
	}
}

// A task that gives no answer any more is begun anew, one that still may is not.
func TestAttach(t *testing.T) { eachBinding(t, testAttach) }

func testAttach(t *testing.T, v version) {
	t.Parallel()
	const get, send = "tasks/get", "message/send"
	for name, c := range map[string]struct {
		attach  string
		state   string   // what the conversation keeps
		answers []string // to tasks/get, the last one again and again
		want    string
		kind    conversation.Kind
		asked   []string
	}{
		"Done":       {`{"task": "t1"}`, "", []string{task("completed", "", "Old")}, "Old", "", []string{get}},
		"Works":      {`{"task": "t1"}`, "", []string{task("working", ""), task("completed", "", "Old")}, "Old", "", []string{get, get}},
		"Unknown":    {`{"task": "t1"}`, "", nil, "New", "", []string{get, send}},
		"Failed":     {`{"task": "t1"}`, "", []string{task("failed", "no")}, "New", "", []string{get, send}},
		"Canceled":   {`{"task": "t1"}`, "", []string{task("canceled", "")}, "New", "", []string{get, send}},
		"NeedsLogin": {`{"task": "t1"}`, "", []string{task("auth-required", "")}, "New", "", []string{get, send}},
		"Empty":      {`{"task": "t1"}`, "", []string{task("completed", "")}, "New", "", []string{get, send}},
		"Rejected":   {`{"task": "t1"}`, "", []string{task("rejected", "no")}, "", conversation.Refused, []string{get}},
		"FailsNow":   {`{"task": "t1"}`, "", []string{task("working", ""), task("failed", "no")}, "", conversation.Unavailable, []string{get, get}},
		"Vanishes":   {`{"task": "t1"}`, "", []string{task("working", ""), fault(-32001, "Task not found", "")}, "", conversation.Unavailable, []string{get, get}},
		"Nonsense":   {`"t1"`, "", nil, "New", "", []string{send}},
		"NoTask":     {`{"run": 7}`, "", nil, "New", "", []string{send}},
		"OldQuestion": {
			`{"task": "t1"}`, `{"context": "c1", "task": "t1", "question": "m-Which?", "artifacts": 1}`,
			[]string{task("input-required", "Which?", "Old"), task("input-required", "And when?", "Old", "More")},
			"More\n\nAnd when?", "", []string{get, get},
		},
		"OddState": {`{"task": "t1"}`, `{"task": "t1", "artifacts": -1}`, []string{task("completed", "", "Old")}, "Old", "", []string{get}},
		"NotLookedAt": {
			`{"task": "t1"}`, `{"context": "c1", "task": "t1"}`,
			[]string{task("input-required", ""), task("completed", "Done.")}, "Done.", "", []string{get, get},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var m methods
			server := v.serveRaw(t, false, func(w http.ResponseWriter, _ *http.Request, asked call) {
				n := m.add(asked.Method)
				switch {
				case asked.Method != get:
					modeltest.WriteJSON(w, http.StatusOK, result(reply("New")))
				case c.answers == nil:
					modeltest.WriteJSON(w, http.StatusOK, fault(-32001, "Task not found", ""))
				default:
					body := c.answers[min(n, len(c.answers))-1]
					if body[2] != 'j' {
						body = result(body)
					}
					modeltest.WriteJSON(w, http.StatusOK, body)
				}
			})
			req := executortest.Request("c1", "Hi")
			req.Attempt, req.Attach = 2, json.RawMessage(c.attach)
			if c.state != "" {
				req.State = json.RawMessage(c.state)
			}
			res, err := newExecutor(t, server).Execute(t.Context(), req)
			require.Equal(t, c.asked, m.asked())
			if c.kind != "" {
				require.True(t, conversation.IsKind(err, c.kind), "%v", err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, res.Message.Text())
		})
	}
}

// Trouble while picking up is no reason to begin another task.
func TestPollThatFailsDoesNotAskAgain(t *testing.T) { eachBinding(t, testPollThatFailsDoesNotAskAgain) }

func testPollThatFailsDoesNotAskAgain(t *testing.T, v version) {
	t.Parallel()
	server := v.serveRaw(t, true, func(w http.ResponseWriter, _ *http.Request, c call) {
		if c.Method != "tasks/get" {
			t.Errorf("asked for %s", c.Method)
		}
		w.WriteHeader(http.StatusBadGateway)
	})
	req := executortest.Request("c1", "Hi")
	req.Attach = json.RawMessage(`{"task": "t1"}`)
	_, err := newExecutor(t, server).Execute(t.Context(), req)
	require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
	require.ErrorContains(t, err, "502")
}

// An agent that does not know what a message continues is told the conversation.
func TestForgetfulAgents(t *testing.T) { eachBinding(t, testForgetfulAgents) }

func testForgetfulAgents(t *testing.T, v version) {
	t.Parallel()
	for name, c := range map[string]struct {
		code    int
		status  int
		context string // of the second message
		parts   int
	}{
		"Task":        {-32001, http.StatusOK, "", 2},
		"As404":       {-32001, http.StatusNotFound, "", 2},
		"TaskIsOver":  {-32602, http.StatusOK, "c1", 1},
		"TaskIsOver3": {-32004, http.StatusOK, "c1", 1},
		"TaskIsOver2": {-32600, http.StatusBadRequest, "c1", 1},
	} {
		for mode, streaming := range map[string]bool{"Streaming": true, "Whole": false} {
			t.Run(name+mode, func(t *testing.T) {
				t.Parallel()
				var h received
				server := v.serveRaw(t, streaming, func(w http.ResponseWriter, _ *http.Request, asked call) {
					h.add(asked.Params.Message)
					if asked.Params.Message.TaskID != "" {
						modeltest.WriteJSON(w, c.status, fault(c.code, "no such task", ""))
						return
					}
					modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
				})
				req := executortest.Request("c1", "Hi")
				req = executortest.Next(req, mustReply(t, server, req), "The second.")
				req.State = json.RawMessage(`{"context": "c1", "task": "t1"}`)
				before := len(h.all())
				_, err := newExecutor(t, server).Execute(t.Context(), req)
				require.NoError(t, err)
				got := h.all()[before:]
				requests := 2
				if streaming && c.code == -32004 { // it could mean the stream
					requests = 3
				}
				require.Len(t, got, requests)
				require.Equal(t, sdk.TaskID("t1"), got[0].TaskID)
				require.Equal(t, c.context, got[requests-1].ContextID)
				require.Len(t, got[requests-1].Parts, c.parts)
			})
		}
	}
}

// An agent that no longer knows the context is told the conversation anew. What it
// refuses without a context is an error.
func TestUnknownContext(t *testing.T) { eachBinding(t, testUnknownContext) }

func testUnknownContext(t *testing.T, v version) {
	t.Parallel()
	for name, c := range map[string]struct {
		state    string
		knows    string // the context that it knows
		requests int
		parts    int // of the last one
	}{
		"Context":        {`{"context": "c1"}`, "", 2, 2},
		"TaskAndContext": {`{"context": "c1", "task": "t1"}`, "", 3, 2},
		"Neither":        {`{"context": "c1"}`, "another", 2, 2},
		"First":          {"", "another", 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h received
			server := v.serveRaw(t, false, func(w http.ResponseWriter, _ *http.Request, asked call) {
				h.add(asked.Params.Message)
				if asked.Params.Message.ContextID != c.knows {
					modeltest.WriteJSON(w, http.StatusOK, fault(-32602, "no such context", ""))
					return
				}
				modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
			})
			req := executortest.Request("c1", "Hi")
			res := executors.Result{Message: conversation.Text(conversation.RoleAssistant, "Hello")}
			if c.state != "" {
				res.State = json.RawMessage(c.state)
			}
			req = executortest.Next(req, res, "Where is it?")
			if c.state == "" {
				req.New = len(req.Messages)
			}
			_, err := newExecutor(t, server).Execute(t.Context(), req)
			require.Equal(t, c.knows != "", err != nil, "%v", err)
			got := h.all()
			require.Len(t, got, c.requests)
			require.Len(t, got[c.requests-1].Parts, c.parts)
		})
	}
}

// A caller that cancels wants the task no more. One that stops means to come back.
func TestCancel(t *testing.T) { eachBinding(t, testCancel) }

func testCancel(t *testing.T, v version) {
	t.Parallel()
	for mode, streaming := range map[string]bool{"Streaming": true, "Polled": false} {
		for name, cause := range map[string]error{"Cancelled": nil, "HandedOver": errors.New("the worker stops")} {
			t.Run(name+mode, func(t *testing.T) {
				t.Parallel()
				server, agent := v.serveSDK(t, streaming, waiting(t))
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				req := executortest.Request("c1", "Hi")
				var at struct{ Task sdk.TaskID }
				req.OnAttach = func(token json.RawMessage) {
					_ = json.Unmarshal(token, &at)
					cancel(cause)
				}
				_, err := newExecutor(t, server).Execute(ctx, req)
				require.ErrorIs(t, err, context.Canceled)
				if cause != nil {
					require.Empty(t, agent.cancelled)
					return
				}
				select {
				case id := <-agent.cancelled:
					require.Equal(t, at.Task, id)
				default:
					require.Fail(t, "the task was not cancelled")
				}
			})
		}
	}
}

// The executor's own timers leave the task alone: a later attempt finds it.
func TestTimeoutDoesNotCancel(t *testing.T) { eachBinding(t, testTimeoutDoesNotCancel) }

func testTimeoutDoesNotCancel(t *testing.T, v version) {
	t.Parallel()
	server, agent := v.serveSDK(t, true, waiting(t))
	_, err := newExecutor(t, server, func(c *a2a.Config) { c.Timeout = 100 * time.Millisecond }).Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.ErrorContains(t, err, "100ms")
	require.Empty(t, agent.cancelled)
}

// A stream that breaks off is no loss where there is a task.
func TestStreamThatBreaksOff(t *testing.T) { eachBinding(t, testStreamThatBreaksOff) }

func testStreamThatBreaksOff(t *testing.T, v version) {
	t.Parallel()
	for name, ends := range map[string]func(){"Closed": func() {}, "Aborted": func() { panic(http.ErrAbortHandler) }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var m methods
			server := v.serveRaw(t, true, func(w http.ResponseWriter, _ *http.Request, c call) {
				if m.add(c.Method); c.Method == "tasks/get" {
					modeltest.WriteJSON(w, http.StatusOK, result(task("completed", "", "Hello World")))
					return
				}
				writeEvents(w, task("working", ""), piece("a1", "Hello", false))
				ends()
			})
			req := executortest.Request("c1", "Hi")
			streamed := ""
			req.OnDelta = func(text string) { streamed += text }
			res, err := newExecutor(t, server).Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, "Hello World", res.Message.Text())
			require.Equal(t, "Hello World", streamed)
			require.Equal(t, []string{"message/stream", "tasks/get"}, m.asked())
		})
	}
}

// An agent that does not stream although its card says so is asked otherwise.
func TestCardThatPromisesTooMuch(t *testing.T) { eachBinding(t, testCardThatPromisesTooMuch) }

func testCardThatPromisesTooMuch(t *testing.T, v version) {
	t.Parallel()
	for _, code := range []int{-32004, -32601} {
		var m methods
		server := v.serveRaw(t, true, func(w http.ResponseWriter, _ *http.Request, c call) {
			if m.add(c.Method); c.Method == "message/stream" {
				modeltest.WriteJSON(w, http.StatusOK, fault(code, "no", ""))
				return
			}
			modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
		})
		mustReply(t, server, executortest.Request("c1", "Hi"))
		require.Equal(t, []string{"message/stream", "message/send"}, m.asked())
	}
}

// An answer to a task's question that has landed is not given twice, although
// nothing came back.
func TestAnswerThatLanded(t *testing.T) { eachBinding(t, testAnswerThatLanded) }

func testAnswerThatLanded(t *testing.T, v version) {
	t.Parallel()
	for mode, delivered := range map[string]bool{"Landed": true, "Lost": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var m methods
			var mu sync.Mutex
			var first *sdk.Message
			server := v.serveRaw(t, false, func(w http.ResponseWriter, _ *http.Request, c call) {
				mu.Lock()
				defer mu.Unlock()
				switch n := m.add(c.Method); {
				case c.Method == "tasks/get" && delivered:
					modeltest.WriteJSON(w, http.StatusOK, result(`{"kind": "task", "id": "t1", "contextId": "c1", "status": `+state1("completed", "Done.")+`, "history": [`+modeltest.JSON(first)+`]}`))
				case c.Method == "tasks/get":
					modeltest.WriteJSON(w, http.StatusOK, result(task("input-required", "Which?")))
				case n == 1:
					first = c.Params.Message
					panic(http.ErrAbortHandler)
				default:
					if c.Params.Message.ID != first.ID {
						t.Error("another id")
					}
					modeltest.WriteJSON(w, http.StatusOK, result(task("completed", "Heard.")))
				}
			})
			e := newExecutor(t, server)
			req := executortest.Request("c1", "The second.")
			req.State = json.RawMessage(`{"context": "c1", "task": "t1", "question": "m-Which?"}`)
			_, err := e.Execute(t.Context(), req)
			require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
			req.Attempt = 2
			tokens := 0
			req.OnAttach = func(json.RawMessage) { tokens++ }
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, 1, tokens)
			if delivered {
				require.Equal(t, "Done.", res.Message.Text())
				require.Equal(t, []string{"message/send", "tasks/get", "tasks/get"}, m.asked())
			} else {
				require.Equal(t, "Heard.", res.Message.Text())
				require.Equal(t, []string{"message/send", "tasks/get", "message/send"}, m.asked())
			}
		})
	}
}
