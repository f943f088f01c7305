package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
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
	"github.com/parley-run/parley/secret"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/mcp"
	"github.com/parley-run/parley/tools/toolstest"
)

// A site is the SDK's server behind HTTP, with a door in front of it.
type site struct {
	*httptest.Server
	server *sdk.Server

	mu      sync.Mutex
	handler http.Handler
	door    func(w http.ResponseWriter, r *http.Request, message message) (handled bool)
	methods []string // of the messages, in the order they came
	tokens  []string // of the requests
}

// message is what the door looks at.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name string `json:"name"`
	} `json:"params"`
}

func newSite(t *testing.T, asJSON bool, reached chan<- struct{}) *site {
	t.Helper()
	s := &site{server: newServer(reached)}
	s.handler = sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s.server }, &sdk.StreamableHTTPOptions{JSONResponse: asJSON})
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.Close()
		for session := range s.server.Sessions() { // those that no client could end
			_ = session.Close()
		}
	})
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	var m message
	_ = json.Unmarshal(body, &m)
	s.mu.Lock()
	s.methods = append(s.methods, strings.TrimSpace(r.Method+" "+m.Method))
	s.tokens = append(s.tokens, r.Header.Get("Authorization"))
	door, handler := s.door, s.handler
	s.mu.Unlock()
	if m.Params.Name == toolstest.Broken {
		panic(http.ErrAbortHandler)
	}
	if door != nil && door(w, r, m) {
		return
	}
	handler.ServeHTTP(w, r)
}

// at puts a door in front of the calls of a tool.
func (s *site) at(tool string, door func(w http.ResponseWriter, r *http.Request, id string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.door = func(w http.ResponseWriter, r *http.Request, m message) bool {
		if m.Params.Name != tool {
			return false
		}
		door(w, r, string(m.ID))
		return true
	}
}

// forget has the server lose its sessions, as one that is started anew.
func (s *site) forget() {
	fresh := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s.server }, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = fresh
}

func (s *site) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.methods)
}

func (s *site) count(method string) int {
	n := 0
	for _, m := range s.seen() {
		if m == method {
			n++
		}
	}
	return n
}

// visit makes a set for an address.
func visit(t *testing.T, url string, change func(*mcp.Config)) *mcp.Set {
	t.Helper()
	cfg := mcp.Config{Name: "shop", URL: url, Headers: map[string]secret.String{"Authorization": "Bearer " + key}}
	if change != nil {
		change(&cfg)
	}
	s, err := mcp.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestContractOfServers(t *testing.T) {
	t.Parallel()
	for name, asJSON := range map[string]bool{"JSON": true, "Events": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			toolstest.Run(t, toolstest.Fixture{
				New:     func(t *testing.T) tools.Set { return visit(t, newSite(t, asJSON, nil).URL, nil) },
				Breaks:  true,
				Odd:     true,
				Secrets: []string{key},
			})
		})
	}
}

// The first thing a server hears is initialize, and it is asked for no stream of
// its own. The session is ended with the set. Every request has the headers.
func TestConversationWithTheServer(t *testing.T) {
	t.Parallel()
	site := newSite(t, false, nil)
	s := visit(t, site.URL, nil)
	require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
	require.NoError(t, s.Close())
	require.Equal(t, []string{"POST initialize", "POST notifications/initialized", "POST tools/call", "DELETE"}, site.seen())
	require.Equal(t, slices.Repeat([]string{"Bearer " + key}, 4), site.tokens)
}

// What a server may answer to a call, and what that means.
func TestAnswersToACall(t *testing.T) {
	t.Parallel()
	const (
		down = conversation.Unavailable
		no   = conversation.Unauthorized
	)
	status := func(code int, body string, headers ...string) func(http.ResponseWriter, *http.Request, string) {
		return func(w http.ResponseWriter, _ *http.Request, id string) {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, strings.ReplaceAll(body, "$ID", id))
		}
	}
	wire := func(code int) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":$ID,"error":{"code":%d,"message":"no: %s"}}`, code, key)
	}
	const asJSON, asEvents = "application/json", "text/event-stream"
	for name, c := range map[string]struct {
		answer    func(http.ResponseWriter, *http.Request, string)
		want      conversation.Kind // empty: a result for the model
		text      string
		ambiguous bool
	}{
		"Unauthorized":      {status(401, "bad token "+key), no, "the server answers 401 Unauthorized: “bad token [redacted]” (check headers", false},
		"Forbidden":         {status(403, wire(-32602)), no, "the server answers 403 Forbidden: “no: [redacted]” (check headers", false},
		"MethodNotAllowed":  {status(405, ""), down, "405 Method Not Allowed: an empty body; this is not the server's own answer (check url)", false},
		"SessionLost":       {status(404, wire(-32602)), down, "404 Not Found: “no: [redacted]”: the session may be lost", false},
		"SessionLostAs400":  {status(400, wire(-32000)), down, "400 Bad Request: “no: [redacted]”: the session may be lost", false},
		"BusyFor20Seconds":  {status(429, "later", "Retry-After", "20"), conversation.RateLimited, "429 Too Many Requests: “later”", false},
		"ServerError":       {status(500, "no: "+key), down, "500 Internal Server Error: “no: [redacted]”", true},
		"AnswerUnder500":    {status(500, wire(-32602)), "", "The tool server refuses the call: no: [redacted]", false},
		"GatewayPage":       {status(502, "<html>", "Content-Type", "text/html"), down, "the server answers 502 Bad Gateway", true},
		"SeeOther":          {status(303, "", "Location", "/other"), down, "303 See Other: a redirect; this is not the server's own answer (set url", true},
		"OtherServer":       {status(307, "", "Location", "http://127.0.0.1:1/mcp"), down, "307 Temporary Redirect: a redirect; this is not the server's own answer (set url", false},
		"Circle":            {status(307, "", "Location", "/"), down, "more than 5 redirects", false},
		"BadArguments":      {status(400, wire(-32602)), "", "The tool server refuses the call: no: [redacted]", false},
		"UnknownTool":       {status(200, wire(-32602), "Content-Type", asJSON), "", "The tool server refuses the call: no: [redacted]", false},
		"OwnCode":           {status(200, wire(7), "Content-Type", asJSON), "", "The tool server refuses the call: no: [redacted]", false},
		"InternalError":     {status(200, wire(-32603), "Content-Type", asJSON), "", "The tool server reports error -32603: no: [redacted]. It is not known", false},
		"CodesOfTheSDK":     {status(200, wire(-32003), "Content-Type", asJSON), "", "The tool server reports error -32003: no: [redacted]. It is not known", false},
		"MoreCodesOfTheSDK": {status(200, wire(-32005), "Content-Type", asJSON), "", "The tool server reports error -32005: no: [redacted]. It is not known", false},
		"WebPage":           {status(200, "<html>", "Content-Type", "text/html"), down, "200 OK: a web page; this is not the server's own answer (check url)", true},
		"Page401":           {status(401, "<html>"), down, "401 Unauthorized: a web page; this is not the server's own answer (check url)", false},
		"Page403":           {status(403, "Sign in", "Content-Type", "text/html"), down, "403 Forbidden: a web page; this is not", false},
		"Page404":           {status(404, "<html>"), down, "404 Not Found: a web page; this is not", false},
		"Empty403":          {status(403, ""), down, "403 Forbidden: an empty body; this is not", false},
		"Challenge":         {status(401, "", "WWW-Authenticate", "Bearer"), no, "401 Unauthorized (check headers", false},
		"AnotherServer":     {status(404, "404 page not found"), down, "404 Not Found: “404 page not found”; this is not", false},
		"NoJSON":            {status(200, "{", "Content-Type", asJSON), "", "its answer cannot be read. It begins: {", false},
		"ForeignID":         {status(200, `{"jsonrpc":"2.0","id":4711,"result":{}}`, "Content-Type", asJSON), down, "the answer belongs to no call, or to another one", true},
		"CutOff":            {status(200, "{", "Content-Type", asJSON, "Content-Length", "100"), down, "the answer breaks off", true},
		"StreamEnds":        {status(200, "data: \n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n", "Content-Type", asEvents), down, "the stream ended before the answer", true},
		"StreamCutOff":      {status(200, "data: {", "Content-Type", asEvents, "Content-Length", "100"), down, "the stream broke off before the answer", true},
		"StreamOfManyLines": {status(200, ": hi\n\ndata: {\"jsonrpc\":\"2.0\",\r\ndata:\"id\":$ID,\ndata: \"result\":{\"content\":[],\"isError\":true}}\n\n", "Content-Type", asEvents), "", "failed without a reason", false},
		"LargeJSON":         {status(200, strings.Repeat(" ", 17<<20), "Content-Type", asJSON), "", "larger than 16 MiB", false},
		"LargeEvent":        {status(200, "data: "+strings.Repeat("x", 17<<20), "Content-Type", asEvents), "", "larger than 16 MiB", false},
		"EndlessEvents": {func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.Header().Set("Content-Type", asEvents)
			for piece := []byte(strings.Repeat("data: {\"method\":\"notifications/progress\"}\n\n", 1000)); ; {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}, down, "the stream had more than 10000 events before the answer", true},
		"EndlessComments": {func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.Header().Set("Content-Type", asEvents)
			for piece := []byte(strings.Repeat(": still here\n", 1000)); ; {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}, down, "the stream ended before the answer", true},
		"LargeEventInPieces": {status(200, strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 17), "Content-Type", asEvents), "", "larger than 16 MiB", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reached := make(chan struct{}, 1)
			site := newSite(t, false, reached)
			site.at("pid", c.answer)
			s := visit(t, site.URL, nil)

			// Another call is under way, and continues whatever this one receives.
			ctx, cancel := context.WithCancel(t.Context())
			other := make(chan error, 1)
			go func() {
				_, err := s.Call(ctx, toolstest.Make(toolstest.Stall, "other", ""))
				other <- err
			}()
			<-reached

			result, err := s.Call(t.Context(), toolstest.Make("pid", "k", ""))
			if c.want == "" {
				require.NoError(t, err)
				require.True(t, result.IsError)
				require.Contains(t, result.Content, c.text)
			} else {
				var ce *conversation.Error
				require.ErrorAs(t, err, &ce)
				require.Equal(t, c.want, ce.Kind, "%v", err)
				require.ErrorContains(t, err, c.text)
				require.ErrorContains(t, err, `mcp: call "pid" of "shop": `)
				require.NotContains(t, err.Error(), key)
				require.Equal(t, c.ambiguous, ce.Ambiguous, "%v", err)
				if ce.Kind == conversation.RateLimited {
					require.Equal(t, 20*time.Second, ce.RetryAfter)
				}
			}
			require.Equal(t, "hello", call(t, s, toolstest.Echo).Content, "the next call works")
			select {
			case err := <-other:
				require.Fail(t, "the other call ended", "%v", err)
			default:
			}
			cancel()
			require.ErrorIs(t, <-other, context.Canceled)
		})
	}
}

// A server that was started anew does not know our session: the call fails, to
// be tried again, and then there is a new one.
func TestLostSession(t *testing.T) {
	t.Parallel()
	site := newSite(t, false, nil)
	s := visit(t, site.URL, nil)
	call(t, s, toolstest.Echo)
	version := s.Version()
	site.forget()
	err := failing(t, s, toolstest.Echo)
	require.Equal(t, conversation.Unavailable, err.Kind)
	require.False(t, err.Ambiguous)
	require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
	require.Equal(t, 2, site.count("POST initialize"))
	require.Greater(t, s.Version(), version)
}

// Redirects are followed within the server, with the call and the headers.
func TestRedirectWithinTheServer(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			site := newSite(t, true, nil)
			site.door = func(w http.ResponseWriter, r *http.Request, _ message) bool {
				if strings.HasSuffix(r.URL.Path, "/") {
					require.Equal(t, "q=1", r.URL.RawQuery)
					return false
				}
				w.Header().Set("Location", r.URL.Path+"/")
				w.WriteHeader(status)
				return true
			}
			s := visit(t, site.URL+"/mcp?q=1", nil)
			require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
		})
	}
}

// Another server gets nothing of us, least of all the headers.
func TestRedirectToAnotherServer(t *testing.T) {
	t.Parallel()
	other := newSite(t, true, nil)
	site := newSite(t, true, nil)
	site.door = func(w http.ResponseWriter, _ *http.Request, _ message) bool {
		w.Header().Set("Location", other.URL)
		w.WriteHeader(http.StatusPermanentRedirect)
		return true
	}
	err := failing(t, visit(t, site.URL, nil), toolstest.Echo)
	require.Equal(t, conversation.Unavailable, err.Kind)
	require.ErrorContains(t, err, "redirects to another server are not followed")
	require.Empty(t, other.seen())
}

// What keeps a connection from being made, and what repairs it.
func TestConnecting(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		door http.HandlerFunc
		want conversation.Kind
		text string
	}{
		"Unauthorized": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(401)
		}, conversation.Unauthorized, `mcp: connect "shop": the server answers 401 Unauthorized (check headers`},
		"NotFound": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, conversation.Unavailable, "check url"},
		"WebPage":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, conversation.Unavailable, "a web page; this is not the server's own answer"},
		"HangsUp":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, conversation.Unavailable, "the server closed the connection without an answer"},
		"Hangs":    {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, conversation.Unavailable, "the server was not ready within 200ms (connect_timeout)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, true, nil)
			site.door = func(w http.ResponseWriter, r *http.Request, _ message) bool { c.door(w, r); return true }
			s := visit(t, site.URL, func(cfg *mcp.Config) { cfg.ConnectTimeout = 200 * time.Millisecond })
			for _, err := range []error{failing(t, s, toolstest.Echo), s.Check(t.Context())} {
				require.True(t, conversation.IsKind(err, c.want), "%v", err)
				require.ErrorContains(t, err, c.text)
			}
			site.mu.Lock()
			site.door = nil
			site.mu.Unlock()
			require.Equal(t, "hello", call(t, s, toolstest.Echo).Content, "it is tried anew")
		})
	}
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	site := newSite(t, true, nil)
	site.Close()
	err := failing(t, visit(t, site.URL+"/?token="+key, nil), toolstest.Echo)
	require.Equal(t, conversation.Unavailable, err.Kind)
	require.False(t, err.Ambiguous)
	require.ErrorContains(t, err, "check url, and that the server is running")
}

func TestUntrustedServer(t *testing.T) {
	t.Parallel()
	site := httptest.NewUnstartedServer(http.NotFoundHandler())
	site.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of us
	site.StartTLS()
	t.Cleanup(site.Close)
	err := failing(t, visit(t, site.URL, nil), toolstest.Echo)
	require.Equal(t, conversation.Invalid, err.Kind)
	require.ErrorContains(t, err, "trusts the server's certificate")
}

// A cancelled call is cancelled at the server too.
func TestCancelReachesTheServer(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	site := newSite(t, false, reached)
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
	require.Eventually(t, func() bool { return site.count("POST notifications/cancelled") == 1 }, patience, time.Millisecond)
	require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
	require.Equal(t, 1, site.count("POST initialize"), "on the same session")
}

// A list without an end, and one that is too large, are the server's fault.
func TestEndlessList(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ page, text string }{
		"Pages":        {`{"tools":[],"nextCursor":"after $N"}`, "the list has more than 100 pages"},
		"Tools":        {`{"tools":[` + strings.Repeat(`{"name":"t","inputSchema":{"type":"object"}},`, 1000) + `{"name":"t","inputSchema":{"type":"object"}}],"nextCursor":"after $N"}`, "the list has more than 10000 tools"},
		"Descriptions": {`{"tools":[{"name":"t","description":"` + strings.Repeat("x", 1<<20) + `","inputSchema":{"type":"object"}}],"nextCursor":"after $N"}`, "the list has more than 32 MiB"},
		"Bytes":        {`{"tools":[` + strings.Repeat(" ", 17<<20) + `]}`, "larger than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, true, nil)
			site.door = func(w http.ResponseWriter, _ *http.Request, m message) bool {
				if m.Method != "tools/list" {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, strings.ReplaceAll(c.page, "$N", string(m.ID)))
				return true
			}
			_, err := visit(t, site.URL, nil).List(t.Context())
			require.True(t, conversation.IsKind(err, conversation.Invalid), "%v", err)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, `mcp: list the tools of "shop"`)
		})
	}
}

// A cursor that comes again leads nowhere: the list ends there.
func TestRepeatedCursor(t *testing.T) {
	t.Parallel()
	site := newSite(t, true, nil)
	site.door = func(w http.ResponseWriter, _ *http.Request, m message) bool {
		if m.Method != "tools/list" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"t","inputSchema":{"type":"object"}}],"nextCursor":"more"}}`, m.ID)
		return true
	}
	listed, err := visit(t, site.URL, nil).List(t.Context())
	require.NoError(t, err)
	require.Equal(t, "t", listed[0].Name)
}

// One that leads back to a page before ends the list as well.
func TestCircleOfCursors(t *testing.T) {
	t.Parallel()
	site := newSite(t, true, nil)
	pages := 0
	site.door = func(w http.ResponseWriter, _ *http.Request, m message) bool {
		if m.Method != "tools/list" {
			return false
		}
		pages++
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"t%d","inputSchema":{"type":"object"}}],"nextCursor":"%d"}}`, m.ID, pages, pages%3)
		return true
	}
	listed, err := visit(t, site.URL, nil).List(t.Context())
	require.NoError(t, err)
	require.Len(t, listed, 4)
}

// A stream that is kept alive and never answers lasts as long as the call may.
func TestStreamWithoutAnswer(t *testing.T) {
	t.Parallel()
	for name, event := range map[string]string{
		"Comments": ": still here\n\n",
		"Progress": "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n",
		"Blanks":   "\n", "Bytes": "x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, true, nil)
			site.at("pid", func(w http.ResponseWriter, r *http.Request, _ string) {
				w.Header().Set("Content-Type", "text/event-stream")
				for r.Context().Err() == nil {
					_, _ = io.WriteString(w, event)
					_ = http.NewResponseController(w).Flush()
					select {
					case <-r.Context().Done():
					case <-time.After(time.Millisecond):
					}
				}
			})
			s := visit(t, site.URL, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // time enough to send it
			defer cancel()
			begun := time.Now()
			_, err := s.Call(ctx, toolstest.Make("pid", "k", ""))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.True(t, ce.Ambiguous)
			require.Less(t, time.Since(begun), time.Minute)
			require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
		})
	}
}
