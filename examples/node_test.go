package examples_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
)

func TestNode(t *testing.T) {
	t.Parallel()
	needs(t, "node")
	u := start(t, "node", nil, "node", "agent.mjs", "0")
	for name, stream := range map[string]bool{"Streaming": true, "Whole": false} {
		t.Run(name, func(t *testing.T) {
			cfg := configured[agent.Config](t, "node", "node")
			cfg.Stream = stream
			executortest.Run(t, executortest.Fixture{New: func(t *testing.T) executors.Executor { return moved(t, cfg, u) }})

			res, err := moved(t, cfg, u).Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.NoError(t, err)
			require.Equal(t, `You said "Hi". Tell me more.`, res.Message.Text())
			require.JSONEq(t, `{"turns": 1}`, string(res.State))
			require.Equal(t, "node-1", res.Model)
		})
	}
	t.Run("LongRun", func(t *testing.T) {
		e := moved(t, configured[agent.Config](t, "node", "node"), u)
		req := executortest.Request("long", "Do some research.")
		var place json.RawMessage
		req.OnAttach = func(token json.RawMessage) { place = token }
		res, err := e.Execute(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, "I looked into it: all is well.", res.Message.Text())
		require.Contains(t, string(place), "/runs?key=")

		req.Attempt, req.Attach = 2, place
		again, err := e.Execute(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, res, again, "the run is picked up")
	})
}
