package endtoend_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/gemini"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

// Signed thoughts before a call go back with its result, through the workflow's history,
// and no further than that.
func TestThoughtsAreReturned(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		create     func(executors.ModelConfig) (executors.Executor, error)
		call, text string
		back       string
	}{
		"Anthropic": {
			func(c executors.ModelConfig) (executors.Executor, error) {
				return anthropic.New(anthropic.Config{ModelConfig: c})
			},
			`{"type":"message","model":"m","content":[{"type":"thinking","thinking":"the order","signature":"c2lnbmVk"},
				{"type":"tool_use","id":"t1","name":"look","input":{"id":9007199254740993}}],"stop_reason":"tool_use"}`,
			`{"type":"message","model":"m","content":[{"type":"text","text":"It is on its way."}],"stop_reason":"end_turn"}`,
			`{"signature":"c2lnbmVk","thinking":"the order","type":"thinking"},{"id":"t1","input":{"id":9007199254740993}`,
		},
		"Gemini": {
			func(c executors.ModelConfig) (executors.Executor, error) {
				return gemini.New(gemini.Config{ModelConfig: c})
			},
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"the order","thought":true},
				{"functionCall":{"id":"t1","name":"look","args":{"id":9007199254740993}},"thoughtSignature":"c2lnbmVk"}]},"finishReason":"STOP"}]}`,
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"It is on its way."}]},"finishReason":"STOP"}]}`,
			`{"functionCall":{"args":{"id":9007199254740993},"id":"t1","name":"look"},"thoughtSignature":"c2lnbmVk"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requests := make(chan string, 10)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				requests <- string(body)
				answer := row.text
				if len(requests) == 1 {
					answer = row.call
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, answer)
			}))
			t.Cleanup(server.Close)
			e, err := row.create(executors.ModelConfig{Model: "m", BaseURL: server.URL})
			require.NoError(t, err)
			box := rig.NewToolbox([]string{"look"})
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 5},
				Executor: e, Policy: conversation.Policy{Tools: []string{rig.ToolSet}}, Tools: box,
			})
			r.StartWorker(t)
			ref := r.Waiting(t)[0].Ref
			requireOutcome(t, r, r.Start(t, ref), "ended by turn limit")
			require.NotContains(t, <-requests, row.back)
			require.Contains(t, <-requests, row.back)
			for _, text := range texts(t, r, ref) {
				require.NotContains(t, text, "the order")
			}
			require.Len(t, box.Calls(), 1)
		})
	}
}
