package onerun_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/platforms/onerun"
)

func TestRequests(t *testing.T) {
	t.Parallel()
	const conv = "/v1/simulations/S8f3kQ0aZp1LmN7xY2bVc/conversations/Cv7"
	for _, tt := range []struct {
		name    string
		call    func(*testing.T, *onerun.Client) error
		request string
		body    string
		key     string
		answer  string
	}{
		{name: "Health", request: "GET /health", answer: `{"status":"ok","message":"up"}`,
			call: func(t *testing.T, c *onerun.Client) error { return c.Health(t.Context()) }},
		{name: "Project", request: "GET /v1/projects/Pr98zY7xW6v5",
			call: func(t *testing.T, c *onerun.Client) error { _, err := c.Project(t.Context(), at.Project); return err }},
		{name: "Agent", request: "GET /v1/agents/Ag1?project_id=Pr98zY7xW6v5",
			call: func(t *testing.T, c *onerun.Client) error {
				_, err := c.Agent(t.Context(), at.Project, "Ag1")
				return err
			}},
		{name: "Simulation", request: "GET /v1/simulations/S8f3kQ0aZp1LmN7xY2bVc?project_id=Pr98zY7xW6v5",
			call: func(t *testing.T, c *onerun.Client) error {
				_, err := c.Simulation(t.Context(), at.Project, at.Simulation)
				return err
			}},
		{name: "Conversation", request: "GET " + conv + "?project_id=Pr98zY7xW6v5",
			call: func(t *testing.T, c *onerun.Client) error { _, err := c.Conversation(t.Context(), at); return err }},
		{name: "Start", request: "POST " + conv + "/start?project_id=Pr98zY7xW6v5", answer: `{"message":"started"}`,
			call: func(t *testing.T, c *onerun.Client) error { return c.Start(t.Context(), at) }},
		{name: "PersonaSpeaks", request: "POST " + conv + "/responses?project_id=Pr98zY7xW6v5", body: `{"input":null}`,
			answer: `{"ended":false,"output":[]}`,
			call: func(t *testing.T, c *onerun.Client) error {
				_, err := c.Respond(t.Context(), at, []onerun.WireMessage{}, "")
				return err
			}},
		{name: "AgentSpeaks", request: "POST " + conv + "/responses?project_id=Pr98zY7xW6v5",
			body: `{"input":[{"type":"message","content":[{"type":"text","text":"Hi <you> & you"}]}]}`, key: "onerun/Pr/Cv7/2",
			answer: `{"ended":true,"output":[]}`,
			call: func(t *testing.T, c *onerun.Client) error {
				_, err := c.Respond(t.Context(), at, []onerun.WireMessage{onerun.TextMessage("Hi <you> & you")}, "onerun/Pr/Cv7/2")
				return err
			}},
		{name: "KeyNoHeaderCanCarry", request: "POST " + conv + "/responses?project_id=Pr98zY7xW6v5", body: `{"input":null}`,
			key: "schl%C3%BCssel%0A1", answer: `{"ended":false,"output":[]}`,
			call: func(t *testing.T, c *onerun.Client) error {
				_, err := c.Respond(t.Context(), at, nil, "schlüssel\n1")
				return err
			}},
		{name: "End", request: "POST " + conv + "/end?project_id=Pr98zY7xW6v5", answer: `{"message":"ended"}`,
			call: func(t *testing.T, c *onerun.Client) error { return c.End(t.Context(), at) }},
		{name: "Items", request: "POST " + conv + "/items?project_id=Pr98zY7xW6v5", answer: `{"data":[],"has_more":false}`,
			call: func(t *testing.T, c *onerun.Client) error { _, err := c.Items(t.Context(), at); return err }},
		{name: "OddID", request: "GET /v1/projects/a%2Fb%3Fc",
			call: func(t *testing.T, c *onerun.Client) error { _, err := c.Project(t.Context(), "a/b?c"); return err }},
		{name: "Simulations", answer: `{"data":[],"has_more":false}`,
			request: "GET /v1/simulations?agent_id=Ag1&limit=100&project_id=Pr98zY7xW6v5&sort_by=created_at&sort_dir=asc&status=in_progress",
			call: func(t *testing.T, c *onerun.Client) error {
				for _, err := range c.Simulations(t.Context(), at.Project, "Ag1", "in_progress") {
					return err
				}
				return nil
			}},
		{name: "Conversations", answer: `{"data":[],"has_more":false}`,
			request: "GET /v1/simulations/S8f3kQ0aZp1LmN7xY2bVc/conversations?limit=100&project_id=Pr98zY7xW6v5&status=queued",
			call: func(t *testing.T, c *onerun.Client) error {
				for _, err := range c.Conversations(t.Context(), at.Project, at.Simulation, "queued") {
					return err
				}
				return nil
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.answer == "" {
				tt.answer = `{"id":"x","status":"queued"}`
			}
			var got *http.Request
			var body []byte
			server := serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
				ok(tt.answer)(w, r)
			}})
			c := newClient(t, onerun.ClientConfig{
				BaseURL: server.URL + "/", APIKey: testKey + "\n", Header: map[string]string{"X-Tenant": "blue"},
			})
			require.NoError(t, tt.call(t, c))
			require.Equal(t, tt.request, got.Method+" "+got.RequestURI)
			require.Equal(t, testKey, got.Header.Get("x-api-key"))
			require.Equal(t, "parley", got.Header.Get("User-Agent"))
			require.Equal(t, "blue", got.Header.Get("X-Tenant"))
			require.Equal(t, tt.key, got.Header.Get("Idempotency-Key"))
			if tt.body == "" {
				require.Empty(t, body)
				require.Empty(t, got.Header.Get("Content-Type"))
			} else {
				require.JSONEq(t, tt.body, string(body))
				require.Equal(t, "application/json", got.Header.Get("Content-Type"))
			}
		})
	}
}

// TestReadsWhatOneRunSends has answers with nulls, fields and values that this
// package does not know.
func TestReadsWhatOneRunSends(t *testing.T) {
	t.Parallel()
	const persona = `{"id":"Pe4","approval_status":"on_probation","attributes":{"age_group":"adult","version":"1"},` +
		`"created_at":"2025-09-20T09:01:00","metadata":{},"purpose":"Get a refund","seq_id":1,"simulation_id":"S8f",` +
		`"story":"Ordered a lamp.","summary":"Impatient buyer","updated_at":"2025-09-20T09:01:00"}`
	server := serve(t, map[string]http.HandlerFunc{
		"GET /v1/simulations/{sid}": ok(`{"id":"S8f","agent_id":"Ag1","agent":{"id":"Ag1","description":null,"metadata":null,` +
			`"name":"returns-bot","project_id":"Pr9","created_at":"2025-09-20T08:00:00.123456","updated_at":null},"auto_approve":true,` +
			`"created_at":"2025-09-20T09:00:00.500000","expires_at":null,"last_failure_reason":null,"max_turns":5,"metadata":{},` +
			`"name":"late parcels","objectives":[{"id":"Ob1","criteria":"polite","name":"Polite","version":3}],"project_id":"Pr9",` +
			`"scenario":"Late","status":"hibernating","target_conversations":10,"target_personas":5,"updated_at":"2025-09-20T09:00:03","new":[1]}`),
		"GET /v1/simulations/{sid}/conversations/{cid}": ok(`{"id":"Cv7","created_at":"2025-09-20T09:02:00.250000","end_reason":"got_bored",` +
			`"evaluation_status":"contested","evaluations":[{"id":"Ev1","conversation_id":"Cv7","objective_id":"Ob1","objective":null,` +
			`"reason":null,"score":0.75,"created_at":"2025-09-20T09:09:00","updated_at":"2025-09-20T09:09:00"}],"metadata":{"a":1},` +
			`"persona_id":"Pe4","persona":` + persona + `,"seq_id":3,"simulation_id":"S8f","status":"paused","updated_at":"2025-09-20T09:02:00.250000"}`),
		"POST /v1/simulations/{sid}/conversations/{cid}/items": ok(`{"data":[{"id":"It9","content":[{"type":"text","text":"Where?"},` +
			`{"type":"image","url":"x"}],"conversation_id":"Cv7","created_at":"2025-09-20T09:03:10.001000","role":"user","type":"message",` +
			`"updated_at":"2025-09-20T09:03:10.001000"}],"has_more":false}`),
		"POST /v1/simulations/{sid}/conversations/{cid}/responses": ok(`{"ended":true,"output":[{"type":"message","content":[{"type":"text","text":"Bye."}]}],"cost":1}`),
	})
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})

	s, err := c.Simulation(t.Context(), "Pr9", "S8f")
	require.NoError(t, err)
	require.Equal(t, "hibernating", s.Status)
	require.Equal(t, "returns-bot", s.Agent.Name)
	require.Equal(t, []onerun.Objective{{ID: "Ob1", Name: "Polite", Criteria: "polite", Version: 3}}, s.Objectives)
	require.Equal(t, time.Date(2025, 9, 20, 9, 0, 0, 500_000_000, time.UTC), s.CreatedAt.Time)
	require.True(t, s.ExpiresAt.IsZero())

	cv, err := c.Conversation(t.Context(), at)
	require.NoError(t, err)
	require.Equal(t, "paused", cv.Status)
	require.Equal(t, "got_bored", cv.EndReason)
	require.Equal(t, "contested", cv.EvaluationStatus)
	require.Equal(t, "on_probation", cv.Persona.ApprovalStatus)
	require.InDelta(t, 0.75, cv.Evaluations[0].Score, 0)

	items, err := c.Items(t.Context(), at)
	require.NoError(t, err)
	require.Len(t, items, 1)
	require.Equal(t, "Where?", items[0].Content[0].Text)
	require.JSONEq(t, `{"type":"image","url":"x"}`, string(items[0].Content[1].Raw))

	response, err := c.Respond(t.Context(), at, nil, "")
	require.NoError(t, err)
	require.True(t, response.Ended)
	require.Equal(t, "Bye.", response.Output[0].Content[0].Text)
}

func TestMissingSimulation(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		list http.HandlerFunc
		want string
	}{
		"Unknown": {list: detail(404, "Simulation not found"), want: "NotFound"},
		"Broken":  {list: ok(`{"data":[],"has_more":false}`), want: "Unavailable"},
		"Down":    {list: answer(500, nil, "Internal Server Error"), want: "Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, map[string]http.HandlerFunc{
				"GET /v1/simulations/{sid}":               answer(500, nil, "Internal Server Error"),
				"GET /v1/simulations/{sid}/conversations": tt.list,
			})
			_, err := newClient(t, onerun.ClientConfig{BaseURL: server.URL}).Simulation(t.Context(), "P", "S")
			require.Equal(t, tt.want, string(asError(t, err).Kind))
		})
	}
}

// TestRedirects: only a slash at the end of the path is followed, and the key
// goes to nobody else.
func TestRedirects(t *testing.T) {
	t.Parallel()
	other := serve(t, map[string]http.HandlerFunc{"/": func(http.ResponseWriter, *http.Request) {
		t.Error("the request went elsewhere")
	}})
	var bodies []string
	slash := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", r.URL.Path+"/")
			w.WriteHeader(status)
		}
	}
	server := serve(t, map[string]http.HandlerFunc{
		"POST /v1/simulations/{sid}/conversations/{cid}/responses": slash(http.StatusTemporaryRedirect),
		"POST /v1/simulations/{sid}/conversations/{cid}/responses/{$}": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies = append(bodies, r.URL.RawQuery+" "+string(body))
			ok(`{"ended":false,"output":[]}`)(w, r)
		},
		"POST /v1/simulations/{sid}/conversations/{cid}/start":   slash(http.StatusFound),
		"POST /v1/simulations/{sid}/conversations/{cid}/end":     slash(http.StatusTemporaryRedirect),
		"POST /v1/simulations/{sid}/conversations/{cid}/end/{$}": slash(http.StatusTemporaryRedirect),
		"POST /v1/simulations/{sid}/conversations/{cid}/items":   redirectTo(other.URL),
		"GET /v1/simulations/{sid}/conversations/{cid}":          redirectTo("/elsewhere"),
		"/elsewhere": func(http.ResponseWriter, *http.Request) { t.Error("the request went elsewhere") },
	})
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})
	_, err := c.Respond(t.Context(), at, nil, "")
	require.NoError(t, err)
	require.Equal(t, []string{"project_id=Pr98zY7xW6v5 {\"input\":null}"}, bodies)
	require.ErrorContains(t, c.Start(t.Context(), at), "302")
	require.ErrorContains(t, c.End(t.Context(), at), "307", "a loop")
	_, err = c.Items(t.Context(), at)
	require.ErrorContains(t, err, "set base_url")
	_, err = c.Conversation(t.Context(), at)
	require.ErrorContains(t, err, "307")
}

func redirectTo(address string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", address)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

// TestOwnHTTPClient: a caller's client is used but not changed.
func TestOwnHTTPClient(t *testing.T) {
	t.Parallel()
	server := serve(t, always(200, nil, `{"status":"ok"}`))
	transport := &counting{}
	own := &http.Client{Transport: transport, Timeout: time.Nanosecond}
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL, HTTPClient: own, UserAgent: "tester/1"})
	require.NoError(t, c.Health(t.Context()))
	require.Equal(t, 1, transport.requests)
	require.Nil(t, own.CheckRedirect)
	require.Equal(t, time.Nanosecond, own.Timeout)

	transport.fail = io.ErrUnexpectedEOF
	require.True(t, asError(t, c.Start(t.Context(), at)).Ambiguous, "its effect is unknown")
}

type counting struct {
	requests int
	fail     error
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests++
	if c.fail != nil {
		return nil, c.fail
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (c *counting) CloseIdleConnections() {
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
