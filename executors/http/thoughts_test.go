package http_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

// A mapped answer is a model's: its thoughts are not said, unless the configuration keeps
// them. What an agent says by the contract is what it means to say.
func TestThoughtsOfAnswers(t *testing.T) {
	t.Parallel()
	const thought = "<think>hm</think>\\nYes."
	paths := func(c *agent.Config) {
		c.Response.Text, c.Response.Stream.Delta, c.Response.Stream.Done = "choices.0.message.content", "choices.0.delta.content", "[DONE]"
	}
	whole := `{"choices":[{"message":{"content":"` + thought + `"}}]}`
	events := []string{`data: {"choices":[{"delta":{"content":"<thi"}}]}`, `data: {"choices":[{"delta":{"content":"nk>hm</think>\nYes."}}]}`, "data: [DONE]"}
	for name, c := range map[string]struct {
		whole  string
		change func(*agent.Config)
		want   string
	}{
		"Mapped":             {whole, paths, "Yes."},
		"MappedStream":       {"", paths, "Yes."},
		"MappedParts":        {`{"choices":[{"message":{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"Yes."}]}}]}`, paths, "Yes."},
		"MappedKept":         {whole, func(c *agent.Config) { paths(c); c.Thoughts = executors.KeepThoughts }, "<think>hm</think>\nYes."},
		"TheContract":        {`{"message":"` + thought + `"}`, func(*agent.Config) {}, "<think>hm</think>\nYes."},
		"TheContractDropped": {`{"message":"` + thought + `"}`, func(c *agent.Config) { c.Thoughts = executors.DropThoughts }, "Yes."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := mapped(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.whole == "" {
					modeltest.WriteEvents(w, events...)
					return
				}
				modeltest.WriteJSON(w, http.StatusOK, c.whole)
			}, c.change)
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.NoError(t, err)
			require.Equal(t, c.want, res.Message.Text())
		})
	}
}
