package parley_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
)

func TestMain(m *testing.M) { localstacktest.Main(m) }

// echo is an agent of one's own: it says what it hears.
type echo struct{}

func (echo) Execute(_ context.Context, req executors.Request) (executors.Result, error) {
	heard := "nothing yet"
	if n := len(req.Messages); n > 0 {
		heard = req.Messages[n-1].Text()
	}
	return executors.Result{Message: conversation.Text(conversation.RoleAssistant, fmt.Sprintf("You said (%d): %s", req.Turn, heard))}, nil
}

// Ten lines are a worker with an agent of your own.
func ExampleMain() {
	parley.Main(parley.Options{
		Executors: map[string]executors.Executor{"echo": echo{}},
	})
}

func ExampleCheck() {
	err := parley.Check(parley.Options{
		Executors: map[string]executors.Executor{"echo": echo{}},
		Environ:   []string{"ONERUN_API_BASE_URL=http://localhost:3001", "ONERUN_API_KEY=key", "ONERUN_PROJECT_ID=pr_1"},
	})
	fmt.Println(err)
	// Output: ONERUN_AGENT_ID is not set: the id of the agent in OneRun that this worker speaks for
}

func TestEmbeddedWorker(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{})
	dir := t.TempDir()
	file := filepath.Join(dir, "parley.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `task_queue: %s
platforms:
  %s: {type: onerun, base_url: %s, api_key: "${KEY}", settle: 1s, poll_interval: 200ms}
agents:
  desk: {project: %s, agent: %s, executor: echo}
`, r.TaskQueue, r.Name, r.URL, r.Seeded.ProjectID, r.Seeded.AgentID), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- parley.Run(ctx, parley.Options{
			Executors: map[string]executors.Executor{"echo": echo{}},
			Config:    file, Drain: 3 * time.Second, HealthAddress: "off",
			Environ: []string{"KEY=" + rig.APIKey, "TEMPORAL_ADDRESS=" + localstacktest.Address(t)},
			Logger:  slog.New(slog.DiscardHandler),
		})
	}()
	r.WaitDone(t, time.Minute)
	r.RequireOnce(t)
	cancel()
	require.NoError(t, <-done)
}

func TestUnknownNamesAreFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "parley.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`platforms:
  main: {type: onerun, base_url: "http://localhost:3001", api_key: "${KEY}"}
agents:
  desk: {project: p, agent: a, executor: ecko, tools: [none]}
`), 0o600))
	err := parley.Check(parley.Options{
		Executors: map[string]executors.Executor{"echo": echo{}}, Config: file, Environ: []string{"KEY=k"},
	})
	require.Error(t, err)
	require.Len(t, strings.Split(err.Error(), "\n"), 2, err.Error())
	require.ErrorContains(t, err, "did you mean echo?")
}
