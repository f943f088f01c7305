package runagent_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/internal/runagenttest"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func respond(req *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Request: req, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)),
	}
}

// Each failure has a kind, says whether the agent may have run, and what to do.
func TestErrors(t *testing.T) {
	t.Parallel()
	const (
		invalid      = conversation.Invalid
		unavailable  = conversation.Unavailable
		unauthorized = conversation.Unauthorized
	)
	for name, c := range map[string]struct {
		fault     runagenttest.Fault
		cloud     bool
		change    func(*runagent.Config)
		want      conversation.Kind
		ambiguous bool
		text      string
	}{
		"AgentRaised": {change: entrypoint("fail"), want: invalid, ambiguous: true,
			text: "the harbour is closed: permission of the master needed” (read the agent's log"},
		"AgentRaisedAndMayBeRetried": {change: func(c *runagent.Config) { c.Entrypoint, c.RetryAgentErrors = "fail", true },
			want: unavailable, ambiguous: true, text: "the harbour is closed"},
		"UnknownEntrypoint": {change: func(c *runagent.Config) { c.Entrypoint = "nope"; unvalidated(c) },
			want: invalid, text: "404 Not Found: “Entrypoint nope not found” (check entrypoint_tag"},
		"UnknownAgent": {change: func(c *runagent.Config) { c.AgentID = "nobody" },
			want: invalid, text: "404 Not Found: “Not Found” (check agent_id: another agent is served there; start yours with runagent serve)"},
		"UnknownAgentStreaming": {change: func(c *runagent.Config) { c.AgentID, c.Entrypoint = "nobody", "chat_stream" },
			want: invalid, text: "403 Forbidden (check agent_id: another agent is served there"},
		"UnknownAgentInTheCloud": {cloud: true, change: func(c *runagent.Config) { c.AgentID = "nobody" },
			want: invalid, text: "that the agent is deployed and started"},
		"BadBody": {fault: runagenttest.Fault{Status: 422, Body: `{"detail": [{"loc": ["body", "input_args"], "msg": "Input should be a valid list", "type": "list_type"}]}`},
			want: invalid, text: "422 Unprocessable Entity: “body.input_args: Input should be a valid list” (check agent_id"},
		"KeyTurnedDown": {fault: runagenttest.Fault{Status: 401, Body: `{"detail": "Invalid key ` + key + `"}`}, cloud: true,
			want: unauthorized, text: "401 Unauthorized: “Invalid key [redacted]” (check api_key"},
		"NoAccess":             {fault: runagenttest.Fault{Status: 403, Body: `{"detail": "not yours"}`}, cloud: true, want: unauthorized, text: "(check api_key, and that it may run this agent)"},
		"NoAccessAs500":        {fault: runagenttest.Fault{Status: 500, Body: `{"detail": "403: You do not have permission"}`}, cloud: true, want: unauthorized, ambiguous: true, text: "permission"},
		"NoAccessAs200":        {fault: runagenttest.Fault{Raw: `{"success": false, "error": {"code": "PERMISSION_ERROR", "message": "no"}}`}, cloud: true, want: unauthorized, text: "no” (check api_key"},
		"NoAccessInWords":      {fault: runagenttest.Fault{Raw: `{"success": false, "error": "Access denied"}`}, cloud: true, want: unauthorized, ambiguous: true, text: "Access denied"},
		"AgentLacksPermission": {cloud: true, change: entrypoint("fail"), want: invalid, ambiguous: true, text: "permission of the master needed” (read the agent's log"},
		"ServerBroken":         {fault: runagenttest.Fault{Status: 500, Body: "Internal Server Error"}, want: unavailable, ambiguous: true, text: "500 Internal Server Error"},
		"500OfALocalAgent": {fault: runagenttest.Fault{Status: 500, Body: `{"success": false, "error": {"code": "INTERNAL_ERROR", "message": "no permission to read file"}}`},
			want: unavailable, ambiguous: true, text: "no permission to read file"},
		"BadGateway":         {fault: runagenttest.Fault{Status: 502, AfterRun: true}, cloud: true, want: unavailable, ambiguous: true, text: "502 Bad Gateway"},
		"GatewayTimeout":     {fault: runagenttest.Fault{Status: 504}, cloud: true, want: unavailable, ambiguous: true, text: "504"},
		"Busy":               {fault: runagenttest.Fault{Status: 503}, cloud: true, want: unavailable, ambiguous: true, text: "503"},
		"TooMany":            {fault: runagenttest.Fault{Status: 429, RetryAfter: "9"}, cloud: true, want: conversation.RateLimited, text: "429"},
		"Redirect":           {fault: runagenttest.Fault{Status: 307}, cloud: true, want: unavailable, text: "set url to where the server redirects"},
		"EmptyForbidden":     {fault: runagenttest.Fault{Status: 403}, cloud: true, want: unavailable, text: "403 Forbidden: an empty body; this is not the agent's own answer (check that url, or host and port, lead to RunAgent)"},
		"PageForbidden":      {fault: runagenttest.Fault{Status: 403, Body: "<html>"}, want: unavailable, text: "403 Forbidden: a web page; this is not"},
		"PageToAStream":      {fault: runagenttest.Fault{Status: 200, Body: "<html>"}, change: entrypoint("chat_stream"), want: unavailable, text: "200 OK: a web page; this is not"},
		"ForbiddenToAStream": {fault: runagenttest.Fault{Status: 403, Body: "<html>"}, change: entrypoint("chat_stream"), want: unavailable, text: "403 Forbidden: a web page"},
		"PageNotFound":       {fault: runagenttest.Fault{Status: 404, Body: "<html>"}, cloud: true, want: unavailable, text: "404 Not Found: a web page"},
		"AnotherServer":      {fault: runagenttest.Fault{Status: 404, Body: "404 page not found"}, want: unavailable, text: "404 Not Found: “404 page not found”; this is not"},
		"NoRoute":            {fault: runagenttest.Fault{Status: 404, Body: `{"message": "no Route matched"}`}, cloud: true, want: unavailable, text: "this is not the agent's own answer"},
		"PageInPlaceOfText":  {fault: runagenttest.Fault{Raw: "<!DOCTYPE html><html>"}, want: unavailable, ambiguous: true, text: "200 OK: a web page; this is not"},
		"ValidationAs200":    {fault: runagenttest.Fault{Raw: `{"success": false, "error": {"code": "VALIDATION_ERROR", "message": "no such field"}}`}, want: invalid, text: "no such field” (check entrypoint_tag, args and params)"},
		"NotFoundAs200":      {fault: runagenttest.Fault{Raw: `{"success": false, "error": {"code": "AGENT_NOT_FOUND_REMOTE", "message": "not deployed", "suggestion": "runagent start"}}`}, cloud: true, want: invalid, text: "not deployed” (“runagent start”)"},
		"ConnectionAs200":    {fault: runagenttest.Fault{Raw: `{"success": false, "error": {"code": "CONNECTION_ERROR", "message": "lost"}}`}, cloud: true, want: unavailable, ambiguous: true, text: "lost"},
		"DetailComesFirst":   {fault: runagenttest.Fault{Raw: `{"success": false, "detail": "one", "error": {"message": "two"}, "message": "three"}`}, want: invalid, ambiguous: true, text: "one” ("},
		"ThenTheError":       {fault: runagenttest.Fault{Raw: `{"success": false, "error": {"message": "two"}, "message": "three"}`}, want: invalid, ambiguous: true, text: "two” ("},
		"TheErrorAsText":     {fault: runagenttest.Fault{Raw: `{"success": false, "error": "two", "message": "three"}`}, want: invalid, ambiguous: true, text: "two” ("},
		"ThenTheMessage":     {fault: runagenttest.Fault{Raw: `{"success": false, "error": null, "message": "three"}`}, want: invalid, ambiguous: true, text: "three” ("},
		"NothingIsSaid":      {fault: runagenttest.Fault{Raw: `{"success": false}`}, want: invalid, ambiguous: true, text: "the run failed without a reason"},
		"ErrorWithoutSucces": {fault: runagenttest.Fault{Raw: `{"error": "two"}`}, want: invalid, ambiguous: true, text: "two” ("},
		"LostRequest":        {fault: runagenttest.Fault{Drop: true}, want: unavailable, ambiguous: true, text: "the server closed the connection without an answer"},
		"LostAnswer":         {fault: runagenttest.Fault{Drop: true, AfterRun: true}, want: unavailable, ambiguous: true, text: "the server closed the connection without an answer"},
		"CutOffAnswer":       {fault: runagenttest.Fault{Raw: `{"success": true, "data`}, want: unavailable, ambiguous: true, text: "the stream ended before"},
		"EmptyAnswer":        {fault: runagenttest.Fault{Raw: ` `}, want: unavailable, ambiguous: true, text: "the answer is empty"},
		"TooLarge": {change: func(c *runagent.Config) { c.MaxReplyBytes = 4 }, fault: runagenttest.Fault{Raw: `"Hello"`},
			want: invalid, ambiguous: true, text: "have the agent answer with less"},
		"FarTooLarge": {change: func(c *runagent.Config) { c.MaxReplyBytes = 4 }, fault: runagenttest.Fault{Raw: strings.Repeat("x", 1<<17)},
			want: invalid, ambiguous: true, text: "have the agent answer with less"},
		"InvalidUTF8": {fault: runagenttest.Fault{Raw: "\"a\xff\""}, want: unavailable, ambiguous: true, text: "not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := runagenttest.Start(t, harbour())
			if c.fault != (runagenttest.Fault{}) {
				server.Fail(c.fault)
			}
			create := local
			if c.cloud {
				create = cloud
			}
			_, err := create(t, server, c.change).Execute(t.Context(), executortest.Request("c1", "Hi"))
			ce := asError(t, err)
			require.Equal(t, c.want, ce.Kind, "%v", err)
			require.Equal(t, c.ambiguous, ce.Ambiguous, "%v", err)
			require.ErrorContains(t, err, c.text)
			if c.fault.RetryAfter != "" {
				require.Equal(t, 9*time.Second, ce.RetryAfter)
			}
		})
	}
}

// Where no server accepted the request, the agent certainly has not run.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	server.Close()
	for _, tag := range []string{"chat", "chat_stream"} {
		_, err := local(t, server, entrypoint(tag)).Execute(t.Context(), executortest.Request("c1", "Hi"))
		ce := asError(t, err)
		require.Equal(t, conversation.Unavailable, ce.Kind)
		require.False(t, ce.Ambiguous)
		require.ErrorContains(t, err, "connection refused (start the agent with runagent serve, or check host and port)")

		_, err = cloud(t, server, entrypoint(tag), func(c *runagent.Config) { c.URL = "https://no-such-host.invalid" }).
			Execute(t.Context(), executortest.Request("c1", "Hi"))
		ce = asError(t, err)
		require.Equal(t, conversation.Unavailable, ce.Kind)
		require.False(t, ce.Ambiguous)
	}
}

func TestUntrustedServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	e, err := runagent.New(runagent.Config{URL: server.URL, APIKey: key, AgentID: "harbour", Entrypoint: "chat"})
	require.NoError(t, err)
	_, err = e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	ce := asError(t, err)
	require.Equal(t, conversation.Invalid, ce.Kind)
	require.False(t, ce.Ambiguous)
	require.ErrorContains(t, err, "trusts the server's certificate")
}

func TestWebPage(t *testing.T) {
	t.Parallel()
	e, err := runagent.New(runagent.Config{
		APIKey: key, AgentID: "harbour", Entrypoint: "chat",
		HTTPClient: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			res := respond(req, http.StatusOK, "<html>")
			res.Header.Set("Content-Type", "text/html; charset=utf-8")
			return res, nil
		})},
	})
	require.NoError(t, err)
	_, err = e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.Equal(t, conversation.Unavailable, asError(t, err).Kind)
	require.ErrorContains(t, err, "a web page; this is not the agent's own answer (check that url, or host and port, lead to RunAgent)")
}

func TestNoKey(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	e := cloud(t, server, func(c *runagent.Config) { c.APIKey = "" })
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.Equal(t, conversation.Unauthorized, asError(t, err).Kind)
	require.ErrorContains(t, err, "set RUNAGENT_API_KEY")
	require.Zero(t, server.Runs(""))
}

// The time of a run is what its task states, or else what is configured.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		payload string
		task    time.Duration
		want    time.Duration
	}{
		"Default":    {`{}`, 0, 10 * time.Minute},
		"TasksOwn":   {`{"timeout_seconds": 3}`, 0, 3 * time.Second},
		"Longer":     {`{"timeout_seconds": 1200}`, 0, 20 * time.Minute},
		"OfThePlan":  {`{}`, 90 * time.Second, 90 * time.Second},
		"BothStated": {`{"timeout_seconds": 3}`, 90 * time.Second, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ended := false
				e, err := runagent.New(runagent.Config{
					APIKey: key, AgentID: "harbour", Entrypoint: "chat", Validate: new(bool), CacheDir: "/nowhere",
					HTTPClient: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
						<-req.Context().Done()
						ended = true
						return nil, req.Context().Err()
					})},
				})
				require.NoError(t, err)
				req := task(c.payload)
				req.Task.Timeout = c.task
				begun := time.Now()
				_, err = e.Execute(t.Context(), req)
				require.Equal(t, c.want, time.Since(begun))
				require.True(t, ended, "the call is really cancelled")
				require.Equal(t, conversation.Unavailable, asError(t, err).Kind)
				require.ErrorContains(t, err, "the answer was not complete within "+c.want.String()+" (timeout)")
				require.NotErrorIs(t, err, context.Canceled)
			})
		})
	}
}

// A run that has been asked for and times out may have happened.
func TestTimeoutMayHaveLanded(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{"chat", "chat_stream"} {
		t.Run(tag, func(t *testing.T) {
			t.Parallel()
			server := runagenttest.Start(t, harbour())
			server.Fail(runagenttest.Fault{Stall: true})
			_, err := local(t, server, entrypoint(tag), func(c *runagent.Config) { c.Timeout = 2 * time.Second }).
				Execute(t.Context(), task(`{}`))
			ce := asError(t, err)
			require.Equal(t, conversation.Unavailable, ce.Kind)
			require.True(t, ce.Ambiguous)
			require.False(t, ce.Answered)
		})
	}
}
