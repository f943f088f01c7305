package parley_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// mainVariable has the test binary be a worker instead of running tests.
const mainVariable = "PARLEY_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainVariable) != "" {
		parley.Main(parley.Options{Executors: map[string]executors.Executor{"echo": echo{}}})
	}
	localstacktest.Main(m)
}

// A program that embeds Parley reports faults and exits as the worker command does.
func TestMainReportsFaults(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Dir, cmd.Env, cmd.Stderr = t.TempDir(), []string{mainVariable + "=1", "ONERUN_API_KEY=k", "GOCOVERDIR=" + os.TempDir()}, &stderr
	require.Error(t, cmd.Run())
	require.Equal(t, 2, cmd.ProcessState.ExitCode())
	require.Regexp(t, `^parley\.test: 3 faults:\n  ONERUN_API_BASE_URL is not set: .*\n  ONERUN_PROJECT_ID is not set: .*\n  ONERUN_AGENT_ID is not set: `, stderr.String())
}

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

// setup returns a simulator with conversations that wait, and the options of a worker
// that serves it with an executor of its own.
func setup(t *testing.T) (*rig.Rig, parley.Options) {
	t.Helper()
	r := rig.New(t, localstacktest.Client(t), rig.Options{})
	file := filepath.Join(t.TempDir(), "parley.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `task_queue: %s
platforms:
  %s: {type: onerun, base_url: %s, api_key: "${KEY}", settle: 1s, poll_interval: 200ms}
agents:
  desk: {project: %s, agent: %s, executor: echo}
`, r.TaskQueue, r.Name, r.URL, r.Seeded.ProjectID, r.Seeded.AgentID), 0o600))
	return r, parley.Options{
		Executors: map[string]executors.Executor{"echo": echo{}},
		Config:    file, Drain: 3 * time.Second, HealthAddress: "off",
		Environ: []string{"KEY=" + rig.APIKey, "TEMPORAL_ADDRESS=" + localstacktest.Address(t)},
		Logger:  slog.New(slog.DiscardHandler),
	}
}

// run runs a worker until all conversations have ended, and meanwhile is called.
func run(t *testing.T, r *rig.Rig, opts parley.Options, meanwhile func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- parley.Run(ctx, opts) }()
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
	meanwhile()
	cancel()
	require.NoError(t, <-done)
}

func TestEmbeddedWorker(t *testing.T) {
	t.Parallel()
	r, opts := setup(t)
	run(t, r, opts, func() {})
}

// With a codec, no payload of a history is readable without it, and what the worker
// itself reads of Temporal it still reads: the readiness page knows the last poll. The
// codec may use one key for each workflow.
func TestPayloadCodec(t *testing.T) {
	t.Parallel()
	r, opts := setup(t)
	waiting := r.Waiting(t)
	codec := &keyed{}
	opts.Client = func(o *client.Options) {
		o.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec)
	}
	pages := make(chan string, 1)
	opts.HealthAddress = "127.0.0.1:0"
	opts.Logger = slog.New(slog.NewTextHandler(addressOf{pages}, nil))
	run(t, r, opts, func() {
		page := <-pages
		rig.Eventually(t, func() bool {
			res, err := http.Get(page) //nolint:noctx // it is this process
			if err != nil {
				return false
			}
			defer func() { _ = res.Body.Close() }()
			var report struct {
				Inboxes []struct {
					LastPoll time.Time `json:"last_poll"`
				}
			}
			require.NoError(t, json.NewDecoder(res.Body).Decode(&report))
			return res.StatusCode == http.StatusOK && !report.Inboxes[0].LastPoll.IsZero()
		})
		http.DefaultClient.CloseIdleConnections()
	})
	payloads := 0
	for _, c := range waiting {
		events := r.Client.GetWorkflowHistory(t.Context(), workflows.ConversationID(c.Ref), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			input := append(event.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads(),
				event.GetActivityTaskScheduledEventAttributes().GetInput().GetPayloads()...)
			for _, p := range append(input, event.GetActivityTaskCompletedEventAttributes().GetResult().GetPayloads()...) {
				require.Equal(t, keyedEncoding, string(p.GetMetadata()[converter.MetadataEncoding]), event.GetEventType())
				payloads++
			}
		}
	}
	require.Positive(t, payloads)
}

const keyedEncoding = "binary/keyed"

// keyed is a codec that decodes a payload only for the workflow it was encoded for.
type keyed struct{ namespace, workflow string }

func (k *keyed) WithSerializationContext(sc converter.SerializationContext) converter.PayloadCodec {
	switch sc := sc.(type) {
	case converter.WorkflowSerializationContext:
		return &keyed{sc.Namespace, sc.WorkflowID}
	case converter.ActivitySerializationContext:
		return &keyed{sc.Namespace, sc.WorkflowID}
	}
	return k
}

func (k *keyed) key() string { return k.namespace + "/" + k.workflow }

func (k *keyed) Encode(payloads []*common.Payload) ([]*common.Payload, error) {
	if k.workflow == "" {
		return nil, errors.New("a payload is encoded for no workflow")
	}
	out := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		data, err := p.Marshal()
		if err != nil {
			return nil, err
		}
		out[i] = &common.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(keyedEncoding), "key": []byte(k.key())},
			Data:     data,
		}
	}
	return out, nil
}

func (k *keyed) Decode(payloads []*common.Payload) ([]*common.Payload, error) {
	out := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		if have := string(p.GetMetadata()["key"]); have != k.key() {
			return nil, fmt.Errorf("a payload encoded for %q is decoded for %q", have, k.key())
		}
		out[i] = &common.Payload{}
		if err := out[i].Unmarshal(p.GetData()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// addressOf finds the address of the readiness page in a log.
type addressOf struct{ to chan<- string }

func (a addressOf) Write(p []byte) (int, error) {
	if _, after, found := strings.Cut(string(p), "url="); found && strings.Contains(after, "/readyz") {
		a.to <- strings.TrimSpace(after)
	}
	return len(p), nil
}

// Spans of executors are below those of their attempts, and metrics go to the provider that
// is given.
func TestTracesAndMetrics(t *testing.T) {
	t.Parallel()
	r, opts := setup(t)
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), sdktrace.WithIDGenerator(parley.SpanIDs()))
	reader := sdkmetric.NewManualReader()
	opts.TracerProvider, opts.MeterProvider = provider, sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	opts.Executors["echo"] = traced{provider.Tracer("echo")}
	run(t, r, opts, func() {})

	byID := map[trace.SpanID]tracetest.SpanStub{}
	for _, s := range spans.GetSpans() {
		byID[s.SpanContext.SpanID()] = s
	}
	echoes := 0
	for _, s := range byID {
		if s.Name == "echo" {
			chat := byID[s.Parent.SpanID()]
			require.Equal(t, "chat echo", chat.Name)
			turn := byID[chat.Parent.SpanID()]
			require.Contains(t, turn.Name, "invoke_agent ")
			require.Equal(t, "conversation", byID[turn.Parent.SpanID()].Name)
			echoes++
		}
	}
	require.Positive(t, echoes)
	var read metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &read))
	require.Len(t, read.ScopeMetrics, 2, "ours and the SDK's")
}

// traced is an echo that makes a span.
type traced struct{ tracer trace.Tracer }

func (e traced) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	ctx, span := e.tracer.Start(ctx, "echo")
	defer span.End()
	return echo{}.Execute(ctx, req)
}

// greeter is an executor with a setting.
type greeter struct {
	Greeting string `yaml:"greeting"`
}

func (g greeter) Execute(context.Context, executors.Request) (executors.Result, error) {
	return executors.Result{Message: conversation.Text(conversation.RoleAssistant, g.Greeting)}, nil
}

// Types of one's own stand in the file as the others do, and their faults have lines.
func TestTypesInTheConfiguration(t *testing.T) {
	t.Parallel()
	opts := parley.Options{
		Environ: []string{},
		ExecutorTypes: []executors.Type{{Name: "greeter", New: func(s executors.Settings) (executors.Executor, error) {
			var g greeter
			if err := s.Decode(&g); err != nil {
				return nil, err
			}
			if g.Greeting == "" {
				return nil, &conversation.FieldError{Field: "greeting", Text: "is empty", Remedy: "set it to a text"}
			}
			return g, nil
		}}},
		PlatformTypes: []platforms.Type{{Name: "silent", New: func(platforms.Settings) (platforms.Instance, error) {
			return platforms.Instance{Platform: silent{}}, nil
		}}},
	}
	check := func(settings string) error {
		opts.Config = filepath.Join(t.TempDir(), "parley.yaml")
		require.NoError(t, os.WriteFile(opts.Config, []byte(`platforms: {main: {type: silent}}
executors: {hello: {type: greeter, `+settings+`}}
agents: {desk: {platform: main, executor: hello}}
`), 0o600))
		return parley.Check(opts)
	}
	require.NoError(t, check("greeting: Hi, limits: {requests_per_minute: 5}"))
	require.ErrorContains(t, check("greting: Hi"), "parley.yaml:2: executors.hello.greting")
	require.ErrorContains(t, check(`greeting: ""`), "parley.yaml:2: executors.hello.greeting is empty")

	opts.ExecutorTypes = append(opts.ExecutorTypes, opts.ExecutorTypes[0], executors.Type{Name: "failover"}, executors.Type{})
	opts.PlatformTypes = append(opts.PlatformTypes, platforms.Type{Name: "onerun", New: opts.PlatformTypes[0].New})
	require.EqualError(t, parley.Run(t.Context(), opts), `Options.ExecutorTypes has the type "greeter", which there is already: choose another name
Options.ExecutorTypes has the type "failover" without a constructor: set New
Options.ExecutorTypes has a type without a name: set Name
Options.PlatformTypes has the type "onerun", which there is already: choose another name`)
}

// silent is a platform that never answers.
type silent struct{ platforms.Transport }

func TestFaultsOfOptions(t *testing.T) {
	t.Parallel()
	opts := parley.Options{
		Environ:       []string{"ONERUN_API_BASE_URL=http://localhost:3001", "ONERUN_API_KEY=key", "ONERUN_PROJECT_ID=pr_1"},
		MaxActivities: -1, MaxPollers: 1, Drain: -time.Second, UntilIdle: -1, MaxRuntime: -1, Deployment: worker.WorkerDeploymentVersion{BuildID: "7"},
	}
	const own = `Options.MaxActivities is negative: use 0 for the default
Options.MaxPollers is 1: use 2 or more, or 0 for the default
Options.Drain is negative: use 0 for the default
Options.UntilIdle is negative: use 0 for a worker that does not end by itself
Options.MaxRuntime is negative: use 0 for a worker that does not end by itself
Options.Deployment needs both DeploymentName and BuildID, or neither`
	require.EqualError(t, parley.Check(opts),
		own+"\nONERUN_AGENT_ID is not set: the id of the agent in OneRun that this worker speaks for")
	require.EqualError(t, parley.Run(t.Context(), opts), own)
	require.NoError(t, parley.Check(parley.Options{Environ: append(opts.Environ, "ONERUN_AGENT_ID=a")}))
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
