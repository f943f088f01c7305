package examples_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
)

// run makes an executor that runs an example's program.
func run(t *testing.T, cfg command.Config, dir string) *command.Executor {
	t.Helper()
	cfg.Dir = dir
	e, err := command.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func TestPlainAsProgram(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	cfg := configured[command.Config](t, "python", "plain-command")
	executortest.Run(t, executortest.Fixture{New: func(t *testing.T) executors.Executor { return run(t, cfg, "python") }})
	orderDesk(t, run(t, cfg, "python"))
}

func TestPlainOverHTTP(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	u := start(t, "python", []string{"AGENT_TOKEN=" + token, "AGENT_HMAC_SECRET=" + hmacSecret}, "python3", "plain.py", "--http", "0")
	for name, stream := range map[string]bool{"Streaming": true, "Whole": false} {
		t.Run(name, func(t *testing.T) {
			cfg := configured[agent.Config](t, "python", "plain-http")
			cfg.Stream = stream
			executortest.Run(t, executortest.Fixture{
				New:     func(t *testing.T) executors.Executor { return moved(t, cfg, u) },
				Secrets: []string{token, hmacSecret},
			})
			orderDesk(t, moved(t, cfg, u))

			wrong := cfg // the suite's cases run later, with theirs
			wrong.BearerToken = "another-token"
			_, err := moved(t, wrong, u).Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.True(t, conversation.IsKind(err, conversation.Unauthorized), "%v", err)
			wrong.BearerToken, wrong.HMAC.Secret = token, "another-shared-secret"
			_, err = moved(t, wrong, u).Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.True(t, conversation.IsKind(err, conversation.Unauthorized), "%v", err)
		})
	}
}

// orderDesk has the conversation that the plain agent is made for.
func orderDesk(t *testing.T, e executors.Executor) {
	t.Helper()
	req := executortest.Request("orders", "Hello?")
	for _, turn := range []struct{ say, hear string }{
		{"Where is it?", "What is your order's number?"},
		{"It is 12345.", "Sorry to ask again: what is your order's number?"},
		{"Thanks, bye!", "Order 12345 is on its way and arrives tomorrow."},
		{"", "Goodbye, and thank you for your patience!"},
	} {
		res, err := e.Execute(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, turn.hear, res.Message.Text())
		require.Equal(t, turn.say == "", res.End)
		req = executortest.Next(req, res, turn.say)
	}
	_, err := e.Execute(t.Context(), executortest.Request("weapons", "Do you sell weapons?"))
	require.True(t, conversation.IsKind(err, conversation.Refused), "%v", err)
}
