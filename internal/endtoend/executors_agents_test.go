package endtoend_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/iiifunction"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/runagenttest"
)

// deployed is an agent behind RunAgent: it is given all that was said.
func deployed(stream bool) func(*testing.T) speaker {
	return func(t *testing.T) speaker {
		var all asks
		server := runagenttest.Start(t, recallingAgent(&all))
		cfg := runagent.Config{Mode: runagent.ModeLocal, AgentID: "a-1", Entrypoint: "chat", HistoryKey: "history", ReplyPath: "reply"}
		if stream {
			cfg.Entrypoint, cfg.ReplyPath = "chat_stream", ""
		}
		cfg.Host, cfg.Port = server.Address()
		e, err := runagent.New(cfg)
		require.NoError(t, err)
		return speaker{e, all.get}
	}
}

// recallingAgent is recalls on a RunAgent.
func recallingAgent(all *asks) runagenttest.Agent {
	heard := func(call runagenttest.Call) string {
		var known []string
		history, _ := call.Kwargs["history"].([]any)
		for _, m := range history {
			fields := m.(map[string]any)
			known = append(known, fields["role"].(string)+": "+fields["content"].(string))
		}
		return recalls(all.add(known, known)).Text
	}
	return runagenttest.Agent{
		ID: "a-1",
		Entrypoints: map[string]runagenttest.Entrypoint{"chat": func(_ context.Context, call runagenttest.Call) (any, error) {
			return map[string]any{"reply": heard(call)}, nil
		}},
		Streams: map[string]runagenttest.Stream{"chat_stream": func(_ context.Context, call runagenttest.Call, send func(any)) error {
			for _, word := range strings.SplitAfter(heard(call), " ") {
				send(word)
			}
			return nil
		}},
	}
}

// onEngine is an agent::chat on an iii engine: it keeps the conversation in its
// session.
func onEngine(t *testing.T) speaker {
	var all asks
	engine := iiitest.Start(t, iiitest.Options{Era: iii.EraC})
	serveChat(t, iii.Options{URL: engine.URL()}, recallingChat(&all))
	e, err := iiifunction.New(iiifunction.Config{URL: engine.URL(), AgentID: "support"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return speaker{e, all.get}
}

// serveChat has a worker serve agent::chat until the test ends.
func serveChat(t *testing.T, opts iii.Options, chat func(context.Context, iii.Invocation) (any, error)) {
	t.Helper()
	w, err := iii.Connect(context.Background(), opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		w.Close()
		<-w.Done()
	})
	_, err = w.RegisterFunction(iii.Function{ID: "agent::chat", Handler: chat})
	require.NoError(t, err)
}

// recallingChat is recalls as an agent::chat.
func recallingChat(all *asks) func(context.Context, iii.Invocation) (any, error) {
	var (
		mu       sync.Mutex
		sessions = map[string][]string{}
	)
	return func(_ context.Context, call iii.Invocation) (any, error) {
		var asked struct{ Message, SessionID string }
		if err := call.Decode(&asked); err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		line := "user: " + asked.Message
		known := append(sessions[asked.SessionID], line)
		text := recalls(all.add(known, []string{line})).Text
		sessions[asked.SessionID] = append(known, "assistant: "+text)
		return map[string]any{"content": text, "model": "standin-1", "iterations": 0}, nil
	}
}

// asks is what an agent was asked.
type asks struct {
	mu  sync.Mutex
	all []modelstandin.Asked
}

func (r *asks) add(known, lines []string) modelstandin.Asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := modelstandin.Asked{Known: append([]string(nil), known...), Lines: lines}
	r.all = append(r.all, asked)
	return asked
}

func (r *asks) get() []modelstandin.Asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all
}
