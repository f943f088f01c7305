package conversation_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

// The payload comes before the metadata, and a key of the metadata with another meaning
// hides no other.
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
}

// Unmistakable values are accepted; the others are reported field by field.
func TestRunReadsFieldByField(t *testing.T) {
	t.Parallel()
	no := false
	for name, tt := range map[string]struct {
		payload string
		want    conversation.Run
		wrong   []string
	}{
		"numbers as ids":        {payload: `{"agent_id":42,"user_id":7}`, want: conversation.Run{AgentID: "42", UserID: "7"}},
		"numbers in quotes":     {payload: `{"agent_port":"8450","timeout_seconds":30.0}`, want: conversation.Run{Port: 8450, TimeoutSeconds: 30}},
		"flags in quotes":       {payload: `{"local":"false","persistent_memory":"True"}`, want: conversation.Run{Local: &no, PersistentMemory: true}},
		"nulls":                 {payload: `{"agent_id":null,"args":null,"params":null,"agent_port":null}`},
		"no payload":            {payload: ``},
		"null":                  {payload: `null`},
		"a list for the agent":  {payload: `{"agent_id":["a"]}`, wrong: []string{"agent_id is a list; it must be a string"}},
		"a fraction":            {payload: `{"agent_id":1.5,"timeout_seconds":1.5}`, wrong: []string{"agent_id is a number with a fraction; it must be a string", "timeout_seconds is a number with a fraction; it must be a whole number"}},
		"several":               {payload: `{"agent_id":{},"args":{},"local":5,"agent_port":"near"}`, wrong: []string{"agent_id is an object", "args is an object; it must be a list", "local is a number; it must be true or false", "agent_port is a string; it must be a whole number"}},
		"no object":             {payload: `[1]`, wrong: []string{"it is a list; it must be a JSON object"}},
		"a text":                {payload: `"run it"`, wrong: []string{"it is a string; it must be a JSON object"}},
		"a number too large":    {payload: `{"timeout_seconds":1e300}`, wrong: []string{"timeout_seconds is a number"}},
		"other fields are free": {payload: `{"agent_id":"a","anything":[{}]}`, want: conversation.Run{AgentID: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := conversation.Task{Payload: json.RawMessage(tt.payload)}.Run()
			if len(tt.wrong) == 0 {
				require.NoError(t, err)
				require.Equal(t, tt.want, got)
				return
			}
			require.True(t, conversation.IsKind(err, conversation.Invalid))
			for _, text := range tt.wrong {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), "json:")
			require.NotContains(t, err.Error(), "Go ")
		})
	}
}
