package endtoend_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/workflows"
)

// A counter stands before a platform and counts the conversations that are claimed and
// have not ended. Claims take longer than the time between two polls.
type counter struct {
	mu   sync.Mutex
	open map[string]bool // conversation ids
	most int
}

// claimTime is how long a counter's claims take.
const claimTime = 700 * time.Millisecond

// counted puts a counter before the rig's simulator.
func counted(t *testing.T, r *rig.Rig) *counter {
	t.Helper()
	behind, err := url.Parse(r.URL)
	require.NoError(t, err)
	c := &counter{open: make(map[string]bool)}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.ModifyResponse = func(res *http.Response) error {
		if res.StatusCode != http.StatusOK || res.Request.Method != http.MethodPost {
			return nil
		}
		parts := strings.Split(res.Request.URL.Path, "/")
		id, verb := parts[len(parts)-2], parts[len(parts)-1]
		switch verb {
		case "start":
			c.count(id, true)
		case "end":
			c.count(id, false)
		case "responses":
			body, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			if bytes.Contains(bytes.ReplaceAll(body, []byte(" "), nil), []byte(`"ended":true`)) {
				c.count(id, false)
			}
			res.Body = io.NopCloser(bytes.NewReader(body))
		}
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/start") {
			select {
			case <-time.After(claimTime):
			case <-req.Context().Done():
			}
		}
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL
	r.Platform, err = onerun.New(onerun.Config{Name: r.Name, BaseURL: server.URL, APIKey: rig.APIKey})
	require.NoError(t, err)
	return c
}

func (c *counter) count(id string, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if open {
		c.open[id] = true
		c.most = max(c.most, len(c.open))
	} else {
		delete(c.open, id)
	}
}

func (c *counter) highest() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}

// Three workers and three agents on one platform, and conversations that are started
// by hand besides: at no moment are more open there than max_open allows.
func TestCapacityOverWorkersAndAgents(t *testing.T) {
	t.Parallel()
	const limit = 5
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:   sim.Config{Latency: sim.Latency{Min: 100 * time.Millisecond, Max: 400 * time.Millisecond}},
		Setup: sim.Setup{Simulations: 2, Conversations: 6, MaxTurns: 5}, MaxOpen: limit,
	})
	seeds := []sim.Seeded{r.Seeded}
	for range 2 {
		more, err := r.Sim.Seed(t.Context(), sim.Setup{Conversations: 8, MaxTurns: 5})
		require.NoError(t, err)
		seeds = append(seeds, more)
	}
	c := counted(t, r)
	byHand := r.Waiting(t)[:3]
	for range 3 {
		r.StartWorker(t)
	}
	for _, seed := range seeds {
		in := r.InboxInput()
		in.Project, in.Agent = seed.ProjectID, seed.AgentID
		r.StartInbox(t, in)
	}
	for _, a := range byHand {
		_, err := r.Launcher.Conversation(t.Context(), launch.Conversation{Input: workflows.ConversationInput{
			Ref: a.Ref, Side: workflows.SidePlatform, Policy: conversation.Policy{Executor: rig.ExecutorName}, CountedIn: workflows.Counted(limit),
		}})
		require.NoError(t, err)
	}
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
	require.Equal(t, limit, c.highest())
	status, err := launch.Runs{Launcher: r.Launcher}.Capacity(t.Context(), r.Name)
	require.NoError(t, err)
	require.Empty(t, status.Open)
	require.Empty(t, status.Queued)
}

// Workers are killed as they reserve and start, and conversations are terminated by
// hand: the limit holds, and no place is lost.
func TestCapacitySurvivesKills(t *testing.T) {
	t.Parallel()
	const limit, conversations, terminated = 4, 24, 2
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:   sim.Config{Latency: sim.Latency{Min: 100 * time.Millisecond, Max: 400 * time.Millisecond}},
		Setup: sim.Setup{Conversations: conversations, MaxTurns: 5},
	})
	c := counted(t, r)
	config := strings.Replace(processConfig, "max_open: 20", fmt.Sprintf("max_open: %d", limit), 1)
	text := fmt.Sprintf(config, r.TaskQueue, r.Name, r.URL, r.Name, r.Seeded.ProjectID, r.Seeded.AgentID)
	pair := [2]*workerProcess{configured(t, r, text, "ONERUN_API_KEY="+rig.APIKey), configured(t, r, text, "ONERUN_API_KEY="+rig.APIKey)}
	for _, p := range pair {
		p.start(t)
	}
	runs := launch.Runs{Launcher: r.Launcher}
	open := func() []string {
		status, err := runs.Capacity(t.Context(), r.Name)
		if err != nil {
			return nil // no worker answers just now
		}
		var out []string
		for _, p := range status.Open {
			out = append(out, p.ID)
		}
		return out
	}
	for n := range 6 {
		rig.Eventually(t, func() bool { return len(open()) > 0 })
		// As soon as places have been reserved, which is before all of them are used.
		pair[n%2].kill(t)
		pair[n%2].start(t)
		if n < terminated {
			// Not every place can be tried: one is reserved before its conversation starts,
			// and held for a moment after it ended.
			rig.Eventually(t, func() bool {
				return slices.ContainsFunc(open(), func(id string) bool {
					return r.Client.TerminateWorkflow(t.Context(), id, "", "by hand") == nil
				})
			})
		}
	}
	rig.Eventually(t, func() bool {
		report := r.Sim.Report().Simulations[0]
		return report.Conversations["queued"] == 0 && report.Conversations["in_progress"] <= terminated
	}, "%s", &pair[0].out)
	// What was terminated is still in progress on the platform.
	require.LessOrEqual(t, c.highest(), limit+terminated)
	rig.Eventually(t, func() bool { return len(open()) == 0 }, "places are lost")
}

// A parked conversation gives its place to another, and asks for one when it is
// resumed. Until it has one, it says so, and can be ended.
func goldenCapacity(t *testing.T) (*rig.Rig, string) {
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 3, MaxTurns: 3}, MaxOpen: 1, Executor: gate,
	})
	r.StartWorker(t)
	in := r.InboxInput()
	in.Settings.Policy.ReplyAttempts = 1
	inbox := r.StartInbox(t, in)
	fail := func() (id string, ask rig.Ask) {
		ask = gate.Asked(t)
		id = workflows.ConversationID(ask.Conversation)
		ask.Fail(t, &conversation.Error{Kind: conversation.Invalid, Err: errors.New("it cannot be")})
		requireState(t, r, id, workflows.StateNeedsAttention)
		return id, ask
	}
	first, _ := fail()
	second, _ := fail()
	third := gate.Asked(t) // it holds the place
	runs := launch.Runs{Launcher: r.Launcher}
	status, err := runs.Capacity(t.Context(), r.Name)
	require.NoError(t, err)
	require.Len(t, status.Open, 1)
	require.Len(t, status.Parked, 2)
	require.Equal(t, workflows.InboxPolling, r.InboxStatus(t, inbox).State)

	for _, id := range []string{first, second} {
		require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
		require.Equal(t, "waiting for capacity", requireState(t, r, id, workflows.StateWaiting).Step)
	}
	require.NoError(t, r.Update(t, second, workflows.UpdateEnd, workflows.EndRequest{}))
	_, err = r.Outcome(t, second)
	require.NoError(t, err)
	third.Reply(t)
	again := gate.Asked(t)
	require.Equal(t, first, workflows.ConversationID(again.Conversation))
	again.Reply(t)
	_, err = r.Outcome(t, first)
	require.NoError(t, err)
	r.RequireOnce(t)
	status, err = runs.Capacity(t.Context(), r.Name)
	require.NoError(t, err)
	require.Empty(t, status.Open)
	require.Empty(t, status.Queued)
	require.Empty(t, status.Parked)
	return r, workflows.CapacityID(r.Name)
}

// A conversation that is pinned to a version without workers, as earlier releases pinned
// all of them, gives its place to another. When a worker of its version is there again,
// it waits for a place before its next turn.
func TestStrandedConversationsHoldNoCapacity(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 2, MaxTurns: 5}, MaxOpen: 1,
	})
	deployment := "parley-" + r.Name
	stop := runBuild(t, r, deployment, "one", gate)
	r.StartInbox(t, r.InboxInput())
	first := gate.Asked(t)
	_, err := r.Client.UpdateWorkflowExecutionOptions(t.Context(), client.UpdateWorkflowExecutionOptionsRequest{
		WorkflowId: workflows.ConversationID(first.Conversation),
		WorkflowExecutionOptionsChanges: client.WorkflowExecutionOptionsChanges{VersioningOverride: &client.VersioningOverrideChange{
			Value: &client.PinnedVersioningOverride{Version: worker.WorkerDeploymentVersion{DeploymentName: deployment, BuildID: "one"}},
		}},
	})
	require.NoError(t, err)
	runBuild(t, r, deployment, "two", gate)
	stop()
	second := gate.AskedWithin(t, rig.Patience)
	require.NotEqual(t, first.Conversation.ID, second.Conversation.ID)
	status, err := launch.Runs{Launcher: r.Launcher}.Capacity(t.Context(), r.Name)
	require.NoError(t, err)
	require.Len(t, status.Stranded, 1)
	require.Len(t, status.Open, 1)

	runBuild(t, r, deployment, "one", gate)
	// It finishes the turn that it was in, and waits.
	again := gate.Asked(t)
	require.Equal(t, first.Conversation.ID, again.Conversation.ID)
	again.Reply(t)
	requireState(t, r, workflows.ConversationID(first.Conversation), workflows.StateWaiting)
	second.Reply(t)
	for range 2 {
		gate.Asked(t).Reply(t)
	}
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
}
