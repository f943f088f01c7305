package runagent_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/internal/runagenttest"
)

// A task sends the worker only to addresses that the executor uses by itself or that
// agent_hosts allows. Any other gets no request at all.
func TestAgentHosts(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	_, port := server.Address()
	for name, tt := range map[string]struct {
		allow   []string
		host    string // of the task
		change  func(*runagent.Config)
		refused bool
	}{
		"nothing allowed":               {host: "127.0.0.1", refused: true},
		"by name":                       {host: "localhost", refused: true},
		"all addresses of this machine": {host: "0.0.0.0", refused: true},
		"mapped":                        {host: "::ffff:127.0.0.1", refused: true},
		"a number":                      {host: "2130706433", refused: true},
		"short":                         {host: "127.1", refused: true},
		"the port alone":                {refused: true},
		"host and port":                 {host: "127.0.0.1", allow: []string{fmt.Sprint("127.0.0.1:", port)}},
		"host":                          {host: "127.0.0.1", allow: []string{"127.0.0.1"}},
		"host, mapped":                  {host: "::ffff:127.0.0.1", allow: []string{"127.0.0.1"}},
		"name":                          {host: "LocalHost", allow: []string{"localhost"}},
		"another port":                  {host: "127.0.0.1", allow: []string{"127.0.0.1:1"}, refused: true},
		"another name":                  {host: "localhost", allow: []string{"127.0.0.1"}, refused: true},
		"range":                         {host: "127.0.0.1", allow: []string{"127.0.0.0/8"}},
		"range, by name":                {host: "localhost", allow: []string{"127.0.0.0/8", "::1/128"}},
		"another range":                 {host: "127.0.0.1", allow: []string{"10.0.0.0/8"}, refused: true},
		"another range, by name":        {host: "localhost", allow: []string{"10.0.0.0/8"}, refused: true},
		"all":                           {host: "127.0.0.1", allow: []string{"all"}},
		"the configured port":           {host: "127.0.0.1", change: func(c *runagent.Config) { c.Port = port }},
		"the configured port, by name":  {host: "localhost", change: func(c *runagent.Config) { c.Port = port }},
		"registered":                    {host: "127.0.0.1", change: func(c *runagent.Config) { server.Register(t, c.CacheDir) }},
		"registered, by port":           {change: func(c *runagent.Config) { server.Register(t, c.CacheDir) }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, entrypoint := range []string{"chat", "chat_stream"} {
				before := server.Runs("")
				lists := server.Lists()
				e := registered(t, t.TempDir(), func(c *runagent.Config) {
					c.AgentHosts = tt.allow
					if tt.change != nil {
						tt.change(c)
					}
				})
				t.Cleanup(e.CloseIdleConnections)
				payload := map[string]any{"agent_id": "harbour", "entrypoint_tag": entrypoint, "agent_port": port}
				if tt.host != "" {
					payload["agent_host"] = tt.host
				}
				_, err := e.Execute(t.Context(), task(mustJSON(t, payload)))
				if !tt.refused {
					require.NoError(t, err)
					require.Equal(t, before+1, server.Runs(""))
					continue
				}
				ce := asError(t, err)
				require.Equal(t, conversation.Invalid, ce.Kind)
				require.False(t, ce.Ambiguous)
				require.ErrorContains(t, err, "not among the allowed addresses")
				require.Contains(t, ce.Remedy, "agent_hosts")
				require.Equal(t, before, server.Runs(""))
				require.Equal(t, lists, server.Lists(), "nothing is asked of it")
			}
		})
	}
}

func TestAgentHostsThatAreNone(t *testing.T) {
	t.Parallel()
	_, err := runagent.New(runagent.Config{Mode: runagent.ModeLocal, AgentHosts: []string{"", "http://h:1", "h:70000", "h/x", "10.0.0.0/40", "ok.internal:8450"}})
	for i, entry := range []string{`""`, `"http://h:1"`, `"h:70000"`, `"h/x"`, `"10.0.0.0/40"`} {
		require.ErrorContains(t, err, fmt.Sprintf("agent_hosts[%d] is %s, which is no address", i, entry))
	}
	require.NotContains(t, err.Error(), "ok.internal")
}

// An id is one segment of a path, whatever it contains: anything else never leaves.
func TestAgentIDIsOneSegment(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	port, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	e := registered(t, t.TempDir(), func(c *runagent.Config) { c.Port, c.Validate = port, new(bool) })
	for _, id := range []string{
		"a/b", "../admin", "..", ".", "a/../../x", "a?x=1", "a#b", "a%2fb", "a\\b", "a b", " a", "a\nb", "a\x00b", "a\r\nHost: x", "a;b", "a\u202eb",
		strings.Repeat("a", 201),
	} {
		for _, entrypoint := range []string{"chat", "chat_stream"} {
			_, err := e.Execute(t.Context(), task(mustJSON(t, map[string]any{"agent_id": id, "entrypoint_tag": entrypoint})))
			require.Error(t, err, "%q", id)
			ce := asError(t, err)
			require.Equal(t, conversation.Invalid, ce.Kind, "%q", id)
			require.ErrorContains(t, err, "agent_id", "%q", id)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 1000)
		}
	}
	for _, tag := range []string{"a\nb", "a\x00b", strings.Repeat("a", 201)} {
		_, err := e.Execute(t.Context(), task(mustJSON(t, map[string]any{"agent_id": "a", "entrypoint_tag": tag})))
		require.Equal(t, conversation.Invalid, asError(t, err).Kind)
		require.ErrorContains(t, err, "entrypoint_tag")
	}
	require.Zero(t, requests.Load())
}
