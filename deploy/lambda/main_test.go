package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// asFunction makes the test binary the function, so that tests have a real process.
const asFunction = "PARLEY_TEST_FUNCTION"

func TestMain(m *testing.M) {
	if os.Getenv(asFunction) != "" {
		main()
		return
	}
	localstacktest.Main(m)
}

// An invocation serves what is assigned and answers before its deadline, and so does the
// next one of the same process.
func TestInvocations(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{Setup: sim.Setup{Conversations: 4}})
	f := start(t, r, "PARLEY_UNTIL_IDLE=2s", "PARLEY_DRAIN_TIMEOUT=3s", "PARLEY_MARGIN=2s")
	got := f.invoke(t, 5*time.Minute)
	require.Equal(t, "idle", got.Reason, f.log())
	require.Equal(t, []int{4, 0, 0}, []int{got.Conversations, *got.Open, *got.Waiting})
	require.Greater(t, got.Steps, 4)
	r.RequireOnce(t)

	got = f.invoke(t, 5*time.Minute)
	require.Equal(t, "idle", got.Reason, f.log())
	require.Zero(t, got.Conversations)
}

// An invocation that is too short for a conversation hands it over to the next ones.
func TestConversationOverInvocations(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:   sim.Config{Player: rig.Endless{}, Latency: sim.Latency{Min: 400 * time.Millisecond, Max: 800 * time.Millisecond}},
		Setup: sim.Setup{Conversations: 2, MaxTurns: 60},
	})
	f := start(t, r, "PARLEY_UNTIL_IDLE=3s", "PARLEY_DRAIN_TIMEOUT=3s", "PARLEY_MARGIN=2s")
	first := f.invoke(t, 18*time.Second)
	require.Equal(t, "max_runtime", first.Reason, f.log())
	require.Equal(t, []int{2, 2}, []int{first.Conversations, *first.Open})
	second := f.invoke(t, 5*time.Minute)
	require.Equal(t, "idle", second.Reason, f.log())
	require.Zero(t, *second.Open)
	r.RequireOnce(t)
	for _, c := range r.Sim.Report().Conversations {
		require.Equal(t, c.AgentMessages+1, c.PersonaMessages, "conversation %s: order", c.ID)
	}
}

// What is wrong is the error of the invocation.
func TestInvocationErrors(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{Setup: sim.Setup{Conversations: 1}})
	t.Run("Timeout", func(t *testing.T) {
		t.Parallel()
		f := start(t, r)
		require.Contains(t, f.fail(t, 20*time.Second), "the function's timeout is too short")
		require.Contains(t, f.fail(t, 20*time.Second), "set the timeout to 30s or more", "the process serves further invocations")
	})
	t.Run("Settings", func(t *testing.T) {
		t.Parallel()
		f := start(t, r, "PARLEY_UNTIL_IDLE=soon", "TEMPORAL_DEPLOYMENT_NAME=parley")
		message := f.fail(t, time.Minute)
		require.Contains(t, message, `PARLEY_UNTIL_IDLE is "soon": use a duration of 1s or more`)
		require.Contains(t, message, "TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID go together")
	})
	t.Run("Configuration", func(t *testing.T) {
		t.Parallel()
		f := start(t, r, "ONERUN_API_KEY=")
		require.Contains(t, f.fail(t, time.Minute), "api_key is empty: set it, or ONERUN_API_KEY")
	})
	t.Run("NoTemporal", func(t *testing.T) {
		t.Parallel()
		f := start(t, r, "TEMPORAL_ADDRESS=127.0.0.1:1", "PARLEY_DRAIN_TIMEOUT=3s", "PARLEY_MARGIN=2s")
		require.Contains(t, f.fail(t, 16*time.Second), "waiting for Temporal: ")
	})
}

const configuration = `task_queue: %s
platforms:
  %[2]s: {type: onerun, base_url: %[3]s, api_key: "${ONERUN_API_KEY}", settle: 2s, max_open: 20, poll_interval: 500ms}
executors:
  agent: {type: scripted, latency: 100ms}
agents:
  desk: {platform: %[2]s, project: %[4]s, agent: %[5]s, executor: agent}
`

// A function is a process of the function, and Lambda beside it.
type function struct {
	next    chan invocation
	answers chan answer
	out     *logtest.Buffer
}

type invocation struct {
	id       string
	deadline time.Time
}

// An answer is what the function says about an invocation.
type answer struct {
	id, kind string // kind is "response" or "error"
	body     []byte
}

func (f *function) log() string { return f.out.String() }

// start runs the function against Lambda's Runtime API, served here as AWS documents it.
func start(t *testing.T, r *rig.Rig, environ ...string) *function {
	t.Helper()
	f := &function{next: make(chan invocation), answers: make(chan answer), out: new(logtest.Buffer)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, req *http.Request) {
		select {
		case one := <-f.next:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", one.id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(one.deadline.UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:parley")
			w.Header().Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0")
			_, _ = io.WriteString(w, `{"source": "aws.scheduler"}`)
		case <-req.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{kind}", func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		select {
		case f.answers <- answer{req.PathValue("id"), req.PathValue("kind"), body}:
		case <-req.Context().Done():
		}
	})
	lambda := httptest.NewServer(mux)

	dir := t.TempDir()
	config := filepath.Join(dir, "parley.yaml")
	text := fmt.Sprintf(configuration, r.TaskQueue, r.Name, r.URL, r.Seeded.ProjectID, r.Seeded.AgentID)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	cmd := exec.Command(os.Args[0])
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, f.out, f.out
	cmd.Env = append([]string{
		asFunction + "=1", "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(lambda.URL, "http://"), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"PARLEY_CONFIG=" + config, "ONERUN_API_KEY=" + rig.APIKey, "TEMPORAL_ADDRESS=" + localstacktest.Address(t), "HOME=" + dir, "PATH=" + os.Getenv("PATH"),
	}, environ...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		lambda.CloseClientConnections()
		lambda.Close()
		in := r.InboxInput()
		_ = r.Client.TerminateWorkflow(t.Context(), workflows.InboxID(in.Platform, in.Project, in.Agent), "", "test over")
	})
	return f
}

// call invokes the function, which must answer before the deadline.
func (f *function) call(t *testing.T, timeout time.Duration) answer {
	t.Helper()
	one := invocation{id: fmt.Sprintf("8476a536-%d", time.Now().UnixNano()), deadline: time.Now().Add(timeout)}
	deadline := time.After(timeout)
	select {
	case f.next <- one:
	case <-deadline:
		t.Fatalf("the function asks for no invocation:\n%s", f.log())
	}
	select {
	case a := <-f.answers:
		require.Equal(t, one.id, a.id)
		return a
	case <-deadline:
		t.Fatalf("the function has missed its deadline:\n%s", f.log())
	}
	return answer{}
}

func (f *function) invoke(t *testing.T, timeout time.Duration) (s summary) {
	t.Helper()
	a := f.call(t, timeout)
	require.Equal(t, "response", a.kind, "%s\n%s", a.body, f.log())
	require.NoError(t, json.Unmarshal(a.body, &s))
	return s
}

// fail returns the message of an invocation that fails.
func (f *function) fail(t *testing.T, timeout time.Duration) string {
	t.Helper()
	a := f.call(t, timeout)
	require.Equal(t, "error", a.kind, "%s\n%s", a.body, f.log())
	var e struct {
		Message string `json:"errorMessage"`
	}
	require.NoError(t, json.Unmarshal(a.body, &e))
	return e.Message
}
