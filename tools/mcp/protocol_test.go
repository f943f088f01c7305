package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/mcp"
	"github.com/parley-run/parley/tools/toolstest"
)

const stateless = "2026-07-28"

// versions are what servers made by the SDK know, and how they are served.
var versions = map[string]struct {
	known     []string
	stateless bool
}{
	"Sessions":          {[]string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}, false},
	"OldSessions":       {[]string{"2025-03-26"}, false},
	"SessionsStateless": {[]string{"2025-11-25"}, true},
	"Both":              {nil, false},
	"BothStateless":     {nil, true},
	"NoSessions":        {[]string{stateless}, true},
}

func newVersioned(t *testing.T, known []string, isStateless bool, reached chan<- struct{}) *site {
	t.Helper()
	s := newSite(t, false, nil)
	quit := make(chan struct{})
	t.Cleanup(func() { close(quit) }) // before the site is closed
	s.server = newServerOf(reached, quit, known)
	s.handler = sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s.server }, &sdk.StreamableHTTPOptions{Stateless: isStateless})
	return s
}

// The contract holds for servers that know only sessions, and for those that know none.
func TestContractOfVersions(t *testing.T) {
	t.Parallel()
	for name, v := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			toolstest.Run(t, toolstest.Fixture{
				New:     func(t *testing.T) tools.Set { return visit(t, newVersioned(t, v.known, v.stateless, nil).URL, nil) },
				Breaks:  true,
				Odd:     true,
				Secrets: []string{key},
			})
		})
	}
}

func TestVersionsOfPrograms(t *testing.T) {
	t.Parallel()
	for name, v := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newProgram(t, nil, "versioned", v.known...)
			require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
			listed, err := s.List(t.Context())
			require.NoError(t, err)
			require.Greater(t, len(listed), 10)
			require.NoError(t, s.Check(t.Context()))
		})
	}
}

// A server without sessions is asked for one once, not at each connection.
func TestStatelessIsRemembered(t *testing.T) {
	t.Parallel()
	site := newVersioned(t, []string{stateless}, true, nil)
	s := visit(t, site.URL, nil)
	require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
	require.Equal(t, 1, site.count("POST server/discover"))
	site.at("pid", func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(http.StatusNotFound) })
	require.False(t, failing(t, s, "pid").Ambiguous)
	require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
	require.Equal(t, 2, site.count("POST server/discover"), "%v", site.seen())
	require.Equal(t, 1, site.count("POST initialize"), "%v", site.seen())
	require.Zero(t, site.count("POST subscriptions/listen"))
}

// A call that is given up is cancelled by the end of its request.
func TestCancelWithoutSession(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	site := newVersioned(t, []string{stateless}, true, reached)
	s := visit(t, site.URL, nil)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := s.Call(ctx, toolstest.Make(toolstest.Stall, "k", ""))
		result <- err
	}()
	<-reached
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
	require.Zero(t, site.count("POST notifications/cancelled"))
}

// A bare server answers requests by their methods: what a method has no answer for, it
// answers with rest.
type bareServer struct {
	answers map[string]string
	rest    func(w http.ResponseWriter, id json.RawMessage)

	mu      sync.Mutex
	methods []string
	headers []http.Header
}

func (b *bareServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var m message
	_ = json.Unmarshal(body, &m)
	b.mu.Lock()
	b.methods, b.headers = append(b.methods, m.Method), append(b.headers, r.Header.Clone())
	b.mu.Unlock()
	result, ok := b.answers[m.Method]
	switch {
	case m.ID == nil:
		w.WriteHeader(http.StatusAccepted)
	case ok:
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,%s}`, m.ID, result)
	default:
		b.rest(w, m.ID)
	}
}

func errorWith(status int, code int64) func(http.ResponseWriter, json.RawMessage) {
	return func(w http.ResponseWriter, id json.RawMessage) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"no","data":{"supported":["2026-07-28"],"requested":"2025-11-25"}}}`, id, code)
	}
}

const (
	called     = `"result":{"content":[{"type":"text","text":"yes"}]}`
	introduced = `"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}`
	discovered = `"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"ttlMs":86400000,"cacheScope":"public"}`
	oneTool    = `"result":{"ttlMs":86400000,"tools":[{"name":"find","inputSchema":{"type":"object","properties":{"text":{"type":"string","x-mcp-header":"Text"}}}}]}`
)

// Servers without sessions refuse initialize in many ways.
func TestServersWithoutSessions(t *testing.T) {
	t.Parallel()
	plain := func(status int, text string) func(http.ResponseWriter, json.RawMessage) {
		return func(w http.ResponseWriter, _ json.RawMessage) { http.Error(w, text, status) }
	}
	for name, rest := range map[string]func(http.ResponseWriter, json.RawMessage){
		"MethodNotFound":       errorWith(200, -32601),
		"MethodNotFound404":    errorWith(404, -32601),
		"UnsupportedVersion":   errorWith(200, -32022),
		"UnsupportedAnd400":    errorWith(400, -32022),
		"HeaderMismatch":       errorWith(400, -32020),
		"InvalidParams":        errorWith(400, -32602),
		"InvalidRequest":       errorWith(200, -32600),
		"OwnCode":              errorWith(500, -32000),
		"BadRequest":           plain(400, "missing MCP-Protocol-Version"),
		"NotFound":             plain(404, "no such method"),
		"MethodNotAllowed":     plain(405, "no"),
		"NotImplemented":       plain(501, "no"),
		"UnprocessableContent": plain(422, `{"detail":"no"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bareServer{rest: rest, answers: map[string]string{"server/discover": discovered, "tools/list": oneTool, "tools/call": called}}
			server := httptest.NewServer(b)
			t.Cleanup(server.Close)
			s := visit(t, server.URL, nil)
			for range 3 {
				require.Equal(t, "yes", call(t, s, "find").Content)
				listed, err := s.List(t.Context())
				require.NoError(t, err)
				require.Len(t, listed, 1)
			}
			require.NoError(t, s.Check(t.Context()))
			b.mu.Lock()
			defer b.mu.Unlock()
			require.Equal(t, []string{"initialize", "server/discover", "tools/list", "tools/call", "tools/list", "tools/call", "tools/list", "tools/call", "tools/list", "tools/list"},
				slices.DeleteFunc(b.methods, func(m string) bool { return m == "" }), "a list is never one of the SDK's")
			require.Equal(t, stateless, b.headers[3].Get("Mcp-Protocol-Version"))
			require.Equal(t, "tools/call", b.headers[3].Get("Mcp-Method"))
			require.Equal(t, "find", b.headers[3].Get("Mcp-Name"))
			require.Equal(t, "hello", b.headers[3].Get("Mcp-Param-Text"), "the list says that the argument is sent in a header, too")
			require.Equal(t, "Bearer "+key, b.headers[3].Get("Authorization"))
		})
	}
}

// Servers with sessions that answer anything but initialize harshly are not asked for
// anything else before.
func TestServersWithSessionsOnly(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 405, 500} {
		b := &bareServer{rest: errorWith(status, -32601), answers: map[string]string{"initialize": introduced, "tools/list": oneTool, "tools/call": called}}
		server := httptest.NewServer(b)
		t.Cleanup(server.Close)
		s := visit(t, server.URL, nil)
		require.Equal(t, "yes", call(t, s, "find").Content)
		require.NotContains(t, b.methods, "server/discover")
	}
}

// A server that is neither is reported by what it said first.
func TestNeitherVersion(t *testing.T) {
	t.Parallel()
	b := &bareServer{rest: func(w http.ResponseWriter, _ json.RawMessage) { http.Error(w, "who are you", http.StatusNotFound) }}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	err := failing(t, visit(t, server.URL, nil), toolstest.Echo)
	require.Equal(t, conversation.Unavailable, err.Kind)
	require.False(t, err.Ambiguous)
	require.ErrorContains(t, err, "who are you")
	require.Less(t, len(b.methods), 5)
}

// A server that no longer knows the version of a connection rejects the call before it
// reads it: the call was not made, and the next connection uses the other version.
func TestVersionIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			b := &bareServer{rest: errorWith(status, -32022), answers: map[string]string{"initialize": introduced, "tools/list": oneTool}}
			server := httptest.NewServer(b)
			t.Cleanup(server.Close)
			s := visit(t, server.URL, nil)
			require.False(t, failing(t, s, "find").Ambiguous)
			b.mu.Lock()
			b.answers = map[string]string{"server/discover": discovered, "tools/list": oneTool, "tools/call": called}
			b.mu.Unlock()
			require.Equal(t, "yes", call(t, s, "find").Content)
		})
	}
}

// A program that does not answer initialize is asked the other way the next time.
func TestSilentAtInitialize(t *testing.T) {
	t.Parallel()
	s := newProgram(t, func(c *mcp.Config) { c.ConnectTimeout = 2 * time.Second }, "modern")
	require.False(t, failing(t, s, "find").Ambiguous)
	require.Equal(t, "yes", strings.TrimSpace(call(t, s, "find").Content))
}
