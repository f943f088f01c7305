package runagent_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/internal/runagenttest"
)

// key has characters that are written otherwise in an address.
const key = "ra-very/secret+key-0123456789"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harbour is an agent with an entrypoint of each sort.
func harbour() runagenttest.Agent {
	return runagenttest.Agent{
		ID: "harbour",
		Entrypoints: map[string]runagenttest.Entrypoint{
			"chat": func(context.Context, runagenttest.Call) (any, error) { return "Good day! Müller here.", nil },
			"echo": func(_ context.Context, c runagenttest.Call) (any, error) {
				return map[string]any{"args": c.Args, "kwargs": c.Kwargs}, nil
			},
			"fail": func(context.Context, runagenttest.Call) (any, error) {
				return nil, errors.New("the harbour is closed: permission of the master needed")
			},
		},
		Streams: map[string]runagenttest.Stream{
			"chat_stream": func(_ context.Context, _ runagenttest.Call, send func(any)) error {
				for _, text := range []string{"Good ", "day! ", "Müller here."} {
					send(text)
				}
				return nil
			},
			"mixed_stream": func(_ context.Context, _ runagenttest.Call, send func(any)) error {
				for _, chunk := range []any{"tide ", map[string]any{"metres": 3.5}, nil, "rising"} {
					send(chunk)
				}
				return nil
			},
			"fail_stream": func(_ context.Context, _ runagenttest.Call, send func(any)) error {
				send("One ")
				return errors.New("the harbour is closed")
			},
			"denied_stream": func(context.Context, runagenttest.Call, func(any)) error { return errors.New("permission denied") },
			"empty_stream":  func(context.Context, runagenttest.Call, func(any)) error { return nil },
		},
	}
}

// local makes an executor for agents on the server, as "runagent serve" has them.
func local(t *testing.T, server *runagenttest.Server, changes ...func(*runagent.Config)) *runagent.Executor {
	t.Helper()
	host, port := server.Address()
	return create(t, server, runagent.Config{Mode: runagent.ModeLocal, Host: host, Port: port}, changes)
}

// cloud makes an executor for the server as a cloud.
func cloud(t *testing.T, server *runagenttest.Server, changes ...func(*runagent.Config)) *runagent.Executor {
	t.Helper()
	server.RequireKey(key)
	return create(t, server, runagent.Config{URL: server.URL(), APIKey: key}, changes)
}

func create(t *testing.T, server *runagenttest.Server, cfg runagent.Config, changes []func(*runagent.Config)) *runagent.Executor {
	t.Helper()
	cfg.AgentID, cfg.Entrypoint, cfg.HTTPClient, cfg.CacheDir = "harbour", "chat", server.Client(), t.TempDir()
	for _, change := range changes {
		if change != nil {
			change(&cfg)
		}
	}
	e, err := runagent.New(cfg)
	require.NoError(t, err)
	return e
}

func entrypoint(tag string) func(*runagent.Config) {
	return func(c *runagent.Config) { c.Entrypoint = tag }
}

func unvalidated(c *runagent.Config) { c.Validate = new(bool) }

// task is a request whose task has that payload.
func task(payload string, metadata ...string) executors.Request {
	t := &conversation.Task{Type: "run_agent", Payload: json.RawMessage(payload)}
	if len(metadata) > 0 {
		t.Metadata = json.RawMessage(metadata[0])
	}
	req := executortest.Request("task", "")
	req.Messages = []conversation.Message{t.Message()}
	req.Task = t
	return req
}

func asError(t *testing.T, err error) *conversation.Error {
	t.Helper()
	require.Error(t, err)
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.NotContains(t, err.Error(), "ra-very")
	return ce
}

func read(t *testing.T, res *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(data)
}
