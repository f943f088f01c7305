package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/scripted"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/connect/connecttest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// a platform that is there and does nothing.
type platform struct {
	platforms.Conversations
	platforms.Source
	err error
}

func (p platform) Check(context.Context, string, string) error { return p.err }

func backends(err error) assemble.Backends {
	return assemble.Backends{
		Platforms: []assemble.PlatformType{{Type: platforms.Type{Name: "fake", New: func(platforms.Settings) (platforms.Instance, error) {
			return platforms.Instance{Platform: platform{err: err}}, nil
		}}}},
		Executors: assemble.Builtin().Executors,
	}
}

var refused = &conversation.Error{Kind: conversation.Unauthorized, Op: "fake", Err: errors.New("wrong key"), Remedy: "set it"}

const file = `
task_queue: talks
platforms: {main: {type: fake, adopt_after: 1h}}
agents:
  support: {project: p1, agent: a1, max_turns: 3}
  sales: {project: p1, agent: a2, executor: scripted}
`

// setup returns settings for a fake platform and a fake Temporal server.
func setup(t *testing.T, server *connecttest.Server) process.Settings {
	t.Helper()
	return process.Settings{
		Source: config.Source{ReadFile: func(path string) ([]byte, error) {
			if path == config.DefaultFile {
				return []byte(file), nil
			}
			return nil, fs.ErrNotExist
		}},
		Backends: backends(nil),
		Temporal: connect.Options{
			Environ: []string{"TEMPORAL_CONFIG_FILE=" + filepath.Join(t.TempDir(), "none.toml")},
			Address: server.Start(t),
		},
		HealthAddress: "127.0.0.1:0",
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	server := &connecttest.Server{}
	s := setup(t, server)
	var log logtest.Buffer
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- process.Serve(ctx, s) }()

	for _, agent := range []string{"a1", "a2"} {
		r := server.Launched(t)
		require.Equal(t, workflows.InboxID("main", "p1", agent), r.WorkflowId)
		require.Equal(t, "talks", r.TaskQueue.Name)
		require.Equal(t, workflows.SignalConfigure, r.SignalName)
		var in workflows.InboxInput
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(r.Input, &in))
		require.Equal(t, agent, in.Agent)
		require.Positive(t, in.Settings.AdoptAfter)
	}
	stop()
	require.NoError(t, <-done)
	require.Contains(t, log.String(), "search attributes added")
	require.Contains(t, log.String(), "draining")
}

func TestServeWithoutInbox(t *testing.T) {
	t.Parallel()
	server := &connecttest.Server{Attributes: connecttest.All()}
	s := setup(t, server)
	s.NoInbox = true
	s.Deployment = sdkworker.WorkerDeploymentVersion{DeploymentName: "parley", BuildID: "7"}
	ctx, stop := context.WithCancel(t.Context())
	s.Logger = slog.New(slog.NewTextHandler(when{"Started Worker", stop}, nil))
	require.NoError(t, process.Serve(ctx, s))
}

func TestServeFails(t *testing.T) {
	t.Parallel()
	t.Run("Configuration", func(t *testing.T) {
		t.Parallel()
		err := process.Serve(t.Context(), process.Settings{Source: config.Source{NoFile: true}})
		require.ErrorContains(t, err, "ONERUN_API_KEY is not set")
		require.Equal(t, process.ExitUsage, process.ExitCode(err))
	})
	t.Run("PlatformRefuses", func(t *testing.T) {
		t.Parallel()
		s := setup(t, &connecttest.Server{})
		s.Backends = backends(refused)
		err := process.Serve(t.Context(), s)
		require.EqualError(t, err, "parley.yaml:3: platforms.main: fake: wrong key (set it)")
		require.Equal(t, process.ExitUsage, process.ExitCode(err))
	})
	t.Run("NoTemporal", func(t *testing.T) {
		t.Parallel()
		s := setup(t, &connecttest.Server{})
		s.Temporal.Namespace = "none"
		err := process.Serve(t.Context(), s)
		require.ErrorIs(t, err, connect.ErrNamespace)
		require.Equal(t, process.ExitFailed, process.ExitCode(err))
	})
	t.Run("TooFewActivities", func(t *testing.T) {
		t.Parallel()
		s := setup(t, &connecttest.Server{Attributes: connecttest.All()})
		s.MaxActivities = 2
		err := process.Serve(t.Context(), s)
		require.ErrorContains(t, err, "2 activities at once leave no capacity")
		require.Equal(t, process.ExitUsage, process.ExitCode(err))
	})
	t.Run("ContradictoryWorkerOptions", func(t *testing.T) {
		t.Parallel()
		s := setup(t, &connecttest.Server{Attributes: connecttest.All()})
		s.Worker = func(o *sdkworker.Options) { o.MaxConcurrentWorkflowTaskExecutionSize = 1 }
		err := process.Serve(t.Context(), s)
		require.ErrorContains(t, err, "process: worker options: ")
		require.Equal(t, process.ExitUsage, process.ExitCode(err))
	})
	t.Run("PortTaken", func(t *testing.T) {
		t.Parallel()
		taken := httptest.NewServer(http.NotFoundHandler())
		defer taken.Close()
		s := setup(t, &connecttest.Server{Attributes: connecttest.All()})
		s.HealthAddress = taken.Listener.Addr().String()
		require.ErrorContains(t, process.Serve(t.Context(), s), "is in use")
	})
	t.Run("Stopped", func(t *testing.T) {
		t.Parallel()
		s := setup(t, &connecttest.Server{Silent: true})
		ctx, stop := context.WithCancel(t.Context())
		stop()
		require.NoError(t, process.Serve(ctx, s))
	})
}

func TestWorkerOfParts(t *testing.T) {
	t.Parallel()
	server := &connecttest.Server{Attributes: connecttest.All()}
	temporal, err := connect.Dial(t.Context(), setup(t, server).Temporal)
	require.NoError(t, err)
	defer temporal.Close()
	script, err := scripted.New(scripted.Config{})
	require.NoError(t, err)
	registry := executors.NewRegistry()
	require.NoError(t, registry.Add("scripted", script, executors.About{}))

	drained := false
	w, err := process.New(process.Options{
		Client: temporal, Platforms: map[string]platforms.Instance{"main": {Name: "main", Platform: platform{}}},
		Executors: registry, Inboxes: []workflows.InboxInput{{Platform: "main", Agent: "a1"}},
		OnDrain: func() { drained = true },
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	require.Equal(t, workflows.DefaultTaskQueue, server.Launched(t).TaskQueue.Name)
	stop()
	require.NoError(t, <-done)
	require.True(t, drained)
}

// A worker may serve direct conversations only: it has no platform then.
func TestNewWithoutPlatforms(t *testing.T) {
	t.Parallel()
	temporal, err := connect.Dial(t.Context(), setup(t, &connecttest.Server{}).Temporal)
	require.NoError(t, err)
	defer temporal.Close()
	_, err = process.New(process.Options{Client: temporal, Executors: executors.NewRegistry()})
	require.NoError(t, err)
}

func TestNewNeedsItsParts(t *testing.T) {
	t.Parallel()
	_, err := process.New(process.Options{})
	require.EqualError(t, err, "process: no Temporal client")
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	require.Equal(t, 0, process.ExitCode(nil))
	require.Equal(t, 1, process.ExitCode(errors.New("broken")))
	require.Equal(t, 2, process.ExitCode(fmt.Errorf("x: %w", config.Faults{{Text: "wrong"}})))
	require.Equal(t, 2, process.ExitCode(&connect.Error{Reason: connect.ErrConfig}))
}

// when acts as soon as a text is logged.
type when struct {
	text string
	act  func()
}

func (w when) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.act()
	}
	return len(p), nil
}
