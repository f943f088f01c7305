package http_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/secret"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*agent.Config){"Streaming": streaming, "Whole": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			executortest.Run(t, executortest.Fixture{
				Secrets: []string{token, headerKey, hmacSecret},
				New: func(t *testing.T) executors.Executor {
					return newExecutor(t, serve(t, speak), change)
				},
				Stall: func(t *testing.T) executors.Executor {
					return newExecutor(t, serve(t, func(_ http.ResponseWriter, r *http.Request, _ wire.Request) {
						<-r.Context().Done()
					}), change)
				},
				Fail: func(t *testing.T, want executortest.Failure) executors.Executor {
					return newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ wire.Request) {
						modeltest.WriteJSON(w, http.StatusInternalServerError, modeltest.JSON(map[string]any{"error": map[string]any{
							"kind": want.Kind, "message": "no: " + token, "retry_after": want.RetryAfter.Seconds(),
						}}))
					}), change)
				},
			})
		})
	}
}

// speak is an agent that streams if it may, and counts its turns in its state.
func speak(w http.ResponseWriter, r *http.Request, req wire.Request) {
	n := 0
	_ = json.Unmarshal(req.State, &n)
	last := map[string]any{"message": "Good day! Müller here.", "state": n + 1, "model": "agent-1", "usage": map[string]any{"input_tokens": 12}}
	if !strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream") {
		modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(last))
		return
	}
	modeltest.WriteEvents(w, modeltest.Events(`{"delta": "Good "}`, ": still here", `{"delta": "day! "}`, `{"delta": "Müller here."}`, modeltest.JSON(last))...)
}

func TestReply(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*agent.Config){"Streaming": streaming, "Whole": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, speak), change)
			var deltas []string
			req := executortest.Request("c1", "Hi")
			req.State = json.RawMessage(`4`)
			req.OnDelta = func(text string) { deltas = append(deltas, text) }
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, executors.Result{
				Message:      conversation.Text(conversation.RoleAssistant, "Good day! Müller here."),
				State:        json.RawMessage(`5`),
				Usage:        conversation.Usage{InputTokens: 12, Calls: 1},
				Provider:     "http",
				Model:        "agent-1",
				FinishReason: executors.FinishStop,
			}, res)
			if name == "Streaming" {
				require.Equal(t, []string{"Good ", "day! ", "Müller here."}, deltas)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	type seen struct {
		header http.Header
		body   []byte
	}
	calls := make(chan seen, 1)
	server := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/reply" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		calls <- seen{r.Header, body}
		modeltest.WriteJSON(w, http.StatusOK, `{"message": "ok"}`)
	}))
	e := newExecutor(t, server)
	req := executortest.Request("c1", "Hi")
	req.IdempotencyKey = "onerun/p1/Grüße c1/reply/1"
	_, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	got := <-calls
	require.Equal(t, "Bearer "+token, got.header.Get("Authorization"))
	require.Equal(t, headerKey, got.header.Get("X-Api-Key"))
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, "onerun/p1/Gr%C3%BC%C3%9Fe%20c1/reply/1", got.header.Get("Idempotency-Key"))
	require.JSONEq(t, `{
		"conversation": {"platform": "test", "project": "p1", "agent": "a1", "id": "c1"}, "turn": 1, "attempt": 1,
		"idempotency_key": "onerun/p1/Grüße c1/reply/1", "new": 1,
		"messages": [{"role": "user", "text": "Hi", "parts": [{"type": "text", "text": "Hi"}]}]
	}`, string(got.body))

	stamp, _, _ := strings.Cut(strings.TrimPrefix(got.header.Get("X-Parley-Signature"), "t="), ",")
	at, err := strconv.ParseInt(stamp, 10, 64)
	require.NoError(t, err)
	require.InDelta(t, time.Now().Unix(), at, 60)
	require.Equal(t, agent.HMAC{Secret: hmacSecret}.Sign(got.body, time.Unix(at, 0)), got.header.Get("X-Parley-Signature"))
}

// The signature is a public format: this value does not change.
func TestSignature(t *testing.T) {
	t.Parallel()
	require.Equal(t, "t=1700000000,v1=76e08502dbcf8d3dc62e3f67240c5b7f2f26d84236e910e727cee2a2e885ca93",
		agent.HMAC{Secret: hmacSecret}.Sign([]byte(`{"a":1}`), time.Unix(1_700_000_000, 0)))
}

// Some agents are asked for a stream and send none, others stream unbidden.
func TestAgentsChooseTheForm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*agent.Config)
		handle func(http.ResponseWriter)
	}{
		"WholeInsteadOfStream": {streaming, func(w http.ResponseWriter) { modeltest.WriteJSON(w, http.StatusOK, `{"message": "Hello"}`) }},
		"StreamUnbidden": {nil, func(w http.ResponseWriter) {
			modeltest.WriteEvents(w, modeltest.Events(`{"delta": "Hello"}`, `{"end": false}`)...)
		}},
		"PlainText": {nil, func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"message": "Hello"}`) }},
		"DoneMarker": {streaming, func(w http.ResponseWriter) {
			modeltest.WriteEvents(w, modeltest.Events(`{"delta": "Hello"}`, "[DONE]")...)
		}},
		"SplitData": {streaming, func(w http.ResponseWriter) {
			modeltest.WriteEvents(w, modeltest.Events("{\ndata: \"message\":\ndata: \"Hello\"}")...)
		}},
		"CarriageReturns": {streaming, func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "\ufeffid: 1\r\nevent: message\r\ndata:{\"message\":\"Hello\"}\r\n\r\n")
		}},
		"LongAfterwards": {streaming, func(w http.ResponseWriter) {
			modeltest.WriteEvents(w, modeltest.Events(`{"message": "Hello"}`, "{]", strings.Repeat("x", 1<<20))...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ wire.Request) { c.handle(w) }), c.change)
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.NoError(t, err)
			require.Equal(t, "Hello", res.Message.Text())
		})
	}
}

// Whatever may be wrong with a configuration is reported at once.
func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := agent.New(agent.Config{
		URL:               "http://user:" + token + "@host/reply#x",
		BearerToken:       "two words\n",
		HMAC:              agent.HMAC{Secret: "short", Header: "Bad Name"},
		Headers:           map[string]secret.String{"Bad Name": "x", "Authorization": "y", "X-Ok": "a\nb", "Host": "h"},
		Send:              "some",
		Timeout:           time.Second,
		FirstTokenTimeout: time.Minute,
		GapTimeout:        -1,
		MaxReplyBytes:     -1,
		PollInterval:      -1,
		Health:            "http://elsewhere/healthz",
		Request:           wire.RequestMapping{Body: `{"input": "{{.Input}}"}`},
		Response: agent.ResponseMapping{
			ResponseMapping: wire.ResponseMapping{
				State: " id", ErrorKinds: map[string]conversation.Kind{"x": "Claimed"},
			},
		},
	})
	require.Error(t, err)
	require.NotContains(t, err.Error(), token)
	for _, want := range []string{
		"url contains a user name or password",
		"url contains a fragment",
		"health is on another server than url",
		"bearer_token contains a space or a line break",
		"hmac.secret has 5 characters: use 16 or more",
		`hmac.header is "Bad Name", which is no name of a header`,
		"headers.Bad Name is no name of a header",
		"headers.Bad Name is what hmac sets",
		"headers.Authorization is what bearer_token sets",
		"headers.Host cannot be set here",
		"headers.X-Ok contains a line break",
		`send is "some": write all or new`,
		"first_token_timeout is 1m0s, longer than timeout, 1s",
		"gap_timeout is -1ns",
		"max_reply_bytes is -1",
		"poll_interval is -1ns",
		"request.body is not safe in line 1: {{.Input}}: write {{json …}}",
		"response.text is missing",
		`response.state is " id", which begins or ends with a space`,
		"response.error_code is missing",
		`response.error_kinds.x is "Claimed", which is no kind of error`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), 21)

	_, err = agent.New(agent.Config{})
	require.ErrorContains(t, err, "http: url is missing")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		health string
		status int // 0: no server listens
		body   string
		want   conversation.Kind
		text   string
	}{
		"ConnectionIsEnough": {"", http.StatusInternalServerError, "", "", ""},
		"NobodyListens":      {"", 0, "", conversation.Unavailable, "check url, and that the agent is running"},
		"Healthy":            {"/healthz", http.StatusOK, "fine", "", ""},
		"HealthyAtQuery":     {"/healthz?deep=no", http.StatusNoContent, "", "", ""},
		"Unhealthy":          {"/healthz", http.StatusServiceUnavailable, `{"error": {"message": "loading"}}`, conversation.Unavailable, "503 Service Unavailable: “loading”"},
		"WrongKey":           {"/healthz", http.StatusUnauthorized, "no", conversation.Unauthorized, "check bearer_token, hmac and headers"},
		"WrongPath":          {"/healthz", http.StatusNotFound, "", conversation.Unavailable, "check health"},
		"Redirects":          {"/healthz", http.StatusFound, "", conversation.Unavailable, "check health"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.health == "" || r.Method != http.MethodGet || r.URL.Path != "/healthz" {
					t.Errorf("a check asked %s %s", r.Method, r.URL.Path)
				}
				modeltest.WriteJSON(w, c.status, c.body)
			}))
			e := newExecutor(t, server, func(cfg *agent.Config) { cfg.Health = c.health })
			if c.status == 0 {
				server.Close()
			}
			err := e.Check(t.Context())
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.want, conversation.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "http: check the agent at 127.0.0.1")
		})
	}
}

// Keys go to the agent's server and to no other.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := modeltest.NewServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another server received the request") }))
	server := modeltest.NewServer(t, http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	_, err := newExecutor(t, server).Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
	require.ErrorContains(t, err, "set url to where the server redirects")
}

func TestSecretsAreTakenOutOfErrors(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request, _ wire.Request) {
		modeltest.WriteJSON(w, http.StatusUnauthorized, modeltest.JSON(map[string]any{"error": map[string]any{
			"message": fmt.Sprintf("what is %s, %s, %s at %s?", r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"), hmacSecret, r.URL),
			"remedy":  "do not use " + token,
		}}))
	})
	const queryKey = "qk-in-the-url-1234"
	e := newExecutor(t, server, func(c *agent.Config) {
		c.URL += "?code=" + queryKey
		c.BearerToken = ""
		c.Headers["Authorization"] = "Basic " + token
	})
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	for _, s := range []string{token, headerKey, hmacSecret, queryKey} {
		require.NotContains(t, err.Error(), s)
		require.NotContains(t, fmt.Sprintf("%+v %#v", e, e), s)
	}
	require.ErrorContains(t, err, "[redacted]")
}
