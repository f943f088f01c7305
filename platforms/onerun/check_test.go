package onerun_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/onerun"
)

const (
	healthRoute   = "GET /health"
	projectRoute  = "GET /v1/projects/{id}"
	projectsRoute = "GET /v1/projects"
	agentRoute    = "GET /v1/agents/{id}"
	agentsRoute   = "GET /v1/agents"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	page := answer(404, map[string]string{"Content-Type": "text/html"}, "<!DOCTYPE html><html>")
	healthy := ok(`{"status":"ok","message":"up"}`)
	one := ok(`{"id":"One","name":"shop","project_id":"Pr1"}`)
	unauthorized := detail(401, "API key is not valid")
	internal := answer(500, map[string]string{"Content-Type": "text/plain"}, "Internal Server Error")
	projects := ok(`{"data":[{"id":"Pr1","name":"shop"},{"id":"Pr2","name":"bank"}],"has_more":false}`)
	agents := ok(`{"data":[{"id":"A1","name":"a"},{"id":"A2","name":"b"},{"id":"A3","name":"c"},{"id":"A4","name":"d"},
		{"id":"A5","name":"e"},{"id":"A6","name":"f"},{"id":"A7","name":"g"}],"has_more":false}`)
	for _, tt := range []struct {
		name           string
		routes         map[string]http.HandlerFunc
		project, agent string
		kind           conversation.Kind // empty: all is well
		want           []string
	}{
		{name: "Well", project: "Pr1", agent: "Ag1",
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectRoute: one, agentRoute: one}},
		{name: "NothingNamed", routes: map[string]http.HandlerFunc{healthRoute: healthy, projectsRoute: projects}},
		{name: "NoHealthRoute", project: "Pr1",
			routes: map[string]http.HandlerFunc{healthRoute: detail(404, "Not Found"), projectRoute: one}},
		{name: "WebApp", project: "Pr1", agent: "Ag1", routes: map[string]http.HandlerFunc{"/": page},
			kind: conversation.Invalid, want: []string{"a web page", "set base_url to the API", "port 3001"}},
		{name: "WebAppThatAnswers", project: "Pr1", kind: conversation.Invalid, want: []string{"port 3001"},
			routes: map[string]http.HandlerFunc{"/": answer(200, map[string]string{"Content-Type": "text/html"}, "<html>")}},
		{name: "GatewayDown", project: "Pr1", kind: conversation.Unavailable, want: []string{"502"},
			routes: map[string]http.HandlerFunc{"/": answer(502, map[string]string{"Content-Type": "text/html"}, "<html>")}},
		{name: "WrongKey", project: "Pr1", agent: "Ag1", kind: conversation.Unauthorized, want: []string{"401", "ONERUN_API_KEY"},
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectRoute: unauthorized, agentRoute: unauthorized}},
		{name: "WrongKeyNothingNamed", kind: conversation.Unauthorized, want: []string{"ONERUN_API_KEY"},
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectsRoute: unauthorized}},
		{name: "ServerHasNoKey", project: "Pr1", kind: conversation.Unavailable, want: []string{"without AUTH_API_KEY"},
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectRoute: internal}},
		{name: "ServerHasNoKeyNothingNamed", kind: conversation.Unavailable, want: []string{"without AUTH_API_KEY"},
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectsRoute: internal}},
		{name: "UnknownProject", project: "PrX", agent: "Ag1", kind: conversation.NotFound,
			want:   []string{`project "PrX"`, "ONERUN_PROJECT_ID: there is shop (Pr1), bank (Pr2)", `agent "Ag1": it belongs to project "Pr1"`},
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectRoute: detail(404, "no"), projectsRoute: projects, agentRoute: one}},
		{name: "UnknownProjectAndAgent", project: "PrX", agent: "AgX", kind: conversation.NotFound,
			want:   []string{`project "PrX"`, `agent "AgX"`, "ONERUN_AGENT_ID"},
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectRoute: detail(404, "no"), projectsRoute: projects, agentRoute: detail(404, "no")}},
		{name: "NoProjects", project: "PrX", kind: conversation.NotFound, want: []string{"there is none yet"},
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectRoute: detail(404, "no"), projectsRoute: ok(`{"data":[]}`)}},
		{name: "UnknownAgent", project: "Pr1", agent: "AgX", kind: conversation.NotFound,
			want:   []string{`agent "AgX"`, "ONERUN_AGENT_ID: there are a (A1), b (A2), c (A3), d (A4), e (A5) and 2 more"},
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectRoute: one, agentRoute: detail(404, "no"), agentsRoute: agents}},
		{name: "AgentOfAnotherProject", project: "Pr2", agent: "One", kind: conversation.NotFound,
			want:   []string{`agent "One": it belongs to project "Pr1", not to "Pr2"`, "there are a (A1)"},
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectRoute: one, agentRoute: one, agentsRoute: agents}},
		{name: "AgentsCannotBeListed", project: "Pr1", agent: "AgX", kind: conversation.NotFound, want: []string{`agent "AgX"`, "500"},
			routes: map[string]http.HandlerFunc{healthRoute: healthy, projectRoute: one, agentRoute: detail(404, "no"), agentsRoute: internal}},
		{name: "SomethingElse", project: "Pr1", kind: conversation.Invalid, want: []string{"nothing like OneRun's API", "base_url"},
			routes: map[string]http.HandlerFunc{"/": detail(404, "Not Found")}},
		{name: "SomethingElseNothingNamed", kind: conversation.Invalid, want: []string{"nothing like OneRun's API"},
			routes: map[string]http.HandlerFunc{"/": detail(404, "Not Found")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, onerun.Config{BaseURL: serve(t, tt.routes).URL})
			err := p.Check(t.Context(), tt.project, tt.agent)
			require.Equal(t, tt.kind, conversation.KindOf(err), "%v", err)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			if err != nil {
				require.NotContains(t, err.Error(), testKey)
			}
		})
	}
}

func TestCheckNobodyThere(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	err := newPlatform(t, onerun.Config{BaseURL: closed.URL}).Check(t.Context(), "Pr1", "Ag1")
	require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
	require.ErrorContains(t, err, "no connection to "+strings.TrimPrefix(closed.URL, "http://")+": connection refused (start OneRun, or check base_url)")
}

// TestCheckPort3000 has the web app, or no server, on the port of the stock web app.
func TestCheckPort3000(t *testing.T) {
	t.Parallel()
	web := &webApp{}
	p := newPlatform(t, onerun.Config{BaseURL: "http://onerun.test:3000", HTTPClient: &http.Client{Transport: web}})
	err := p.Check(t.Context(), "Pr1", "Ag1")
	require.Equal(t, conversation.Invalid, conversation.KindOf(err))
	require.ErrorContains(t, err, "port 3000 is OneRun's web app: set base_url to the API, usually http://onerun.test:3001")

	web.refuse = true
	err = p.Check(t.Context(), "Pr1", "Ag1")
	require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
	require.ErrorContains(t, err, "usually http://onerun.test:3001")
}

// webApp is a transport to a web app on any address.
type webApp struct{ refuse bool }

func (r *webApp) RoundTrip(*http.Request) (*http.Response, error) {
	if r.refuse {
		return nil, http.ErrServerClosed
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.WriteString("<!DOCTYPE html><html><title>404</title></html>")
	return w.Result(), nil
}
