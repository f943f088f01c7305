package iiiserve_test

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

type object = map[string]any

// An agent answers with the number of messages and the newest text.
type agent struct {
	mu    sync.Mutex
	calls map[string]int // by the newest text
	fault atomic.Pointer[conversation.Error]
	block chan struct{} // if not nil: the answer to "wait" comes once it is closed
}

func (a *agent) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	text := req.Messages[len(req.Messages)-1].Text()
	if err := a.fault.Load(); err != nil {
		return executors.Result{}, err
	}
	a.mu.Lock()
	if a.calls == nil {
		a.calls = map[string]int{}
	}
	a.calls[text]++
	a.mu.Unlock()
	if text == "wait" && a.block != nil {
		select {
		case <-a.block:
		case <-ctx.Done():
			return executors.Result{}, ctx.Err()
		}
	}
	return executors.Result{
		Message: conversation.Text(conversation.RoleAssistant, fmt.Sprintf("%d: %s", len(req.Messages), text)), End: text == "bye",
	}, nil
}

func (a *agent) called(text string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[text]
}

// A setup is an engine, a worker of Parley with what it serves, and a caller.
type setup struct {
	*testing.T
	engine *iiitest.Engine
	caller *iii.Worker
	client client.Client
	agent  *agent
	name   string // of the platform, and in the agents' names
	server *iiiserve.Server
	stop   func()
}

var setups atomic.Int64

type options struct {
	era    iii.Era
	agents int           // default 1
	served client.Client // of the server; default: the worker's
	block  chan struct{}
	change func(*iiiengine.Config)
}

// serving returns once the functions are served.
func serving(t *testing.T, opts options) *setup {
	t.Helper()
	s := &setup{
		T: t, engine: iiitest.Start(t, iiitest.Options{Era: opts.era}), client: localstacktest.Client(t),
		agent: &agent{block: opts.block}, name: fmt.Sprintf("serve-%d", setups.Add(1)),
	}
	cfg := iiiengine.Defaults()
	cfg.Name, cfg.URL, cfg.ReplicaInterval = s.name, s.engine.URL(), 100*time.Millisecond
	if opts.change != nil {
		opts.change(&cfg)
	}
	p, err := iiiengine.New(cfg)
	require.NoError(t, err)
	launcher := launch.Launcher{Client: s.client, TaskQueue: s.name}
	w := s.work(p, launcher)
	if opts.served != nil {
		launcher.Client = opts.served
	}
	s.server, err = iiiserve.New(iiiserve.Config{
		Platform: p, Agents: s.agents(max(opts.agents, 1)), Launcher: launcher,
		Operator: &operate.Operator{Reader: &records.Reader{Client: launcher.Client, TaskQueue: launcher.TaskQueue}},
	})
	require.NoError(t, err)
	require.NoError(t, s.server.Start())
	s.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.server.Stop(ctx) // calls that still wait are the test's own
		w.Stop()
		_ = p.Close()
	})
	t.Cleanup(s.stop)
	s.caller, err = iii.Connect(t.Context(), iii.Options{URL: s.engine.URL(), Name: "caller"})
	require.NoError(t, err)
	t.Cleanup(s.caller.Close)
	s.ready()
	return s
}

// work runs a worker of conversations.
func (s *setup) work(p *iiiengine.Platform, launcher launch.Launcher) worker.Worker {
	s.Helper()
	registry := executors.NewRegistry()
	require.NoError(s, registry.Add("agent", s.agent, executors.About{Backend: "test"}))
	w := worker.New(s.client, s.name, worker.Options{
		WorkerStopTimeout: 4 * time.Second, MaxHeartbeatThrottleInterval: time.Second, DisableEagerActivities: true,
		DeadlockDetectionTimeout: rig.DeadlockDetection,
	})
	workflows.Register(w)
	conversations, err := activities.NewConversation(activities.Config{
		Platforms: map[string]platforms.Instance{s.name: p.Instance()}, Executors: registry,
		Transcripts: launch.Runs{Launcher: launcher}, Heartbeats: s.client, Drain: time.Second,
	})
	require.NoError(s, err)
	conversations.Register(w)
	require.NoError(s, w.Start())
	return w
}

// agents are "a0-<name>" with the id "id-a0-<name>", and so on.
func (s *setup) agents(n int) []config.Agent {
	var agents []config.Agent
	for i := range n {
		name := fmt.Sprintf("a%d-%s", i, s.name)
		agents = append(agents, config.Agent{Name: name, Agent: "id-" + name, Policy: conversation.Policy{Executor: "agent"}})
	}
	return agents
}

func (s *setup) agentName(i int) string { return fmt.Sprintf("a%d-%s", i, s.name) }

// ready waits until every function is served, that of the inbox's messages too.
func (s *setup) ready() {
	s.Helper()
	require.NoError(s, s.engine.Wait(s.soon(), func() bool {
		for _, id := range []string{"start", "send", "get", "list", "end", "ingest"} {
			if !s.engine.Serves("", "conversation::"+id) {
				return false
			}
		}
		return true
	}), "the functions are not served")
}

func (s *setup) soon() context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), rig.Patience)
	s.Cleanup(cancel)
	return ctx
}

// call calls a function, "conversation::" before its name where it has no service.
func (s *setup) call(function string, data any) (object, error) {
	s.Helper()
	if !strings.Contains(function, "::") {
		function = "conversation::" + function
	}
	answer, err := s.caller.Invoke(s.soon(), function, data, iii.Timeout(time.Minute))
	if err != nil {
		return nil, err
	}
	var out object
	return out, json.Unmarshal(answer, &out)
}

func (s *setup) must(function string, data any) object {
	s.Helper()
	out, err := s.call(function, data)
	require.NoError(s, err)
	return out
}

// fails requires an error with the code, whose text contains text.
func (s *setup) fails(code, text, function string, data any) {
	s.Helper()
	_, err := s.call(function, data)
	require.True(s, iii.HasCode(err, code), "%s %v: %v is not %s", function, data, err, code)
	require.ErrorContains(s, err, text)
}

// eventually waits until the conversation is as wanted.
func (s *setup) eventually(id string, wanted func(object) bool) {
	s.Helper()
	rig.Eventually(s, func() bool {
		got, err := s.call("get", object{"conversationId": id})
		return err == nil && wanted(got)
	})
}
