package openai_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/openai"
)

func TestWindows(t *testing.T) {
	t.Parallel()
	modeltest.RunWindows(t, received)
}

func TestInventedTools(t *testing.T) {
	t.Parallel()
	modeltest.RunInventedTools(t, received)
}

// received has the executor reply to a request, and returns the messages that its server
// got.
func received(t *testing.T, keep int, req executors.Request) []modeltest.Turn {
	calls := make(chan call, 1)
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
		calls <- c
		speak(w, c, "ok")
	}), func(cfg *openai.Config) { cfg.MaxHistoryMessages = keep })
	_, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	var out []modeltest.Turn
	for _, m := range (<-calls).All["messages"].([]any) {
		body, _ := json.Marshal(m)
		out = append(out, modeltest.Turn{Role: m.(map[string]any)["role"].(string), Body: string(body)})
	}
	return out
}
