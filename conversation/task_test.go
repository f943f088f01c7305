package conversation_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

// The payload counts before the metadata, and a key of the metadata that means
// something else there hides no other.
func TestRun(t *testing.T) {
	t.Parallel()
	yes := true
	for name, tt := range map[string]struct {
		payload, metadata string
		want              conversation.Run
	}{
		"the payload first": {
			`{"executor_type":"local","agent_host":"h","agent_port":1}`, `{"executor_type":"serverless","agent_host":"g","agent_port":2,"local":true}`,
			conversation.Run{Executor: "local", Host: "h", Port: 1, Local: &yes},
		},
		"the metadata else": {
			`{"executor_type":null,"agent_port":null}`, `{"executor_type":"serverless","agent_host":"g","agent_port":2,"local":true}`,
			conversation.Run{Executor: "serverless", Host: "g", Port: 2, Local: &yes},
		},
		"other people's metadata": {`{}`, `{"local":"de_DE","agent_port":"8450","agent_host":5,"executor_type":"serverless"}`, conversation.Run{Executor: "serverless"}},
		"metadata that is none":   {`{}`, `[1]`, conversation.Run{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := conversation.Task{Payload: json.RawMessage(tt.payload), Metadata: json.RawMessage(tt.metadata)}.Run()
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
	_, err := conversation.Task{Payload: json.RawMessage(`{"agent_port":"8450"}`)}.Run()
	require.ErrorContains(t, err, "agent_port and timeout_seconds as whole numbers")
}
