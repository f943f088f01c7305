package endtoend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/iiiserve"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/iiiengine"
	"github.com/parley-run/parley/workflows"
)

// iiiRig is an engine, and what Parleys on it have in common.
type iiiRig struct {
	name     string
	engine   *iiitest.Engine
	agents   []config.Agent
	registry *executors.Registry
	client   client.Client // of the worker
	served   client.Client // of what it serves; nil: client
	launcher launch.Launcher
}

var iiiRigs atomic.Int64

// newIIIRig has one agent of a name of its own, which the executor speaks for.
func newIIIRig(t *testing.T, era iii.Era, executor executors.Executor) *iiiRig {
	t.Helper()
	return newIIIRigOn(t, iiitest.Options{Era: era}, executor)
}

// newIIIRigOn has an engine with these options.
func newIIIRigOn(t *testing.T, opts iiitest.Options, executor executors.Executor) *iiiRig {
	t.Helper()
	r := &iiiRig{
		name: fmt.Sprintf("iii-%d", iiiRigs.Add(1)), registry: executors.NewRegistry(),
		engine: iiitest.Start(t, opts), client: localstacktest.Client(t),
	}
	require.NoError(t, r.registry.Add("agent", executor, executors.About{Backend: "test"}))
	r.agents = []config.Agent{{Name: "desk-of-" + r.name, Agent: "id-of-" + r.name, Policy: conversation.Policy{Executor: "agent"}}}
	r.launcher = launch.Launcher{Client: r.client, TaskQueue: "test-" + r.name}
	return r
}

func (r *iiiRig) agent() string { return r.agents[0].Name }

// start runs a Parley on the engine: a worker and what it serves. Stopping it is what
// a process does that receives SIGTERM.
func (r *iiiRig) start(t *testing.T, change func(*iiiengine.Config)) (stop func()) {
	t.Helper()
	cfg := iiiengine.Defaults()
	cfg.Name, cfg.URL, cfg.ReplicaInterval = r.name, r.engine.URL(), 200*time.Millisecond
	if change != nil {
		change(&cfg)
	}
	p, err := iiiengine.New(cfg)
	require.NoError(t, err)
	w := worker.New(r.client, r.launcher.TaskQueue, worker.Options{
		WorkerStopTimeout: 4 * time.Second, MaxHeartbeatThrottleInterval: time.Second, DisableEagerActivities: true,
		DeadlockDetectionTimeout: rig.DeadlockDetection,
	})
	workflows.Register(w)
	conversations, err := activities.NewConversation(activities.Config{
		Platforms: map[string]platforms.Instance{r.name: p.Instance()}, Executors: r.registry,
		Transcripts: launch.Runs{Launcher: r.launcher}, Heartbeats: r.client, Drain: 4 * time.Second,
	})
	require.NoError(t, err)
	conversations.Register(w)
	require.NoError(t, w.Start())
	launcher := r.launcher
	if r.served != nil {
		launcher.Client = r.served
	}
	server, err := iiiserve.New(iiiserve.Config{
		Platform: p, Agents: r.agents, Launcher: launcher,
		Operator: &operate.Operator{Reader: &records.Reader{Client: launcher.Client, TaskQueue: launcher.TaskQueue}},
	})
	require.NoError(t, err)
	require.NoError(t, server.Start())
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Stop(ctx) // what it says is in the calls' answers
		w.Stop()
		_ = p.Close()
	})
	t.Cleanup(stop)
	return stop
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	t.Cleanup(cancel)
	return ctx
}

// ready waits until the functions are served.
func (r *iiiRig) ready(t *testing.T, more ...string) {
	t.Helper()
	require.NoError(t, r.engine.Wait(soon(t), func() bool {
		for _, id := range append([]string{"start", "send", "get", "list", "end"}, more...) {
			if !strings.Contains(id, "::") {
				id = "conversation::" + id
			}
			if !r.engine.Serves("", id) {
				return false
			}
		}
		return true
	}), "the functions are not served")
}

// caller is another worker of the engine.
func (r *iiiRig) caller(t *testing.T) *iii.Worker {
	t.Helper()
	w, err := iii.Connect(t.Context(), iii.Options{URL: r.engine.URL(), Name: "caller-" + fmt.Sprint(iiiRigs.Add(1))})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	return w
}

type object = map[string]any

// call calls a function and decodes its answer.
func call[T any](t *testing.T, w *iii.Worker, id string, data any) (out T, err error) {
	t.Helper()
	answer, err := w.Invoke(t.Context(), id, data, iii.Timeout(time.Minute))
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(answer, &out)
}

func mustCall(t *testing.T, w *iii.Worker, id string, data any) object {
	t.Helper()
	out, err := call[object](t, w, id, data)
	require.NoError(t, err)
	return out
}

func requireCode(t *testing.T, code string, err error) {
	t.Helper()
	require.True(t, iii.HasCode(err, code), "%v is not %s", err, code)
}

var iiiEras = []iii.Era{iii.EraA, iii.EraB, iii.EraC, iii.EraD, iii.EraE, iii.EraF}

func TestIIIFunctions(t *testing.T) {
	t.Parallel()
	for _, era := range iiiEras {
		t.Run("era "+era.String(), func(t *testing.T) {
			t.Parallel()
			agent := &parrot{}
			r := newIIIRig(t, era, agent)
			r.start(t, func(c *iiiengine.Config) { c.AgentChat = true })
			r.ready(t, "agent::chat")
			w := r.caller(t)

			begun := mustCall(t, w, "conversation::start", object{"agentId": r.agent(), "conversationId": "c1"})
			require.Equal(t, object{"conversationId": "c1", "workflowId": "direct/" + r.agent() + "/c1", "started": true}, begun)
			again := mustCall(t, w, "conversation::start", object{"agentId": "id-of-" + r.name, "conversationId": "c1"})
			require.Equal(t, false, again["started"])
			for range 2 { // the caller that tries again
				said := mustCall(t, w, "conversation::send", object{"conversationId": "c1", "message": "hello", "messageId": "m1"})
				require.Equal(t, object{
					"conversationId": "c1", "messageId": "m1", "reply": "1: hello", "turn": 1.0, "ended": false,
				}, said)
			}
			require.Equal(t, 1, agent.times("c1", "hello"))
			said := mustCall(t, w, "conversation::send", object{"agentId": r.agent(), "conversationId": begun["workflowId"], "message": "and?"})
			require.Equal(t, "3: and?", said["reply"])

			opened := mustCall(t, w, "conversation::start", object{"message": "first", "messageId": "once"})
			require.Equal(t, "1: first", opened["reply"])
			require.Equal(t, true, opened["started"])
			opened["started"] = false
			require.Equal(t, opened, mustCall(t, w, "conversation::start", object{"message": "first", "messageId": "once"}))

			for range 2 {
				chat := mustCall(t, w, "agent::chat", object{"agentId": r.agent(), "message": "hi", "sessionId": "telegram:7", "messageId": "t1", "systemPrompt": "x"})
				require.Equal(t, "1: hi", chat["content"])
				require.Zero(t, chat["iterations"])
			}
			chat := mustCall(t, w, "agent::chat", object{"agentId": r.agent(), "message": "hi again", "sessionId": "telegram:7"})
			require.Equal(t, "3: hi again", chat["content"])
			require.Contains(t, chat, "model")
			require.Contains(t, chat, "durationMs")

			got, err := call[struct {
				Status   string
				Open     bool
				AgentID  string
				Turns    int
				Total    int
				Messages []struct {
					Index      int
					Role, Text string
				}
			}](t, w, "conversation::get", object{"conversationId": "c1", "from": 2})
			require.NoError(t, err)
			require.Equal(t, "listening", got.Status)
			require.True(t, got.Open)
			require.Equal(t, r.agent(), got.AgentID)
			require.Equal(t, 4, got.Total)
			require.Len(t, got.Messages, 2)
			require.Equal(t, "and?", got.Messages[0].Text)
			require.Equal(t, "assistant", got.Messages[1].Role)

			rig.Eventually(t, func() bool { // visibility is a moment behind
				listed := mustCall(t, w, "conversation::list", object{"agentId": r.agent(), "status": "open", "limit": 2})
				return listed["total"] == 3.0 && len(listed["conversations"].([]any)) == 2
			})

			require.Equal(t, true, mustCall(t, w, "conversation::end", object{"conversationId": "c1", "reason": "enough"})["ended"])
			rig.Eventually(t, func() bool {
				return mustCall(t, w, "conversation::get", object{"conversationId": "c1"})["open"] == false
			})
			require.Equal(t, false, mustCall(t, w, "conversation::end", object{"conversationId": "c1"})["ended"])
			said = mustCall(t, w, "conversation::send", object{"conversationId": "c1", "message": "hello", "messageId": "m1"})
			require.Equal(t, "1: hello", said["reply"], "it is over, but this was answered")

			for _, row := range []struct {
				function, code string
				data           any
				text           string
			}{
				{"start", "unknown_agent", object{"agentId": "unknown"}, "desk-of-"},
				{"start", "invalid_input", "hello", "must be an object"},
				{"start", "invalid_input", object{"agentId": 7}, "agentId is a number"},
				{"start", "invalid_input", object{"idleTimeout": "soon"}, "idleTimeout"},
				{"start", "invalid_input", object{"idleTimeout": "5m", "personaFunction": "p::p"}, "idleTimeout is for"},
				{"start", "conversation_over", object{"conversationId": "c1"}, "over"},
				{"start", "conversation_over", object{"conversationId": begun["workflowId"]}, "over"},
				{"start", "invalid_input", object{"conversationId": "café"}, "must be printable ASCII"},
				{"send", "invalid_input", object{"conversationId": "café", "message": "?"}, "must be printable ASCII"},
				{"get", "invalid_input", object{"conversationId": "a\u0085b"}, "must be printable ASCII"},
				{"start", "invalid_input", object{"conversationId": "c1", "personaFunction": "persona::p"}, "another conversationId"},
				{"start", "refused", object{"personaFunction": "state::set"}, "persona::*"},
				{"send", "invalid_input", object{"conversationId": "c1", "message": "?", "messageId": "a\x1b[2J"}, "not printable"},
				{"send", "invalid_input", object{"conversationId": "c1"}, "message is missing"},
				{"send", "conversation_not_found", object{"conversationId": "c2", "message": "?"}, "conversation::start begins one"},
				{"send", "conversation_over", object{"conversationId": "c1", "message": "?"}, "over"},
				{"get", "conversation_not_found", object{"conversationId": "c2"}, "c2"},
				{"get", "invalid_input", object{}, "conversationId is missing"},
				{"list", "invalid_input", object{"limit": 1000}, "500"},
				{"list", "invalid_input", object{"status": "asleep"}, "unknown status"},
				{"end", "conversation_not_found", object{"conversationId": "c2"}, "c2"},
			} {
				_, err := call[object](t, w, "conversation::"+row.function, row.data)
				requireCode(t, row.code, err)
				require.ErrorContains(t, err, row.text)
			}
			require.Empty(t, r.engine.Faults())
		})
	}
}

// Conversations are distinguished by their agents, and found without them.
func TestIIISeveralAgents(t *testing.T) {
	t.Parallel()
	r := newIIIRig(t, iii.EraC, &parrot{})
	r.agents = append(r.agents, config.Agent{Name: "second-of-" + r.name, Policy: conversation.Policy{Executor: "agent"}})
	r.start(t, nil)
	r.ready(t)
	w := r.caller(t)
	_, err := call[object](t, w, "conversation::start", object{"conversationId": "c1"})
	requireCode(t, "invalid_input", err)
	require.ErrorContains(t, err, "agentId is missing")
	for i, id := range []string{"c1", "c2", "c2"} {
		mustCall(t, w, "conversation::start", object{"conversationId": id, "agentId": r.agents[i/2].Name})
	}
	said := mustCall(t, w, "conversation::send", object{"conversationId": "c1", "message": "hello"})
	require.Equal(t, "1: hello", said["reply"])
	for _, function := range []string{"send", "get", "end"} {
		_, err = call[object](t, w, "conversation::"+function, object{"conversationId": "c2", "message": "hello"})
		requireCode(t, "invalid_input", err)
		require.ErrorContains(t, err, "direct/"+r.agents[1].Name+"/c2")
	}
	got := mustCall(t, w, "conversation::get", object{"conversationId": "direct/" + r.agents[1].Name + "/c2"})
	require.Equal(t, r.agents[1].Name, got["agentId"])
	require.Equal(t, "c2", got["conversationId"])
	require.Equal(t, true, mustCall(t, w, "conversation::end", object{"conversationId": "c2", "agentId": r.agents[1].Name})["ended"])
}

// A session of agent::chat is no second conversation beside one with a persona.
func TestIIIChatWhereAPersonaTalks(t *testing.T) {
	t.Parallel()
	r := newIIIRig(t, iii.EraC, &parrot{})
	r.start(t, func(c *iiiengine.Config) { c.AgentChat = true })
	r.ready(t, "agent::chat")
	w := r.caller(t)
	mustCall(t, w, "conversation::start", object{"conversationId": "ferns", "personaFunction": "persona::ada", "agentFirst": true})
	_, err := call[object](t, w, "agent::chat", object{"agentId": r.agent(), "message": "hi", "sessionId": "ferns"})
	requireCode(t, "invalid_input", err)
	require.ErrorContains(t, err, "persona::ada")
	require.Equal(t, "ferns", mustCall(t, w, "conversation::get", object{"conversationId": "ferns"})["conversationId"])
	mustCall(t, w, "conversation::end", object{"conversationId": "ferns"})
}

// personas are functions that speak as the user. They keep their answers by message
// id, as personas must.
type personas struct {
	mu     sync.Mutex
	calls  []iiiengine.PersonaRequest
	events []iiiengine.LifecycleEvent
}

func (p *personas) received() []iiiengine.LifecycleEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]iiiengine.LifecycleEvent(nil), p.events...)
}

// serve registers a persona that says these, one after the other, and ends.
func (p *personas) serve(t *testing.T, w *iii.Worker, lines ...any) {
	t.Helper()
	answers := map[string]any{}
	_, err := w.RegisterFunction(iii.Function{ID: "persona::ada", Handler: iii.Typed(func(_ context.Context, req iiiengine.PersonaRequest) (any, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.calls = append(p.calls, req)
		if _, again := answers[req.MessageID]; !again {
			answers[req.MessageID] = lines[len(answers)]
		}
		return answers[req.MessageID], nil
	})})
	require.NoError(t, err)
	_, err = w.RegisterFunction(iii.Function{ID: "persona::events", Handler: iii.Typed(func(_ context.Context, e iiiengine.LifecycleEvent) (any, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.events = append(p.events, e)
		return nil, nil
	})})
	require.NoError(t, err)
	_, err = w.RegisterTrigger(iii.SubscribeTrigger("conversation.lifecycle", "persona::events"))
	require.NoError(t, err)
}

func TestIIIPersona(t *testing.T) {
	t.Parallel()
	for _, era := range []iii.Era{iii.EraA, iii.EraC, iii.EraE} {
		t.Run("era "+era.String(), func(t *testing.T) {
			t.Parallel()
			r := newIIIRig(t, era, &parrot{})
			r.start(t, nil)
			r.ready(t)
			w := r.caller(t)
			p := &personas{}
			p.serve(t, w, "my fern is brown", object{"content": "since May"}, object{"message": object{"text": "thanks"}, "ended": true})
			require.NoError(t, r.engine.Wait(soon(t), func() bool { return r.engine.Bound("subscribe", "persona::events") == 1 }))

			begun := mustCall(t, w, "conversation::start", object{
				"conversationId": "ferns", "personaFunction": "persona::ada", "metadata": object{"ticket": 7},
			})
			require.Equal(t, r.name+"/"+r.agent()+"/ferns", begun["workflowId"])
			var out conversation.Outcome
			require.NoError(t, r.client.GetWorkflow(t.Context(), begun["workflowId"].(string), "").Get(soon(t), &out))
			require.Equal(t, "ended by persona", out.String())
			require.Equal(t, 5, out.Messages)

			p.mu.Lock()
			require.Len(t, p.calls, 3)
			require.True(t, p.calls[0].Opening)
			require.Equal(t, "ferns", p.calls[0].ConversationID)
			require.Equal(t, r.agent(), p.calls[0].AgentID)
			require.Equal(t, "1: my fern is brown", p.calls[1].Message)
			require.Equal(t, "3: since May", p.calls[2].Message)
			require.NotEqual(t, p.calls[1].MessageID, p.calls[2].MessageID)
			p.mu.Unlock()
			var events []string
			for i, e := range p.received() {
				require.Equal(t, i+1, e.Number)
				require.Equal(t, "persona::ada", e.PersonaFunction)
				events = append(events, fmt.Sprintf("%s %d", e.Type, e.Turn))
			}
			require.Equal(t, []string{"started 0", "replied 1", "replied 2", "ended 2"}, events)
			require.Equal(t, conversation.EndedByPersona, p.received()[3].Outcome.EndedBy)

			got := mustCall(t, w, "conversation::get", object{"conversationId": "ferns"})
			require.Equal(t, "persona::ada", got["personaFunction"])
			require.Len(t, got["messages"], 5)
			_, err := call[object](t, w, "conversation::send", object{"conversationId": "ferns", "message": "and I?"})
			requireCode(t, "invalid_input", err)
			require.ErrorContains(t, err, "it takes no messages")
			require.Equal(t, false, mustCall(t, w, "conversation::start", object{"conversationId": "ferns", "personaFunction": "persona::ada"})["started"])
			require.Empty(t, r.engine.Faults())
		})
	}
}

// A persona function that is not there yet is asked again; the agent may speak first.
func TestIIIPersonaThatComesLate(t *testing.T) {
	t.Parallel()
	r := newIIIRig(t, iii.EraC, &opener{})
	r.start(t, nil)
	r.ready(t)
	w := r.caller(t)
	mustCall(t, w, "conversation::start", object{"conversationId": "late", "personaFunction": "persona::ada", "agentFirst": true})
	require.NoError(t, r.engine.Wait(soon(t), func() bool {
		for _, f := range r.engine.Frames() {
			if f.Type == "invocationresult" && strings.Contains(string(f.Raw), "persona::ada") && strings.Contains(string(f.Raw), "function_not_found") {
				return true
			}
		}
		return false
	}))
	p := &personas{}
	p.serve(t, w, object{"end": true})
	var out conversation.Outcome
	require.NoError(t, r.client.GetWorkflow(t.Context(), r.name+"/"+r.agent()+"/late", "").Get(soon(t), &out))
	require.Equal(t, "ended by persona", out.String())
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Equal(t, "good day", p.calls[0].Message)
	require.False(t, p.calls[0].Opening)
}

// opener speaks first.
type opener struct{}

func (opener) Execute(context.Context, executors.Request) (executors.Result, error) {
	return executors.Result{Message: conversation.Text(conversation.RoleAssistant, "good day")}, nil
}

func TestIIIInbox(t *testing.T) {
	t.Parallel()
	for _, era := range []iii.Era{iii.EraA, iii.EraC, iii.EraE} {
		t.Run("era "+era.String(), func(t *testing.T) {
			t.Parallel()
			agent := &parrot{}
			r := newIIIRig(t, era, agent)
			r.start(t, nil)
			r.ready(t, "ingest")
			w := r.caller(t)
			dialect, err := w.Dialect(t.Context())
			require.NoError(t, err)
			require.NoError(t, r.engine.Wait(soon(t), func() bool { return r.engine.Bound(dialect.QueueTrigger, "conversation::ingest") > 0 }))

			// The same message comes again: one conversation, one reply.
			for range 3 {
				require.NoError(t, w.PublishDurable(t.Context(), "conversation.inbox", object{"agentId": r.agent(), "message": "a letter"}))
			}
			require.NoError(t, w.PublishDurable(t.Context(), "conversation.inbox", object{"message": "with an id", "conversationId": "letter-2"}))
			rig.Eventually(t, func() bool {
				listed := mustCall(t, w, "conversation::list", object{"agentId": r.agent()})
				return listed["total"] == 2.0
			})
			listed := mustCall(t, w, "conversation::list", object{})
			for _, c := range listed["conversations"].([]any) {
				id := c.(object)["conversationId"].(string)
				rig.Eventually(t, func() bool {
					return mustCall(t, w, "conversation::get", object{"conversationId": id})["total"] == 2.0
				}, id)
				require.LessOrEqual(t, agent.times(id, "a letter"), 1)
			}
			require.Equal(t, 1, agent.times("letter-2", "with an id"))

			// What can never be started ends where bad messages go.
			require.NoError(t, w.PublishDurable(t.Context(), "conversation.inbox", object{"agentId": "unknown"}))
			given := func(n int) { // an engine's retries take half a minute
				ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
				defer cancel()
				require.NoError(t, r.engine.Wait(ctx, func() bool { return len(r.engine.DeadLetters()) == n }))
			}
			given(1)
			require.Contains(t, r.engine.DeadLetters()[0].Cause, "unknown")

			// A conversation that is over still has its replies, and takes no message.
			mustCall(t, w, "conversation::end", object{"conversationId": "letter-2"})
			rig.Eventually(t, func() bool {
				return mustCall(t, w, "conversation::get", object{"conversationId": "letter-2"})["open"] == false
			})
			require.NoError(t, w.PublishDurable(t.Context(), "conversation.inbox", object{"message": "with an id", "conversationId": "letter-2"}))
			require.NoError(t, w.PublishDurable(t.Context(), "conversation.inbox", object{"message": "more", "conversationId": "letter-2"}))
			given(2)
			require.Contains(t, string(r.engine.DeadLetters()[1].Data), "more")
			require.Contains(t, r.engine.DeadLetters()[1].Cause, "over")
			require.Equal(t, 1, agent.times("letter-2", "with an id"))
		})
	}
}
