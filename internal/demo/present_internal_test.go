package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

func sample() Result {
	return Result{
		PageURL: "http://127.0.0.1:4711/?token=t",
		UIURL:   "http://127.0.0.1:8233/namespaces/default/workflows", SimulatorURL: "http://127.0.0.1:3001", TemporalAddress: "127.0.0.1:7233",
		Conversations: []Conversation{
			{ID: "c1", WorkflowID: "onerun/p/c1", Persona: "a hurried customer", Outcome: "ended", EndedBy: conversation.EndedByPersona, Turns: 4, DurationMS: 1234, executor: "scripted", model: "support"},
			{ID: "c2", WorkflowID: "onerun/p/c2", Persona: strings.Repeat("long ", 20), Outcome: "ended", EndedBy: conversation.EndedByTurnLimit, Turns: 12, DurationMS: 65_000, executor: "scripted", model: "support"},
		},
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	writeTable(&b, sample())
	require.Equal(t, `
╭────────────────────────────────────────────────┬─────────────────────┬───────┬──────────╮
│ persona                                        │ outcome             │ turns │ duration │
├────────────────────────────────────────────────┼─────────────────────┼───────┼──────────┤
│ a hurried customer                             │ ended by persona    │     4 │     1.2s │
│ long long long long long long long long long … │ ended by turn limit │    12 │     1m5s │
╰────────────────────────────────────────────────┴─────────────────────┴───────┴──────────╯
`, b.String())
}

func TestTranscript(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	writeTranscript(&b, sample().Conversations[0], []records.Message{
		{Role: conversation.RoleUser, Text: "Where is it?"},
		{Role: conversation.RoleAssistant, Text: "I am sorry that it is late. It left our warehouse on Monday and should be with you by tomorrow."},
	})
	require.Equal(t, `
One of them, onerun/p/c1:

  persona │ Where is it?
    agent │ I am sorry that it is late. It left our warehouse on Monday and
          │ should be with you by tomorrow.
          ╵ ended by persona
`, b.String())
}

func TestSummary(t *testing.T) {
	t.Parallel()
	r := sample()
	var b strings.Builder
	writeSummary(&b, r, 4200*time.Millisecond)
	require.Equal(t, "\n2 of 2 ended, in 4.2s. The agent was played by scripted (support).\n", b.String())

	r.Conversations[0].Usage = &conversation.Usage{InputTokens: 100, OutputTokens: 20, Calls: 4}
	b.Reset()
	writeSummary(&b, r, time.Second)
	require.Contains(t, b.String(), "It took 100 input and 20 output tokens.")
}

func TestNextNamesWhatIsNotTheDefault(t *testing.T) {
	t.Parallel()
	r := sample()
	d := &demo{opts: Options{Starter: "parley"}, stack: &localstack.Stack{Namespace: "default"}}
	var b strings.Builder
	d.writeNext(&b, r)
	require.Contains(t, b.String(), "  parley list\n")
	require.Contains(t, b.String(), "http://127.0.0.1:4711/?token=t\n")
	require.Contains(t, b.String(), "http://127.0.0.1:8233/namespaces/default/workflows")

	r.TemporalAddress, d.stack.Namespace = "127.0.0.1:7234", "other"
	b.Reset()
	d.writeNext(&b, r)
	require.Contains(t, b.String(), "parley show onerun/p/c1 --temporal-address 127.0.0.1:7234 --namespace other\n")
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d := &demo{opts: Options{JSON: true, Exit: true, Stdout: &out}}
	require.NoError(t, d.present(t.Context(), sample()))
	var got map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.Equal(t, "http://127.0.0.1:3001", got["simulator_url"])
	require.Equal(t, map[string]any{
		"id": "c1", "workflow_id": "onerun/p/c1", "persona": "a hurried customer", "outcome": "ended",
		"ended_by": "persona", "turns": 4.0, "duration_ms": 1234.0,
	}, got["conversations"].([]any)[0])
}

func TestUnendedSaysWhichAndWhere(t *testing.T) {
	t.Parallel()
	r := sample()
	require.NoError(t, r.unended())
	r.Conversations[1] = fromRecord("c2", records.Record{
		Conversation: records.Conversation{ID: "onerun/p/c2", Status: string(workflows.StateNeedsAttention), Open: true},
		Attention:    &workflows.Attention{Step: "turn 3 · reply", Reason: "the key is not valid", Remedy: "set another"},
	})
	err := r.unended()
	require.ErrorIs(t, err, errUnended)
	require.ErrorContains(t, err, "1 of 2 have not")
	require.Equal(t, "onerun/p/c2 needs attention: turn 3 · reply: the key is not valid", r.Conversations[1].complaint())
	require.Equal(t, 1, ExitCode(err))
	require.Equal(t, 0, ExitCode(nil))
	require.Equal(t, 130, ExitCode(errors.Join(ErrInterrupted)))
}
