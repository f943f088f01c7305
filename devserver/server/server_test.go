package server_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/devserver/server"
)

const taskQueue = "greetings"

var platform = temporal.NewSearchAttributeKeyKeyword("Platform")

func upper(_ context.Context, name string) (string, error) { return "Hello, " + name, nil }

// greet waits for a name by update, greets it in an activity and says where.
func greet(ctx workflow.Context) (string, error) {
	var name string
	err := workflow.SetUpdateHandler(ctx, "name", func(_ workflow.Context, given string) (string, error) {
		name = given
		return given, nil
	})
	if err != nil {
		return "", err
	}
	if err := workflow.Await(ctx, func() bool { return name != "" }); err != nil {
		return "", err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, platform.ValueSet("onerun")); err != nil {
		return "", err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		Priority:            temporal.Priority{PriorityKey: 1, FairnessKey: name, FairnessWeight: 2},
	})
	var greeting string
	return greeting, workflow.ExecuteActivity(ctx, upper, name).Get(ctx, &greeting)
}

func start(t *testing.T) *server.Server {
	t.Helper()
	srv, err := server.Start(t.Context(), server.Config{
		FrontendAddress:  "127.0.0.1:0",
		UIAddress:        "localhost:0",
		Namespaces:       []string{"default", "second"},
		SearchAttributes: map[string]enumspb.IndexedValueType{"Platform": enumspb.INDEXED_VALUE_TYPE_KEYWORD},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, srv.Stop(ctx))
	})
	return srv
}

func dial(t *testing.T, srv *server.Server, namespace string) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: srv.Address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestServerRunsWorkflows(t *testing.T) {
	t.Parallel()
	srv := start(t)
	for _, namespace := range []string{"default", "second"} {
		t.Run(namespace, func(t *testing.T) {
			c := dial(t, srv, namespace)
			w := worker.New(c, taskQueue, worker.Options{})
			w.RegisterWorkflow(greet)
			w.RegisterActivity(upper)
			require.NoError(t, w.Start())
			t.Cleanup(w.Stop)

			begin := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
				ID: "greeting", TaskQueue: taskQueue,
				WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
			}, greet)
			_, err := c.UpdateWithStartWorkflow(t.Context(), client.UpdateWithStartWorkflowOptions{
				StartWorkflowOperation: begin,
				UpdateOptions: client.UpdateWorkflowOptions{
					UpdateName: "name", Args: []any{"Ada"}, WaitForStage: client.WorkflowUpdateStageCompleted,
				},
			})
			require.NoError(t, err)
			run, err := begin.Get(t.Context())
			require.NoError(t, err)
			var greeting string
			require.NoError(t, run.Get(t.Context(), &greeting))
			require.Equal(t, "Hello, Ada", greeting)

			require.Eventually(t, func() bool {
				found, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
					Query: `Platform = "onerun" AND ExecutionStatus = "Completed"`,
				})
				return err == nil && found.GetCount() == 1
			}, time.Minute, 10*time.Millisecond)
		})
	}
	t.Run("Retention", func(t *testing.T) {
		c := dial(t, srv, "default")
		ns, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
		require.NoError(t, err)
		require.Equal(t, 72*time.Hour, ns.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
	})
	t.Run("UI", func(t *testing.T) {
		for path, want := range map[string]string{
			"/":                                   "<!doctype html>",
			"/namespaces/default/workflows":       "<!doctype html>",
			"/api/v1/namespaces/second/workflows": `"greeting"`,
			"/api/v1/settings":                    `"DisableWriteActions":false`,
		} {
			reply, err := http.Get(srv.UIURL + path)
			require.NoError(t, err)
			page, err := io.ReadAll(reply.Body)
			require.NoError(t, err)
			require.NoError(t, reply.Body.Close())
			require.Equal(t, http.StatusOK, reply.StatusCode, path)
			require.Contains(t, string(page), want, path)
		}
	})
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	good := server.Config{FrontendAddress: "127.0.0.1:0", Namespaces: []string{"default"}}
	for name, test := range map[string]struct {
		change func(*server.Config)
		want   string
	}{
		"NoAddress":       {func(c *server.Config) { c.FrontendAddress = "" }, "the frontend needs an address"},
		"HostName":        {func(c *server.Config) { c.FrontendAddress = "example.org:1" }, "must be an IP address or localhost"},
		"UIWithoutPort":   {func(c *server.Config) { c.UIAddress = "127.0.0.1" }, "not host:port"},
		"NoNamespace":     {func(c *server.Config) { c.Namespaces = nil }, "a namespace needs a name"},
		"NamelessOne":     {func(c *server.Config) { c.Namespaces = []string{"default", ""} }, "a namespace needs a name"},
		"ReservedName":    {func(c *server.Config) { c.SearchAttributes = attributes("WorkflowId") }, "reserves this name"},
		"FileInNoFolder":  {func(c *server.Config) { c.DBFile = t.TempDir() + "/none/x.db" }, "none/x.db"},
		"FolderForAFile":  {func(c *server.Config) { c.DBFile = t.TempDir() }, "unable to open"},
		"TooManyOfAType":  {func(c *server.Config) { c.SearchAttributes = attributes("A", "B", "C", "D") }, "cannot have more than 3 search attributes"},
		"UnspecifiedType": {func(c *server.Config) { c.SearchAttributes = map[string]enumspb.IndexedValueType{"A": 0} }, "both must be given"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			test.change(&cfg)
			_, err := server.Start(t.Context(), cfg)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func attributes(names ...string) map[string]enumspb.IndexedValueType {
	all := map[string]enumspb.IndexedValueType{}
	for _, name := range names {
		all[name] = enumspb.INDEXED_VALUE_TYPE_TEXT
	}
	return all
}
