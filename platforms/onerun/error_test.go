package onerun_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/internal/rest"
	"github.com/parley-run/parley/platforms/onerun"
)

// The calls that change something, and one that does not.
var calls = map[string]func(context.Context, *onerun.Client) error{
	"start": func(ctx context.Context, c *onerun.Client) error { return c.Start(ctx, at) },
	"responses": func(ctx context.Context, c *onerun.Client) error {
		_, err := c.Respond(ctx, at, []onerun.WireMessage{onerun.TextMessage("Hello.")}, "key/1")
		return err
	},
	"end":   func(ctx context.Context, c *onerun.Client) error { return c.End(ctx, at) },
	"items": func(ctx context.Context, c *onerun.Client) error { _, err := c.Items(ctx, at); return err },
	"get":   func(ctx context.Context, c *onerun.Client) error { _, err := c.Conversation(ctx, at); return err },
}

func TestErrorAnswers(t *testing.T) {
	t.Parallel()
	const html = "<!DOCTYPE html><html><title>Next</title></html>"
	page := map[string]string{"Content-Type": "text/html; charset=utf-8"}
	for _, tt := range []struct {
		name     string
		call     string
		status   int
		header   map[string]string
		body     string
		kind     conversation.Kind
		landed   bool
		answered bool
		after    time.Duration
		text     string // in the error
		remedy   string // in the remedy
	}{
		{name: "WrongState", call: "end", status: 400, body: `{"detail":"Conversation has already ended"}`,
			kind: conversation.Invalid, text: "onerun: end conversation \"Cv7\": 400 Bad Request: “Conversation has already ended”"},
		{name: "WrongStateOfResponses", call: "responses", status: 400, body: `{"detail":"Conversation has ended"}`,
			kind: conversation.Invalid, text: "onerun: send to conversation \"Cv7\": 400"},
		{name: "BadKey", call: "get", status: 401, body: `{"detail":"API key is not valid"}`,
			kind: conversation.Unauthorized, text: "not valid", remedy: "ONERUN_API_KEY"},
		{name: "Forbidden", call: "start", status: 403, body: `{"detail":"no"}`, kind: conversation.Unauthorized, remedy: "api_key"},
		{name: "QuotaSpent", call: "responses", status: 402, body: `{"detail":"pay"}`, kind: conversation.QuotaExhausted, remedy: "balance"},
		{name: "QuotaBackSoon", call: "responses", status: 402, header: map[string]string{"Retry-After": "60"}, body: `{"detail":"pay"}`,
			kind: conversation.RateLimited, after: time.Minute},
		{name: "UnknownConversation", call: "start", status: 404, body: `{"detail":"Conversation not found"}`,
			kind: conversation.NotFound, text: "404 Not Found: “Conversation not found”"},
		{name: "WrongMethod", call: "items", status: 405, body: `{"detail":"Method Not Allowed"}`, kind: conversation.Invalid,
			text: "405 Method Not Allowed"},
		{name: "SlowUpload", call: "responses", status: 408, kind: conversation.Unavailable, landed: true},
		{name: "ClaimLost", call: "start", status: 409, body: `{"detail":"not queued"}`, kind: conversation.Claimed, text: "409"},
		{name: "ConflictOnResponses", call: "responses", status: 409, body: `{"detail":"busy"}`, kind: conversation.Unavailable, landed: true},
		{name: "ConflictOnARead", call: "get", status: 409, body: `{"detail":"busy"}`, kind: conversation.Invalid},
		{name: "MissingProject", call: "get", status: 422,
			body: `{"detail":[{"type":"missing","loc":["query","project_id"],"msg":"Field required","input":null},` +
				`{"type":"x","loc":["body","input",0,"type"],"msg":"Input should be 'message'","input":"` + testKey + `"}]}`,
			kind: conversation.Invalid, text: "422 Unprocessable Entity: “query.project_id: Field required; body.input.0.type: Input should be 'message'”"},
		{name: "FaultsWithoutLocation", call: "get", status: 422, body: `{"detail":[{"msg":"bad"},"worse",{"a":1}]}`,
			kind: conversation.Invalid, text: `bad; worse; {"a":1}`},
		{name: "DetailIsAnObject", call: "get", status: 400, body: `{"detail":{"message":"closed"}}`, kind: conversation.Unavailable, text: "400 Bad Request: “closed”; this is not OneRun's own answer"},
		{name: "MessageInsteadOfDetail", call: "get", status: 400, body: `{"message":"closed"}`, kind: conversation.Unavailable, text: ": “closed”; this is not"},
		{name: "ErrorInsteadOfDetail", call: "get", status: 400, body: `{"error":{"message":"closed"}}`, kind: conversation.Unavailable, text: ": “closed”; this is not"},
		{name: "NoBody", call: "get", status: 400, kind: conversation.Unavailable, text: "400 Bad Request"},
		{name: "RateLimited", call: "responses", status: 429, header: map[string]string{"Retry-After": "7"}, body: `{"detail":"slow down"}`,
			kind: conversation.RateLimited, after: 7 * time.Second},
		{name: "PlainText500", call: "responses", status: 500, header: map[string]string{"Content-Type": "text/plain"}, body: "Internal Server Error",
			kind: conversation.Unavailable, landed: true, answered: true, text: "500 Internal Server Error"},
		{name: "PlainText500OnStart", call: "start", status: 500, body: "Internal Server Error",
			kind: conversation.Unavailable, landed: true, answered: true},
		{name: "PlainText500OnEnd", call: "end", status: 500, body: "Internal Server Error",
			kind: conversation.Unavailable, landed: true, answered: true},
		{name: "PlainText500OnARead", call: "items", status: 500, body: "Internal Server Error",
			kind: conversation.Unavailable, answered: true},
		{name: "BadGateway", call: "responses", status: 502, header: page, body: html,
			kind: conversation.Unavailable, landed: true, text: "502 Bad Gateway: “a web page”"},
		{name: "Overloaded", call: "responses", status: 503, header: map[string]string{"Retry-After": "3"}, body: "busy",
			kind: conversation.Unavailable, landed: true, after: 3 * time.Second},
		{name: "GatewayGaveUp", call: "start", status: 504, kind: conversation.Unavailable, landed: true},
		{name: "OddStatus", call: "responses", status: 599, body: "?", kind: conversation.Unavailable, landed: true, text: "599: “?”"},
		{name: "WebApp404", call: "get", status: 404, header: page, body: html, kind: conversation.Unavailable,
			text: "404 Not Found: “a web page”", remedy: "port 3001"},

		{name: "EmptyAnswer", call: "responses", status: 200, kind: conversation.Unavailable, landed: true, answered: true, text: "the answer is empty"},
		{name: "EmptyAnswerOnStart", call: "start", status: 200, kind: conversation.Unavailable, landed: true, answered: true},
		{name: "EmptyAnswerOnEnd", call: "end", status: 200, kind: conversation.Unavailable, landed: true, answered: true},
		{name: "HalfAnAnswer", call: "responses", status: 200, body: `{"ended":false,"outp`,
			kind: conversation.Unavailable, landed: true, answered: true, text: "the answer is not JSON"},
		{name: "NoEnded", call: "responses", status: 200, body: `{"output":[]}`,
			kind: conversation.Unavailable, landed: true, answered: true, text: "lacks \"ended\""},
		{name: "Null", call: "responses", status: 200, body: `null`, kind: conversation.Unavailable, landed: true, answered: true},
		{name: "WrongShape", call: "responses", status: 200, body: `{"ended":"yes","output":[]}`,
			kind: conversation.Unavailable, landed: true, answered: true, text: "not understood"},
		{name: "PageInsteadOfJSON", call: "start", status: 200, header: page, body: html,
			kind: conversation.Unavailable, landed: true, answered: true, text: "a web page", remedy: "port 3001"},
		{name: "PageOnARead", call: "get", status: 200, header: page, body: html, kind: conversation.Unavailable, text: "a web page"},
		{name: "TwentyMegabytes", call: "responses", status: 200, body: `{"ended":false,"output":[],"x":"` + strings.Repeat("x", 20<<20) + `"}`,
			kind: conversation.Unavailable, landed: true, answered: true, text: "longer than 16 MiB"},
		{name: "TwentyMegabytesOf500", call: "responses", status: 500, body: strings.Repeat("x", 20<<20),
			kind: conversation.Unavailable, landed: true, answered: true, text: "xxx…"},

		{name: "Redirect", call: "start", status: 302, header: map[string]string{"Location": "https://elsewhere.example/login?key=" + testKey},
			kind: conversation.Unavailable, landed: true, answered: true, text: "302 Found", remedy: "redirects to https://elsewhere.example: set base_url"},
		{name: "RedirectToNowhere", call: "start", status: 301, kind: conversation.Unavailable, landed: true, answered: true, remedy: "set base_url"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, always(tt.status, tt.header, tt.body))
			err := calls[tt.call](t.Context(), newClient(t, onerun.ClientConfig{BaseURL: server.URL}))
			e := asError(t, err)
			require.Equal(t, tt.kind, e.Kind, err)
			require.Equal(t, tt.landed, e.Ambiguous, "Ambiguous")
			require.Equal(t, tt.answered, e.Answered, "Answered")
			require.Equal(t, tt.after, e.RetryAfter)
			require.Contains(t, err.Error(), tt.text)
			require.Contains(t, e.Remedy, tt.remedy)
			require.NotContains(t, err.Error(), testKey)
			require.Less(t, len(err.Error()), 700)
			var failed *rest.AnswerError
			if tt.status >= 300 {
				require.ErrorAs(t, err, &failed)
				require.Equal(t, tt.status, failed.Status)
			}
		})
	}
}

func TestNoContentIsSuccess(t *testing.T) {
	t.Parallel()
	server := serve(t, always(http.StatusNoContent, nil, ""))
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})
	require.NoError(t, c.Start(t.Context(), at))
	require.NoError(t, c.End(t.Context(), at))
	_, err := c.Respond(t.Context(), at, nil, "")
	require.True(t, conversation.IsKind(err, conversation.Unavailable))
}

// TestSecretsStayOut has a server that repeats whatever it is sent.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	const gateway = "gateway-token-42"
	echo := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_ = r.Header.Write(w)
	}
	for name, handler := range map[string]http.HandlerFunc{
		"Plain": echo,
		"Detail": func(w http.ResponseWriter, r *http.Request) {
			detail(http.StatusUnauthorized, "key "+r.Header.Get("x-api-key")+" and "+r.Header.Get("Authorization")+" are bad")(w, r)
		},
		"Redirect": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://"+r.Header.Get("x-api-key")+".example/")
			w.WriteHeader(http.StatusFound)
		},
		"BrokenHeader": func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, r.Header.Get("x-api-key")+" is no HTTP\r\n\r\n")
				_ = conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, map[string]http.HandlerFunc{"/": handler})
			c := newClient(t, onerun.ClientConfig{
				BaseURL: server.URL, Header: map[string]string{"Authorization": "Bearer " + gateway},
			})
			for op, call := range calls {
				err := call(t.Context(), c)
				require.Error(t, err, op)
				require.NotContains(t, err.Error(), testKey)
				require.NotContains(t, err.Error(), gateway)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()

	for _, tt := range []struct {
		name    string
		url     func(testing.TB) string
		landed  bool
		text    string
		timeout time.Duration
	}{
		{name: "Refused", url: func(testing.TB) string { return closed.URL }, text: "refused"},
		{name: "HTTPSNotSpoken", url: func(t testing.TB) string {
			return strings.Replace(serve(t, nil).URL, "http:", "https:", 1)
		}, text: "base_url says https"},
		{name: "CertificateNotTrusted", url: func(t testing.TB) string {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = quiet
			server.StartTLS()
			t.Cleanup(server.Close)
			return server.URL
		}, text: "certificate is not trusted"},
		{name: "CutBeforeTheAnswer", landed: true, url: func(t testing.TB) string {
			return serve(t, map[string]http.HandlerFunc{"/": cut("")}).URL
		}},
		{name: "CutInTheAnswer", landed: true, text: "the answer broke off", url: func(t testing.TB) string {
			return serve(t, map[string]http.HandlerFunc{
				"/": cut("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"ended\":"),
			}).URL
		}},
		{name: "CutInA500", landed: true, text: "500", url: func(t testing.TB) string {
			return serve(t, map[string]http.HandlerFunc{
				"/": cut("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\nInter"),
			}).URL
		}},
		{name: "NeverAnswers", landed: true, timeout: 250 * time.Millisecond, text: "no answer within 250ms", url: func(t testing.TB) string {
			return serve(t, map[string]http.HandlerFunc{"/": hang(nil), healthRoute: ok(`{}`)}).URL
		}},
		{name: "NeverFinishes", landed: true, timeout: 250 * time.Millisecond, text: "no answer within 250ms", url: func(t testing.TB) string {
			return serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, `{"ended":`)
				w.(http.Flusher).Flush()
				hang(nil)(w, r)
			}, healthRoute: ok(`{}`)}).URL
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, onerun.ClientConfig{BaseURL: tt.url(t), Timeout: tt.timeout, ResponseTimeout: tt.timeout})
			for op, call := range calls {
				if tt.timeout > 0 {
					_ = c.Health(t.Context()) // the time is not for connecting
				}
				err := call(t.Context(), c)
				e := asError(t, err)
				require.Equal(t, conversation.Unavailable, e.Kind)
				writes := op != "get" && op != "items"
				require.Equal(t, tt.landed && writes, e.Ambiguous, "%s: %v", op, err)
				require.False(t, e.Answered, "%s: %v", op, err)
				require.Contains(t, err.Error(), tt.text)
				require.NotErrorIs(t, err, context.DeadlineExceeded, "the caller's context is not done")
			}
		})
	}
}

func TestContextDone(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	server := serve(t, map[string]http.HandlerFunc{"/": hang(arrived)})
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})
	for op, call := range calls {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		err := call(ctx, c)
		require.ErrorIs(t, err, context.Canceled)
		e := asError(t, err)
		require.Equal(t, conversation.Unavailable, e.Kind)
		require.Equal(t, op != "get" && op != "items", e.Ambiguous, op)
		require.False(t, e.Answered)

		err = call(ctx, c)
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, asError(t, err).Ambiguous, "nothing was sent")
	}
}

// TestNoHiddenRetries: net/http repeats requests that carry an Idempotency-Key
// when a kept connection breaks. Most servers know no such key.
func TestNoHiddenRetries(t *testing.T) {
	t.Parallel()
	sends := make(chan string, 8)
	server := serve(t, map[string]http.HandlerFunc{
		"POST /v1/simulations/{sid}/conversations/{cid}/items": ok(`{"data":[],"has_more":false}`),
		"POST /v1/simulations/{sid}/conversations/{cid}/responses": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			sends <- string(body)
			cut("")(w, r)
		},
	})
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})
	_, err := c.Items(t.Context(), at) // leaves a connection to be kept
	require.NoError(t, err)
	_, err = c.Respond(t.Context(), at, nil, "workflow/1")
	require.True(t, asError(t, err).Ambiguous)
	require.Len(t, sends, 1)
}

func TestNoID(t *testing.T) {
	t.Parallel()
	server := serve(t, always(200, nil, `{"id":"x"}`))
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})
	for _, id := range []string{"", ".", ".."} {
		_, err := c.Conversation(t.Context(), onerun.Location{Project: "P", Simulation: "S", Conversation: id})
		require.True(t, conversation.IsKind(err, conversation.Invalid), "%v", err)
		err = c.Start(t.Context(), onerun.Location{Project: "P", Simulation: id, Conversation: "C"})
		require.True(t, conversation.IsKind(err, conversation.Invalid), "%v", err)
	}
}

// cut writes what is given and closes the connection.
func cut(start string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, start)
		if tcp, ok := conn.(*net.TCPConn); ok && start == "" {
			_ = tcp.SetLinger(0) // a reset
		}
		_ = conn.Close()
	}
}

// hang answers only when no caller waits any more.
func hang(arrived chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if arrived != nil {
			arrived <- struct{}{}
		}
		<-r.Context().Done()
	}
}

func TestAnswerError(t *testing.T) {
	t.Parallel()
	require.Equal(t, "404 Not Found: “gone”", (&rest.AnswerError{Status: 404, Detail: "gone"}).Error())
	require.Equal(t, "404 Not Found", (&rest.AnswerError{Status: 404, Detail: "Not Found"}).Error())
	require.False(t, errors.Is(&rest.AnswerError{Status: 404}, context.Canceled))
}
