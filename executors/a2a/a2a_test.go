package a2a_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
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
	"github.com/parley-run/parley/secret"
)

// inWords answers with a message; inTask works on a task and hands in an artifact
// that grows. Neither sends a task as a whole nor appends: the SDK's server would
// change in the background what it is about to send. Raw agents do.
func inWords(_ context.Context, say func(sdk.Event), req *a2asrv.RequestContext) error {
	m := sdk.NewMessage(sdk.MessageRoleAgent, sdk.TextPart{Text: "Good day! Müller here."})
	m.ContextID = req.ContextID
	say(m)
	return nil
}

func inTask(_ context.Context, say func(sdk.Event), req *a2asrv.RequestContext) error {
	say(sdk.NewStatusUpdateEvent(req, sdk.TaskStateSubmitted, nil))
	say(sdk.NewStatusUpdateEvent(req, sdk.TaskStateWorking, sdk.NewMessageForTask(sdk.MessageRoleAgent, req, sdk.TextPart{Text: "Looking it up."})))
	first := sdk.NewArtifactEvent(req, sdk.TextPart{Text: "Good day! "})
	say(first)
	all := sdk.NewArtifactUpdateEvent(req, first.Artifact.ID, sdk.TextPart{Text: "Good day! Müller here."})
	all.Append = false
	say(all)
	say(final(req, sdk.TaskStateCompleted, ""))
	return nil
}

func final(req *a2asrv.RequestContext, state sdk.TaskState, text string) *sdk.TaskStatusUpdateEvent {
	var m *sdk.Message
	if text != "" {
		m = sdk.NewMessageForTask(sdk.MessageRoleAgent, req, sdk.TextPart{Text: text})
	}
	ev := sdk.NewStatusUpdateEvent(req, state, m)
	ev.Final = true
	return ev
}

// waiting begins a task and works on it until it is cancelled or the test is over.
func waiting(t *testing.T) turn {
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	return func(ctx context.Context, say func(sdk.Event), req *a2asrv.RequestContext) error {
		say(sdk.NewStatusUpdateEvent(req, sdk.TaskStateSubmitted, nil))
		select {
		case <-ctx.Done():
		case <-over:
		}
		return context.Canceled
	}
}

func TestContract(t *testing.T) { eachBinding(t, testContract) }

func testContract(t *testing.T, v version) {
	t.Parallel()
	for name, do := range map[string]turn{"Message": inWords, "Task": inTask} {
		for mode, streaming := range map[string]bool{"Streaming": true, "Whole": false} {
			t.Run(name+mode, func(t *testing.T) {
				executortest.Run(t, executortest.Fixture{
					Secrets: []string{token, headerKey},
					New: func(t *testing.T) executors.Executor {
						server, _ := v.serveSDK(t, streaming, do)
						return newExecutor(t, server)
					},
					Stall: func(t *testing.T) executors.Executor {
						server, _ := v.serveSDK(t, streaming, waiting(t))
						return newExecutor(t, server)
					},
					Fail: func(t *testing.T, want executortest.Failure) executors.Executor {
						return newExecutor(t, v.serveRaw(t, streaming, func(w http.ResponseWriter, _ *http.Request, _ call) {
							modeltest.WriteJSON(w, http.StatusOK, fault(-32603, "no: "+token, modeltest.JSON(map[string]any{
								"kind": want.Kind, "retry_after": want.RetryAfter.Seconds(), "error": headerKey,
							})))
						}))
					},
				})
			})
		}
	}
}

func TestReply(t *testing.T) { eachBinding(t, testReply) }

func testReply(t *testing.T, v version) {
	t.Parallel()
	for name, c := range map[string]struct {
		do        turn
		streaming bool
		change    func(*a2a.Config)
		deltas    []string
		attaches  int
	}{
		"MessageStreaming": {inWords, true, nil, []string{"Good day! Müller here."}, 0},
		"MessageWhole":     {inWords, false, nil, []string{"Good day! Müller here."}, 0},
		"TaskStreaming":    {inTask, true, nil, []string{"Good day! ", "Müller here."}, 1},
		"TaskPolled":       {inTask, false, nil, nil, 1},
		"StreamingOff":     {inTask, true, unstreamed, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, _ := v.serveSDK(t, c.streaming, c.do)
			req := executortest.Request("c1", "Hi")
			var deltas []string
			attaches := 0
			req.OnDelta = func(text string) { deltas = append(deltas, text) }
			req.OnAttach = func(token json.RawMessage) {
				attaches++
				require.Contains(t, string(token), `"task":"`)
			}
			res, err := newExecutor(t, server, c.change).Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, conversation.Text(conversation.RoleAssistant, "Good day! Müller here."), res.Message)
			require.Equal(t, "a2a", res.Provider)
			require.Equal(t, "Support", res.Model)
			require.EqualValues(t, 1, res.Usage.Calls)
			require.Equal(t, executors.FinishStop, res.FinishReason)
			require.Contains(t, string(res.State), `"context":"`)
			require.NotContains(t, string(res.State), "task", "it is done")
			require.Equal(t, "Good day! Müller here.", strings.Join(deltas, ""))
			if c.deltas != nil {
				require.Equal(t, c.deltas, deltas)
			}
			require.Equal(t, c.attaches, attaches)
		})
	}
}

// heard collects what an agent is told.
type received struct {
	mu       sync.Mutex
	messages []*sdk.Message
}

func (h *received) add(m *sdk.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, m)
}

func (h *received) all() []*sdk.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.messages)
}

// The agent keeps the conversation: what follows carries only what is new.
func TestCarriesTheContext(t *testing.T) { eachBinding(t, testCarriesTheContext) }

func testCarriesTheContext(t *testing.T, v version) {
	t.Parallel()
	var h received
	server, _ := v.serveSDK(t, true, func(ctx context.Context, say func(sdk.Event), req *a2asrv.RequestContext) error {
		h.add(req.Message)
		return inTask(ctx, say, req)
	})
	e := newExecutor(t, server)
	req := executortest.Request("c1", "Hi")
	res, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	next := executortest.Next(req, res, "Where is my parcel?")
	_, err = e.Execute(t.Context(), next)
	require.NoError(t, err)
	next.Attempt = 2
	_, err = e.Execute(t.Context(), next)
	require.NoError(t, err)

	got := h.all()
	require.Len(t, got, 3)
	require.Equal(t, sdk.ContentParts{sdk.TextPart{Text: "Where is my parcel?"}}, got[1].Parts)
	require.NotEmpty(t, got[1].ContextID)
	require.Empty(t, got[1].TaskID)
	require.Equal(t, got[1].ID, got[2].ID, "both attempts say the same")
	require.NotEqual(t, got[0].ID, got[1].ID)
	require.NotContains(t, got[1].ID, "test/p1")
}

// An agent that asks gets the answer in the same task.
func TestInputRequired(t *testing.T) { eachBinding(t, testInputRequired) }

func testInputRequired(t *testing.T, v version) {
	t.Parallel()
	for mode, streaming := range map[string]bool{"Streaming": true, "Polled": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var h received
			server, _ := v.serveSDK(t, streaming, func(_ context.Context, say func(sdk.Event), req *a2asrv.RequestContext) error {
				h.add(req.Message)
				if req.StoredTask == nil {
					say(sdk.NewStatusUpdateEvent(req, sdk.TaskStateSubmitted, nil))
					say(sdk.NewArtifactEvent(req, sdk.TextPart{Text: "Found two orders."}))
					say(final(req, sdk.TaskStateInputRequired, "Which of them?"))
					return nil
				}
				say(sdk.NewStatusUpdateEvent(req, sdk.TaskStateWorking, nil))
				say(sdk.NewArtifactEvent(req, sdk.TextPart{Text: "It is on its way."}))
				say(final(req, sdk.TaskStateCompleted, "Done."))
				return nil
			})
			e := newExecutor(t, server)
			req := executortest.Request("c1", "Where is my order?")
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, "Found two orders.\n\nWhich of them?", res.Message.Text())
			var state struct {
				Context, Task, Question string
				Artifacts               int
			}
			require.NoError(t, json.Unmarshal(res.State, &state))
			require.NotEmpty(t, state.Context)
			require.NotEmpty(t, state.Task)
			require.NotEmpty(t, state.Question)
			require.Equal(t, 1, state.Artifacts)

			// The SDK's server tells of a task's question before it takes an answer, and has
			// an internal error in between. Tried again, as Temporal does, it takes it.
			next := executortest.Next(req, res, "The second.")
			for range 1000 {
				if res, err = e.Execute(t.Context(), next); !conversation.IsKind(err, down) {
					break
				}
			}
			require.NoError(t, err)
			require.Equal(t, "It is on its way.\n\nDone.", res.Message.Text())
			require.NotContains(t, string(res.State), "task", "it is done")
			got := h.all()
			require.Len(t, got, 2)
			require.Equal(t, state.Task, string(got[1].TaskID))
			require.Equal(t, state.Context, got[1].ContextID)
		})
	}
}

// What has the agent been told of messages that are not the other side's?
func TestMessages(t *testing.T) { eachBinding(t, testMessages) }

func testMessages(t *testing.T, v version) {
	t.Parallel()
	user := func(text string) conversation.Message { return conversation.Text(conversation.RoleUser, text) }
	data := func(json string) conversation.Part {
		return conversation.Part{Type: conversation.PartData, Data: []byte(json)}
	}
	for name, c := range map[string]struct {
		messages []conversation.Message
		new      int
		state    string
		want     string
	}{
		"Opens":     {nil, 0, "", `[{"kind":"text","text":"` + a2a.DefaultOpening + `"}]`},
		"OnlyNotes": {[]conversation.Message{conversation.Text(conversation.RoleSystem, "VIP.")}, 1, "", `[{"kind":"text","text":"The conversation so far:\n\nNote: VIP."},{"kind":"text","text":"` + a2a.DefaultOpening + `"}]`},
		"TwoTexts":  {[]conversation.Message{user("A"), user("B")}, 2, "", `[{"kind":"text","text":"A"},{"kind":"text","text":"B"}]`},
		"NewOnly":   {[]conversation.Message{user("A"), conversation.Text(conversation.RoleAssistant, "B"), user("C")}, 1, `{"context": "c1"}`, `[{"kind":"text","text":"C"}]`},
		"BadState":  {[]conversation.Message{user("A"), user("C")}, 1, `"x"`, `[{"kind":"text","text":"A"},{"kind":"text","text":"C"}]`},
		"Transcript": {
			[]conversation.Message{
				user("A"), conversation.Text(conversation.RoleAssistant, "B"),
				conversation.ToolResultMessage(conversation.ToolResult{CallID: "1", Content: "found"}), user("C"),
			}, 4, "", `[{"kind":"text","text":"The conversation so far:\n\nUser: A\n\nAgent: B\n\nTool: found"},{"kind":"text","text":"C"}]`,
		},
		"Data": {
			[]conversation.Message{{Role: conversation.RoleUser, Parts: []conversation.Part{data(`{"id": 12345678901234567890}`), data(`[1]`)}}}, 1, "",
			`[{"kind":"data","data":{"id":12345678901234567890}},{"kind":"text","text":"[1]"}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got json.RawMessage
			server := v.serve(t, false, func(w http.ResponseWriter, r *http.Request) {
				var asked struct {
					Params struct {
						Message struct{ Parts json.RawMessage }
					}
				}
				_ = json.NewDecoder(r.Body).Decode(&asked)
				got = asked.Params.Message.Parts
				modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
			})
			req := executortest.Request("c1", "")
			req.Messages, req.New = c.messages, c.new
			if c.state != "" {
				req.State = json.RawMessage(c.state)
			}
			_, err := newExecutor(t, server).Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, c.want, string(got)) //nolint:testifylint // long numbers are the point
		})
	}
}

// An agent that takes no JSON gets data as text.
func TestDataForAgentsOfText(t *testing.T) {
	t.Parallel()
	var parts sdk.ContentParts
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+cardPath, func(w http.ResponseWriter, _ *http.Request) {
		modeltest.WriteJSON(w, http.StatusOK, `{"name": "n", "url": "/", "defaultInputModes": ["text/plain"]}`)
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		var c call
		_ = json.NewDecoder(r.Body).Decode(&c)
		parts = c.Params.Message.Parts
		modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
	})
	req := executortest.Request("c1", "")
	req.Messages = []conversation.Message{{Role: conversation.RoleUser, Parts: []conversation.Part{{Type: conversation.PartData, Data: []byte(`{"a": 1}`)}}}}
	_, err := newExecutor(t, modeltest.NewServer(t, mux)).Execute(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, sdk.ContentParts{sdk.TextPart{Text: `{"a": 1}`}}, parts)
}

// What a reply is made of.
func TestAnswers(t *testing.T) { eachBinding(t, testAnswers) }

func testAnswers(t *testing.T, v version) {
	t.Parallel()
	for name, c := range map[string]struct {
		events []string // the last one is also the whole answer's
		want   string
		data   string
	}{
		"Message":        {[]string{reply("Hello")}, "Hello", ""},
		"TwoTexts":       {[]string{`{"kind": "message", "messageId": "m", "role": "agent", "parts": [{"kind": "text", "text": "A"}, {"kind": "text", "text": "B"}]}`}, "A\n\nB", ""},
		"Status":         {[]string{status("completed", "Hello")}, "Hello", ""},
		"Artifact":       {[]string{task("working", "", "Hel"), task("completed", "", "Hello")}, "Hello", ""},
		"ArtifactStatus": {[]string{task("completed", "Done.", "Hello", "World")}, "Hello\n\nWorld\n\nDone.", ""},
		"SaidTwice":      {[]string{task("completed", "World", "Hello", "World")}, "Hello\n\nWorld", ""},
		"Asks":           {[]string{task("input-required", "Which?")}, "Which?", ""},
		"OnlyProgress":   {[]string{task("working", "Hello"), `{"kind": "task", "id": "t1", "contextId": "c1", "status": {"state": "completed"}, "history": [{"kind": "message", "role": "user", "messageId": "1", "parts": [{"kind": "text", "text": "Hi"}]}, {"kind": "message", "role": "agent", "messageId": "2", "parts": [{"kind": "text", "text": "Hello"}]}]}`}, "Hello", ""},
		"Data":           {[]string{`{"kind": "message", "messageId": "m", "role": "agent", "parts": [{"kind": "text", "text": "Here"}, {"kind": "data", "data": {"n": 12345678901234567890}}]}`}, "Here", `{"n": 12345678901234567890}`},
		"OnlyData":       {[]string{`{"kind": "message", "messageId": "m", "role": "agent", "parts": [{"kind": "data", "data": {"n": 1}}]}`}, "", `{"n": 1}`},
		"Link":           {[]string{`{"kind": "message", "messageId": "m", "role": "agent", "parts": [{"kind": "text", "text": "See"}, {"kind": "file", "file": {"uri": "https://a.example/f"}}]}`}, "See\n\nhttps://a.example/f", ""},
		"UnknownPart":    {[]string{`{"kind": "message", "messageId": "m", "role": "agent", "parts": [{"kind": "video"}, {"kind": "text", "text": "Hello"}]}`}, "Hello", ""},
		"WithoutKinds":   {[]string{`{"messageId": "m", "role": "agent", "parts": [{"text": "Hello"}]}`}, "Hello", ""},
		"UnknownEvent":   {[]string{`{"kind": "weather"}`, reply("Hello")}, "Hello", ""},
	} {
		for mode, streaming := range map[string]bool{"Streaming": true, "Whole": false} {
			t.Run(name+mode, func(t *testing.T) {
				t.Parallel()
				server := v.serveRaw(t, streaming, func(w http.ResponseWriter, _ *http.Request, _ call) {
					if streaming {
						writeEvents(w, c.events...)
					} else {
						modeltest.WriteJSON(w, http.StatusOK, result(c.events[len(c.events)-1]))
					}
				})
				req := executortest.Request("c1", "Hi")
				streamed := ""
				req.OnDelta = func(text string) { streamed += text }
				res, err := newExecutor(t, server).Execute(t.Context(), req)
				require.NoError(t, err)
				require.Equal(t, c.want, res.Message.Text())
				require.Equal(t, c.want, streamed)
				if c.data != "" {
					require.Equal(t, c.data, string(res.Message.Parts[len(res.Message.Parts)-1].Data)) //nolint:testifylint // long numbers are the point
				} else {
					require.Len(t, res.Message.Parts, 1)
				}
			})
		}
	}
}

// The text may come in any order, and be longer than a buffer.
func TestStreams(t *testing.T) { eachBinding(t, testStreams) }

func testStreams(t *testing.T, v version) {
	t.Parallel()
	long := strings.Repeat("x", 300<<10)
	for name, c := range map[string]struct {
		events   []string
		want     string
		streamed string // what was told, where that is not what it has become
	}{
		"Pieces":      {[]string{task("submitted", ""), ": still here", piece("a", "Hel", false), piece("a", "lo", true), status("completed", "")}, "Hello", ""},
		"TwoAtATime":  {[]string{piece("a", "A", false), piece("b", "B", false), piece("b", "B", true), status("completed", "")}, "A\n\nBB", ""},
		"Closing":     {[]string{piece("a", "A", false), status("completed", "Bye.")}, "A\n\nBye.", ""},
		"Alternating": {[]string{piece("a", "A", false), piece("b", "B", false), piece("a", "A", true), status("completed", "")}, "AA\n\nB", "A\n\nB"},
		"Replaced":    {[]string{piece("a", "Draft", false), piece("a", "Final", false), status("completed", "")}, "Final", "Draft"},
		"Grown":       {[]string{piece("a", "Dra", false), piece("a", "Draft", false), status("completed", "")}, "Draft", ""},
		"LongLine":    {[]string{piece("a", long, false), status("completed", "")}, long, ""},
		"InOnePiece":  {[]string{"whole"}, "Hello", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := v.serveRaw(t, true, func(w http.ResponseWriter, _ *http.Request, asked call) {
				if asked.Method != "message/stream" {
					t.Errorf("asked for %s", asked.Method)
				}
				if c.events[0] == "whole" {
					modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
					return
				}
				writeEvents(w, c.events...)
			})
			req := executortest.Request("c1", "Hi")
			streamed := ""
			req.OnDelta = func(text string) { streamed += text }
			res, err := newExecutor(t, server).Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, c.want, res.Message.Text())
			if c.streamed == "" {
				c.streamed = c.want
			}
			require.Equal(t, c.streamed, streamed)
		})
	}
}

// What is asked for.
func TestAsks(t *testing.T) { eachBinding(t, testAsks) }

func testAsks(t *testing.T, v version) {
	t.Parallel()
	var got call
	var header http.Header
	server := v.serveRaw(t, false, func(w http.ResponseWriter, r *http.Request, c call) {
		got, header = c, r.Header.Clone()
		modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
	})
	e := newExecutor(t, server, func(c *a2a.Config) { c.Accept, c.Model = []string{"text/plain"}, "m" })
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, "m", res.Model)
	require.Equal(t, "message/send", got.Method)
	require.Equal(t, []string{"text/plain"}, got.Params.Config.Accept)
	require.False(t, *got.Params.Config.Blocking)
	require.Equal(t, sdk.MessageRoleUser, got.Params.Message.Role)
	require.Empty(t, header.Get("Idempotency-Key"), "with it, Go's client would send the message twice")
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := a2a.New(a2a.Config{
		URL: "http://user:" + token + "@host#frag", Endpoint: "host", BearerToken: "a b", Streaming: "yes", Accept: []string{" "},
		Headers:      map[string]secret.String{"Idempotency-Key": "x", "Accept": "y", "Bad Name": "z", "Authorization": "w"},
		Timeout:      -time.Second,
		PollInterval: -1, MaxReplyBytes: -1,
	})
	require.Error(t, err)
	for _, want := range []string{
		"a2a: ", "url contains a user name", "url contains a fragment", "endpoint is no address", "bearer_token contains a space",
		`streaming is "yes": write auto or off`, "accept[0] is empty", "Idempotency-Key cannot be set", "Accept cannot be set",
		`headers.Bad Name is no name`, "Authorization is what bearer_token sets", "timeout is -1s", "poll_interval is -1ns", "max_reply_bytes is -1",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), token)
	_, err = a2a.New(a2a.Config{})
	require.ErrorContains(t, err, "url is missing")
}
