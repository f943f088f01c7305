package runagent_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/internal/runagenttest"
)

var (
	_ executors.Executor = (*runagent.Executor)(nil)
	_ executors.Once     = (*runagent.Executor)(nil)
)

// registered makes an executor that knows local agents from the registry alone.
func registered(t *testing.T, dir string, change func(*runagent.Config)) *runagent.Executor {
	t.Helper()
	cfg := runagent.Config{Mode: runagent.ModeLocal, CacheDir: dir, Entrypoint: "chat"}
	if change != nil {
		change(&cfg)
	}
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	t.Cleanup(client.CloseIdleConnections)
	cfg.HTTPClient = client
	e, err := runagent.New(cfg)
	require.NoError(t, err)
	return e
}

// A local agent is where its task says, else where the configuration says, else
// where RunAgent's registry says.
func TestWhereALocalAgentIs(t *testing.T) {
	t.Parallel()
	inTask, inConfig, inRegistry := runagenttest.Start(t, harbour()), runagenttest.Start(t, harbour()), runagenttest.Start(t, harbour())
	dir := t.TempDir()
	inRegistry.Register(t, dir)
	host, port := inTask.Address()
	run := func(e executors.Executor, payload map[string]any) {
		payload["agent_id"] = "harbour"
		_, err := e.Execute(t.Context(), task(mustJSON(t, payload)))
		require.NoError(t, err)
	}
	configured := registered(t, dir, func(c *runagent.Config) {
		c.Host, c.Port = inConfig.Address()
		c.AgentHosts = []string{fmt.Sprintf("%s:%d", host, port)}
	})
	run(configured, map[string]any{"agent_host": host, "agent_port": port})
	run(configured, map[string]any{"agent_port": port})
	require.Equal(t, 2, inTask.Runs(""))
	run(configured, map[string]any{})
	require.Equal(t, 1, inConfig.Runs(""))
	run(registered(t, dir, nil), map[string]any{})
	require.Equal(t, 1, inRegistry.Runs(""))

	_, err := registered(t, "", func(c *runagent.Config) {
		c.LookupEnv = func(name string) (string, bool) { return map[string]string{"RUNAGENT_CACHE_DIR": dir}[name], true }
	}).Execute(t.Context(), task(`{"agent_id": "harbour"}`))
	require.NoError(t, err)
	require.Equal(t, 2, inRegistry.Runs(""))
}

// An agent that listens on all addresses is reached at this machine's own.
func TestRegisteredOnAllAddresses(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	_, port := server.Address()
	dir := t.TempDir()
	runagenttest.Register(t, dir, "harbour", "0.0.0.0", port)
	_, err := registered(t, dir, nil).Execute(t.Context(), task(`{"agent_id": "harbour"}`))
	require.NoError(t, err)
}

func TestNotInTheRegistry(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	dir := t.TempDir()
	file := filepath.Join(dir, "runagent_local.db")

	fails := func(want string) *conversation.Error {
		_, err := registered(t, dir, nil).Execute(t.Context(), task(`{"agent_id": "nobody"}`))
		require.ErrorContains(t, err, want)
		ce := asError(t, err)
		require.ErrorContains(t, err, file, "which file was looked at")
		require.NotEmpty(t, ce.Remedy)
		require.False(t, ce.Ambiguous)
		return ce
	}
	ce := fails("there is no such file (start the agent on this machine with runagent serve, point cache_dir at RunAgent's folder, or give host and port)")
	require.Equal(t, conversation.Invalid, ce.Kind)

	server.Register(t, dir)
	ce = fails(`no agent has that id: there are "harbour" (start`)
	require.Equal(t, conversation.Invalid, ce.Kind)

	require.NoError(t, os.WriteFile(file, []byte("this is no database, however long one looks at it"), 0o600))
	ce = fails("not a database")
	require.Equal(t, conversation.Unavailable, ce.Kind, "it may be written at this moment")
}

// The registry is RunAgent's: it is read while RunAgent writes, and not touched.
func TestTheRegistryIsOnlyRead(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	dir := t.TempDir()
	server.Register(t, dir)
	file := filepath.Join(dir, "runagent_local.db")
	before, err := os.ReadFile(file)
	require.NoError(t, err)

	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), `UPDATE agents SET port = 1`)
	require.NoError(t, err)

	_, err = registered(t, dir, nil).Execute(t.Context(), task(`{"agent_id": "harbour"}`))
	require.NoError(t, err)
	require.NoError(t, tx.Rollback())
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// An unknown entrypoint is told before anything runs, with those there are.
func TestEntrypoints(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	e := local(t, server)
	for range 3 {
		_, err := e.Execute(t.Context(), task(`{"entrypoint_tag": "tides"}`))
		ce := asError(t, err)
		require.Equal(t, conversation.Invalid, ce.Kind)
		require.False(t, ce.Ambiguous)
		require.ErrorContains(t, err, `runagent: run "tides" of agent "harbour" at `)
		require.ErrorContains(t, err, `the agent has no entrypoint of that name (use one of "chat", "chat_stream", "denied_stream", "echo", "empty_stream", "fail", "fail_stream", "mixed_stream")`)
	}
	require.Zero(t, server.Runs(""))
	for range 3 {
		_, err := e.Execute(t.Context(), task(`{"entrypoint_tag": "chat"}`))
		require.NoError(t, err)
	}
	require.Equal(t, 1, server.Lists(), "the list is remembered")

	off := local(t, server, unvalidated)
	_, err := off.Execute(t.Context(), task(`{"entrypoint_tag": "tides"}`))
	require.ErrorContains(t, err, "404 Not Found: “Entrypoint tides not found”")
	require.Equal(t, 1, server.Lists())
}

// Where the list cannot be had, the run itself tells.
func TestEntrypointsThatCannotBeListed(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	server.HideEntrypoints()
	e := local(t, server)
	for range 2 {
		_, err := e.Execute(t.Context(), task(`{"entrypoint_tag": "chat"}`))
		require.NoError(t, err)
	}
	require.Equal(t, 1, server.Lists(), "it is not asked for at every run")
	_, err := e.Execute(t.Context(), task(`{"entrypoint_tag": "tides"}`))
	require.ErrorContains(t, err, "Entrypoint tides not found")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	live, other := runagenttest.Start(t, harbour()), runagenttest.Start(t, runagenttest.Agent{ID: "lighthouse"})
	dead := runagenttest.Start(t, harbour())
	dead.Close()
	nowhere, empty, stale, mixed := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	runagenttest.Register(t, empty, "gone", "x", 1)
	db, err := sql.Open("sqlite", filepath.Join(empty, "runagent_local.db"))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `DELETE FROM agents`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	dead.Register(t, stale)
	other.Register(t, mixed)
	dead.Register(t, mixed)

	for name, c := range map[string]struct {
		change func(*runagent.Config)
		want   conversation.Kind // empty: it is well
		text   string
	}{
		"Configured":       {func(c *runagent.Config) { c.Host, c.Port = live.Address(); c.AgentID = "harbour" }, "", ""},
		"ConfiguredAny":    {func(c *runagent.Config) { c.Host, c.Port = live.Address() }, "", ""},
		"ConfiguredOther":  {func(c *runagent.Config) { c.Host, c.Port = other.Address(); c.AgentID = "harbour" }, conversation.Invalid, `it serves agent "lighthouse", and not "harbour" (check agent_id`},
		"ConfiguredDead":   {func(c *runagent.Config) { c.Host, c.Port = dead.Address() }, conversation.Unavailable, "start the agent with runagent serve"},
		"NoRegistry":       {func(c *runagent.Config) { c.CacheDir = nowhere }, conversation.Invalid, "there is no such file"},
		"EmptyRegistry":    {func(c *runagent.Config) { c.CacheDir = empty }, conversation.Invalid, "there are none (start the agent on this machine with runagent serve"},
		"RegisteredDead":   {func(c *runagent.Config) { c.CacheDir = stale }, conversation.Unavailable, "none of the 1 agents is being served (start one with runagent serve)"},
		"RegisteredOne":    {func(c *runagent.Config) { c.CacheDir = mixed }, "", ""},
		"RegisteredByName": {func(c *runagent.Config) { c.CacheDir, c.AgentID = mixed, "lighthouse" }, "", ""},
		"NotRegistered":    {func(c *runagent.Config) { c.CacheDir, c.AgentID = mixed, "nobody" }, conversation.Invalid, `there are "harbour", "lighthouse"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := registered(t, "", c.change).Check(t.Context())
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.want, asError(t, err).Kind, "%v", err)
			require.ErrorContains(t, err, c.text)
		})
	}
}

func TestCheckServerless(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	anyAgent := func(c *runagent.Config) { c.AgentID = "" }
	require.NoError(t, cloud(t, server).Check(t.Context()))
	require.NoError(t, cloud(t, server, anyAgent).Check(t.Context()))

	err := cloud(t, server, func(c *runagent.Config) { c.APIKey = "" }).Check(t.Context())
	require.Equal(t, conversation.Unauthorized, asError(t, err).Kind)
	require.ErrorContains(t, err, "there is no API key (set RUNAGENT_API_KEY")

	for _, change := range []func(*runagent.Config){nil, anyAgent} {
		err = cloud(t, server, change, func(c *runagent.Config) { c.APIKey = "another" }).Check(t.Context())
		require.Equal(t, conversation.Unauthorized, asError(t, err).Kind)
		require.ErrorContains(t, err, "Invalid or expired API key” (check api_key")
	}
	err = cloud(t, server, func(c *runagent.Config) { c.AgentID = "nobody" }).Check(t.Context())
	require.Equal(t, conversation.Invalid, asError(t, err).Kind)
	require.ErrorContains(t, err, "that the agent is deployed and started")
	require.Zero(t, server.Runs(""), "a check runs nothing")

	server.Close()
	err = cloud(t, server).Check(t.Context())
	require.Equal(t, conversation.Unavailable, asError(t, err).Kind)
}

// The stand-in keeps the local server's records.
func TestInvocations(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	e := local(t, server)
	_, _ = e.Execute(t.Context(), task(`{"entrypoint_tag": "fail"}`))
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	get := func(path string) string {
		res, err := server.Client().Get(server.URL() + "/api/v1" + path)
		require.NoError(t, err)
		defer func() { require.NoError(t, res.Body.Close()) }()
		return read(t, res)
	}
	require.JSONEq(t, `{"agent_id": "harbour", "stats": {"total_invocations": 2, "failed_invocations": 1, "completed_invocations": 1}}`,
		get("/agents/harbour/invocations/stats"))
	var list struct {
		Invocations []struct {
			ID         string `json:"invocation_id"`
			Entrypoint string `json:"entrypoint_tag"`
		} `json:"invocations"`
	}
	require.NoError(t, json.Unmarshal([]byte(get("/agents/harbour/invocations?status=failed")), &list))
	require.Len(t, list.Invocations, 1)
	require.Equal(t, "fail", list.Invocations[0].Entrypoint)
	require.Contains(t, get("/invocations/"+list.Invocations[0].ID), "the harbour is closed")
	require.Contains(t, get("/invocations/none"), "NOT_FOUND")
}
