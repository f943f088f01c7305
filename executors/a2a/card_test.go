package a2a_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

func protocol(version string) func(*a2a.Config) {
	return func(c *a2a.Config) { c.Protocol = version }
}

func noKeys(c *a2a.Config) { c.BearerToken, c.Headers = "", nil }

// What Check and the first Execute make of what is where the card should be.
func TestCards(t *testing.T) {
	t.Parallel()
	answers := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { modeltest.WriteJSON(w, http.StatusOK, body) }
	}
	says := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	for name, c := range map[string]struct {
		card   http.HandlerFunc
		change func(*a2a.Config)
		want   conversation.Kind
		text   string
		check  bool // only Check minds
	}{
		"Good":            {answers(`{"name": "n", "url": "/rpc"}`), nil, "", "", false},
		"WithoutKeys":     {answers(`{"name": "n", "url": "/rpc"}`), noKeys, "", "", false},
		"OddScheme":       {answers(`{"name": "n", "url": "/rpc", "securitySchemes": {"x": {"type": "telepathy"}}}`), nil, "", "", false},
		"NoneThere":       {says(404), nil, down, "404 Not Found: an empty body; this is not the agent's own answer (check url: the agent's card must be at url/.well-known/agent-card.json", false},
		"Gone":            {says(410), nil, down, "the card's own address", false},
		"WebPage":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, nil, down, "not an agent card (check url", false},
		"OtherJSON":       {answers(`{"status": "ok"}`), nil, down, "not an agent card", false},
		"Nothing":         {answers(""), nil, down, "not an agent card", false},
		"TwentyMB":        {answers(`{"url": "` + strings.Repeat("x", 20<<20) + `"}`), nil, down, "not an agent card", false},
		"WrongKey":        {says(401), nil, down, "401 Unauthorized: an empty body", false},
		"Forbidden":       {says(403), nil, down, "403", false},
		"ServerError":     {says(503), nil, down, "503", false},
		"Redirect":        {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, nil, down, "where the server redirects", false},
		"CutOff":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, down, "the server closed the connection without an answer", false},
		"OnlyGRPC":        {answers(`{"url": "host:50051", "preferredTransport": "GRPC", "additionalInterfaces": [{"transport": "HTTP+JSON", "url": "/v1"}]}`), nil, invalid, "the agent's card offers only GRPC, HTTP+JSON: no JSON-RPC of version 0.3 or 1.0, or HTTP+JSON of 1.0 (have the agent offer one of these", false},
		"SecondIsRPC":     {answers(`{"url": "host:50051", "preferredTransport": "GRPC", "additionalInterfaces": [{"transport": "JSONRPC", "url": "/rpc"}]}`), nil, "", "", false},
		"NextVersion":     {answers(`{"supportedInterfaces": [{"url": "/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}]}`), nil, "", "", false},
		"Later1.x":        {answers(`{"supportedInterfaces": [{"url": "/rpc", "protocolBinding": "jsonrpc", "protocolVersion": "1.2"}]}`), nil, "", "", false},
		"Version2":        {answers(`{"supportedInterfaces": [{"url": "/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "2.0"}]}`), nil, invalid, "offers only JSONRPC 2.0: no JSON-RPC of version 0.3 or 1.0", false},
		"Version2Is1":     {answers(`{"supportedInterfaces": [{"url": "/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "2.0"}]}`), protocol("1.0"), "", "", false},
		"NoVersion":       {answers(`{"supportedInterfaces": [{"url": "/rpc", "protocolBinding": "JSONRPC"}]}`), nil, "", "", false},
		"OnlyHTTPJSON03":  {answers(`{"supportedInterfaces": [{"url": "/", "protocolBinding": "HTTP+JSON", "protocolVersion": "0.3"}, {"url": "h:1", "protocolBinding": "GRPC", "protocolVersion": "1.0"}]}`), nil, invalid, "offers only HTTP+JSON 0.3, GRPC 1.0: no JSON-RPC of version 0.3 or 1.0, or HTTP+JSON of 1.0 (have the agent offer one of these", false},
		"HTTPJSONSet03":   {answers(`{"supportedInterfaces": [{"url": "/", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0"}]}`), protocol("0.3"), invalid, "offers only HTTP+JSON 1.0", false},
		"OneNotServed":    {answers(`{"supportedInterfaces": [{"url": "/1", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}, {"url": "/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "0.3"}]}`), nil, "", "", false},
		"OneIsElsewhere":  {answers(`{"supportedInterfaces": [{"url": "/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}, {"url": "http://elsewhere.example", "protocolBinding": "JSONRPC", "protocolVersion": "0.3"}]}`), nil, "", "", false},
		"OldShapeNew":     {answers(`{"url": "/rpc", "protocolVersion": "1.0"}`), nil, "", "", false},
		"Needs10":         {answers(`{"supportedInterfaces": [{"url": "/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}], "securityRequirements": [{"schemes": {"oauth": {"list": []}}}]}`), noKeys, unauth, "asks for authentication: oauth (set bearer_token, or headers)", true},
		"NoWebServer":     {answers(`{"url": "ftp://host/rpc"}`), nil, invalid, "none of a web server", false},
		"Elsewhere":       {answers(`{"url": "http://elsewhere.example/rpc"}`), nil, invalid, "leads to another server, http://elsewhere.example (if requests may go there, add its host to card_hosts, or set endpoint)", false},
		"ElsewhereNoKeys": {answers(`{"url": "http://elsewhere.example/rpc"}`), noKeys, invalid, "leads to another server", false},
		"OtherPort":       {answers(`{"url": "http://127.0.0.1:1/rpc"}`), noKeys, invalid, "leads to another server", false},
		"Metadata":        {answers(`{"url": "//169.254.169.254/latest"}`), noKeys, invalid, "leads to another server", false},
		"SecondElsewhere": {answers(`{"url": "host:50051", "preferredTransport": "GRPC", "additionalInterfaces": [{"transport": "JSONRPC", "url": "http://elsewhere.example/"}]}`), nil, invalid, "leads to another server", false},
		"HostileHost":     {answers(`{"url": "http://x\u202e.example/rpc"}`), nil, invalid, "leads to another server", false},
		"Needs":           {answers(`{"url": "/rpc", "security": [{"oauth": []}, {"bearer": []}]}`), noKeys, unauth, "asks for authentication: bearer, oauth (set bearer_token, or headers)", true},
		"NeedsOrNot":      {answers(`{"url": "/rpc", "security": [{"oauth": []}, {}]}`), noKeys, "", "", true},
		"NoText":          {answers(`{"url": "/rpc", "defaultInputModes": ["audio/wav"]}`), nil, invalid, "takes no text, but audio/wav", true},
		"SkillText":       {answers(`{"url": "/rpc", "defaultInputModes": ["audio/wav"], "skills": [{"inputModes": ["text"]}]}`), nil, "", "", true},
		"OtherAnswers":    {answers(`{"url": "/rpc", "defaultOutputModes": ["image/png"]}`), func(c *a2a.Config) { c.Accept = []string{"text/plain"} }, invalid, "but with image/png (set accept", true},
		"SkillAnswers":    {answers(`{"url": "/rpc", "defaultOutputModes": ["image/png"], "skills": [{"outputModes": ["text/plain"]}]}`), func(c *a2a.Config) { c.Accept = []string{"text/plain"} }, "", "", true},
		"AcceptWhoever":   {answers(`{"url": "/rpc"}`), func(c *a2a.Config) { c.Accept = []string{"text/plain"} }, "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.HandleFunc("GET "+cardPath, c.card)
			mux.HandleFunc("POST /rpc", answers(result(reply("Hello"))))
			server := modeltest.NewServer(t, mux)
			e := newExecutor(t, server, c.change)
			try := func(op string, err error) {
				if c.want == "" {
					require.NoError(t, err)
					return
				}
				var ce *conversation.Error
				require.ErrorAs(t, err, &ce)
				require.Equal(t, c.want, ce.Kind, "%v", err)
				require.ErrorContains(t, err, op)
				require.ErrorContains(t, err, c.text)
				require.Zero(t, ce.Usage, "no request was sent")
			}
			try("a2a: check the agent at 127.0.0.1:", e.Check(t.Context()))
			if !c.check {
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				try("a2a: ask the agent at 127.0.0.1:", err)
			}
		})
	}
}

// The address may be that of the card, and requests may go where the card does not
// say.
func TestAddresses(t *testing.T) {
	t.Parallel()
	rpc := func(w http.ResponseWriter, _ *http.Request) {
		modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
	}
	other := modeltest.NewServer(t, http.HandlerFunc(rpc))
	for name, c := range map[string]struct {
		at, card, url string
		endpoint      string
	}{
		"Base":      {cardPath, "", "/rpc", ""},
		"Slash":     {cardPath, "/", "/rpc", ""},
		"Below":     {"/agents/7" + cardPath, "/agents/7", "/rpc", ""},
		"Card":      {"/cards/agent.json", "/cards/agent.json", "/rpc", ""},
		"Query":     {cardPath, "?key=0123456789", "/rpc", ""},
		"Endpoint":  {cardPath, "", "http://0.0.0.0:1/", other.URL + "/x"},
		"OnlyGRPC?": {cardPath, "", "host:50051", other.URL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.HandleFunc("GET "+c.at, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(c.card, "?") && r.URL.RawQuery != c.card[1:] {
					t.Errorf("the query is %q", r.URL.RawQuery)
				}
				modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(map[string]any{"url": c.url}))
			})
			mux.HandleFunc("POST /rpc", rpc)
			server := modeltest.NewServer(t, mux)
			e := newExecutor(t, server, func(cfg *a2a.Config) { cfg.URL, cfg.Endpoint = server.URL+c.card, c.endpoint })
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.NoError(t, err)
		})
	}
}

// Where the configuration allows it, the agent may be on another host.
func TestAgentElsewhere(t *testing.T) {
	t.Parallel()
	other := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
	}))
	server := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		modeltest.WriteJSON(w, http.StatusOK, `{"url": "`+other.URL+`"}`)
	}))
	for name, hosts := range map[string][]string{
		"Name": {"elsewhere.example", "127.0.0.1"}, "Port": {strings.TrimPrefix(other.URL, "http://")}, "None": nil, "OtherPort": {"127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newExecutor(t, server, func(c *a2a.Config) { c.CardHosts = hosts }).Execute(t.Context(), executortest.Request("c1", "Hi"))
			if name == "Name" || name == "Port" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "the agent's card leads to another server")
		})
	}
	_, err := a2a.New(a2a.Config{URL: server.URL, CardHosts: []string{"http://x", "a/b", ""}})
	require.ErrorContains(t, err, `card_hosts[0] is "http://x", which is no host`)
	require.ErrorContains(t, err, `card_hosts[1] is "a/b", which is no host`)
	require.ErrorContains(t, err, `card_hosts[2] is "", which is no host`)
}

// The card is read once, and again after the agent has moved.
func TestCardIsKept(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	var at atomic.Value
	at.Store("/old")
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+cardPath, func(w http.ResponseWriter, _ *http.Request) {
		reads.Add(1)
		modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(map[string]any{"url": at.Load()}))
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != at.Load():
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("X-Api-Key") != headerKey:
			t.Error("no key")
		default:
			modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
		}
	})
	server := modeltest.NewServer(t, mux)
	e := newExecutor(t, server)
	ask := func() error {
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		return err
	}
	require.NoError(t, ask())
	require.NoError(t, ask())
	require.EqualValues(t, 1, reads.Load())
	at.Store("/new")
	require.True(t, conversation.IsKind(ask(), down))
	require.NoError(t, ask())
	require.EqualValues(t, 2, reads.Load())
	require.NoError(t, e.Check(t.Context()))
	require.EqualValues(t, 3, reads.Load(), "a check wants to know")
}

// A connection that fails is a reason to read the card again.
func TestCardIsReadAgainWhenTheConnectionFails(t *testing.T) {
	t.Parallel()
	old := modeltest.NewServer(t, http.NotFoundHandler())
	var now atomic.Pointer[httptest.Server]
	now.Store(old)
	server := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(map[string]any{"url": now.Load().URL}))
	}))
	e := newExecutor(t, server, noKeys, func(c *a2a.Config) { c.CardHosts = []string{"127.0.0.1"} })
	require.NoError(t, e.Check(t.Context()))
	old.Close()
	now.Store(modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c call
		_ = json.NewDecoder(r.Body).Decode(&c)
		modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
	})))
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.ErrorContains(t, err, "connection refused")
	_, err = e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
}
