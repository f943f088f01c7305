package endtoend_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// A runServer begins a run with each POST, which is under way until finish, and is
// asked for by GET. It speaks the Responses API in the background and, below
// /reply, our contract with 202 and Location.
type runServer struct {
	url string

	mu       sync.Mutex
	finished bool
	runs     int
}

func newRunServer(t *testing.T) *runServer {
	t.Helper()
	s := &runServer{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/responses", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Stream, Background bool
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !body.Background {
			t.Errorf("no request for a background response: %v", err)
		}
		s.respond(w, r, s.begin(), body.Stream)
	})
	mux.HandleFunc("GET /v1/responses/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.respond(w, r, r.PathValue("id"), r.URL.Query().Get("stream") == "true")
	})
	mux.HandleFunc("POST /reply", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/reply/"+s.begin())
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /reply/{id}", func(w http.ResponseWriter, r *http.Request) {
		if s.under() {
			w.Header().Set("Location", r.URL.Path)
			w.WriteHeader(http.StatusAccepted)
			return
		}
		modelstandin.Write(http.StatusOK, modelstandin.JSON(map[string]any{"message": r.PathValue("id")}))(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *runServer) begin() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	return fmt.Sprintf("run-%d", s.runs)
}

func (s *runServer) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = true
}

func (s *runServer) begun() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs
}

// under reports whether runs are under way.
func (s *runServer) under() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.finished
}

func (s *runServer) respond(w http.ResponseWriter, r *http.Request, id string, stream bool) {
	response := map[string]any{"id": id, "model": "standin-1", "status": "in_progress", "output": []any{}}
	under := s.under()
	if stream {
		modelstandin.Events(w)(modelstandin.JSON(map[string]any{"type": "response.created", "response": response}))
		if under {
			<-r.Context().Done()
			return
		}
	}
	if !under {
		response["status"] = "completed"
		response["output"] = []any{map[string]any{"type": "message", "content": []any{map[string]any{"type": "output_text", "text": id}}}}
	}
	if stream {
		modelstandin.Events(w)(modelstandin.JSON(map[string]any{"type": "response.completed", "response": response}))
		return
	}
	modelstandin.Write(http.StatusOK, modelstandin.JSON(response))(w, r)
}

// A worker is killed while the provider works on a run: the next one takes its
// answer, and no run is begun twice.
func TestKilledDuringARun(t *testing.T) {
	t.Parallel()
	for name, executor := range map[string]string{
		"openai":          `{type: openai, model: standin-1, base_url: %s/v1, api: responses, background: true, stream: false}`,
		"openai, streams": `{type: openai, model: standin-1, base_url: %s/v1, api: responses, background: true}`,
		"http":            `{type: http, url: %s/reply, poll_interval: 100ms}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newRunServer(t)
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 5},
			})
			p := configured(t, r, fmt.Sprintf(`task_queue: %s
platforms:
  %s: {type: onerun, base_url: %s, api_key: "${ONERUN_API_KEY}", settle: 1s, poll_interval: 200ms}
executors:
  model: %s
agents:
  desk: {project: %s, agent: %s, executor: model}
`, r.TaskQueue, r.Name, r.URL, fmt.Sprintf(executor, server.url), r.Seeded.ProjectID, r.Seeded.AgentID), "ONERUN_API_KEY="+rig.APIKey)
			ref := r.Waiting(t)[0].Ref
			id := workflows.ConversationID(ref)
			p.start(t)
			rig.Eventually(t, func() bool { return attachable(t, r, id) }, "no token is recorded")
			p.kill(t)
			server.finish()
			p.start(t)
			requireOutcome(t, r, id, "ended by turn limit")
			require.Equal(t, []string{"assistant: run-1", "assistant: run-2"}, spoken(texts(t, r, ref)))
			require.Equal(t, 2, server.begun(), "one run for each turn")
			r.RequireOnce(t)
		})
	}
}

// attachable reports whether Temporal knows where a later attempt finds the run.
func attachable(t *testing.T, r *rig.Rig, id string) bool {
	t.Helper()
	desc, err := r.Client.DescribeWorkflowExecution(t.Context(), id, "")
	var notYet *serviceerror.NotFound
	if errors.As(err, &notYet) {
		return false
	}
	require.NoError(t, err)
	for _, pending := range desc.GetPendingActivities() {
		var progress activities.ReplyProgress
		if pending.GetHeartbeatDetails() != nil &&
			converter.GetDefaultDataConverter().FromPayloads(pending.GetHeartbeatDetails(), &progress) == nil && progress.Attach != nil {
			return true
		}
	}
	return false
}
