package process_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// From parley.yaml to the end of a conversation: a chain whose first link is down
// goes on with the second, within a rate limit, until the day's budget, which
// Temporal keeps, is used up.
func TestLimitsBudgetAndChainOfTheFile(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such key", http.StatusUnauthorized)
	}))
	defer down.Close()
	var answered atomic.Int64
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"message": {"text": "Hi"}, "usage": {"input_tokens": 8, "output_tokens": 4}}`)
	}))
	defer up.Close()
	temporal := localstacktest.Client(t)
	// The day's sum is believed for two seconds, in which any number of replies fits.
	r := rig.New(t, temporal, rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 1000},
	})
	ref := r.Waiting(t)[0].Ref
	file := fmt.Appendf(nil, `
task_queue: %q
platforms:
  %[2]s: {type: onerun, base_url: %[3]q, api_key: "${KEY}", poll_interval: 200ms}
executors:
  support: {type: failover, links: [first, second]}
  first: {type: http, url: %[4]q, limits: {}}
  second:
    type: http
    url: %[5]q
    limits: {requests_per_minute: 600}
    budget: {name: %[2]q, day: {tokens: 20}}
agents:
  desk: {project: %[6]q, agent: %[7]q, executor: support, on_exhausted: end}
`, r.TaskQueue, r.Name, r.URL, down.URL, up.URL, r.Seeded.ProjectID, r.Seeded.AgentID)
	pages := make(chan string, 1)
	var log logtest.Buffer
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- process.Serve(ctx, process.Settings{
			Source: config.Source{
				ReadFile: func(string) ([]byte, error) { return file, nil },
				Lookup:   func(name string) (string, bool) { return rig.APIKey, name == "KEY" },
			},
			Temporal:      connect.Options{Environ: []string{}, Address: localstacktest.Address(t)},
			HealthAddress: "127.0.0.1:0",
			Logger:        slog.New(slog.NewTextHandler(io.MultiWriter(&log, found{regexp.MustCompile(`url=(http://\S+)/readyz`), pages}), nil)),
		})
	}()
	r.WaitDone(t, rig.Patience)

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(<-pages + "/metrics")
	require.NoError(t, err)
	metrics, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	for _, line := range []string{
		fmt.Sprintf(`parley_failover_switches_total{chain="support",from="first",kind="Unauthorized",to="second"} %d`, answered.Load()+1),
		fmt.Sprintf(`parley_limit_wait_seconds_count{quota="http %s"} %d`, up.URL, answered.Load()+1),
		fmt.Sprintf(`parley_limit_in_flight{quota="http %s"} 0`, up.URL),
	} {
		require.True(t, bytes.Contains(metrics, []byte(line+"\n")), line)
	}
	require.Contains(t, log.String(), "failing over to the next link")
	account := budget.Account{Name: r.Name, Day: time.Now().UTC().Format(time.DateOnly)}
	total, err := launch.NewLedger(r.Launcher).Total(t.Context(), account) // as another worker sees it
	require.NoError(t, err)
	require.Equal(t, 12*answered.Load(), total.Tokens)
	outcome, err := r.Outcome(t, workflows.ConversationID(ref))
	require.NoError(t, err)
	require.Equal(t, conversation.OutcomeBudgetSpent, outcome.Kind)

	require.NoError(t, temporal.TerminateWorkflow(t.Context(), workflows.LedgerID(account), "", "test over"))
	stop()
	require.NoError(t, <-done)
}

// found passes on what a pattern finds in a log, once.
type found struct {
	pattern *regexp.Regexp
	to      chan<- string
}

func (f found) Write(p []byte) (int, error) {
	if m := f.pattern.FindSubmatch(p); m != nil {
		f.to <- string(bytes.Clone(m[1]))
	}
	return len(p), nil
}
