package rest_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/platforms/internal/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "key-0123456789abcdef"

var words = rest.Words{
	Platform: "shop", Service: "Shop", API: "Shop's API", Place: "the shop",
	Setting: "address", Variable: "SHOP_URL", Example: "http://localhost:1", Key: "check the key",
}

// newClient makes a client of whatever answers all requests.
func newClient(t *testing.T, handler http.HandlerFunc) *rest.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c := &rest.Client{
		Words: words, Base: server.URL, HTTP: rest.NewHTTPClient(httpclient.Config{}), Header: http.Header{"X-Key": {key}},
		Secrets: []string{key}, Timeout: 10 * time.Second,
		PageRemedy: func() string { return "that is a page" },
	}
	t.Cleanup(c.HTTP.CloseIdleConnections)
	return c
}

func answer(status int, header map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func failing(t *testing.T, c *rest.Client, r rest.Request) *conversation.Error {
	t.Helper()
	_, err := c.Call(t.Context(), r, &struct{}{})
	var e *conversation.Error
	require.ErrorAs(t, err, &e)
	require.NotContains(t, err.Error(), key)
	return e
}

// A write and a read, of which only the first may land.
var (
	write = rest.Request{Op: "write", Method: http.MethodPost, Path: rest.Path("things"), Body: map[string]int{"n": 1}, Writes: true}
	read  = rest.Request{Op: "read", Method: http.MethodGet, Path: rest.Path("things")}
)

func TestCall(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Date", "Sat, 20 Sep 2025 09:00:00 GMT")
		answer(200, nil, `{"got":"`+strings.Join([]string{
			r.Method, r.URL.EscapedPath(), r.URL.RawQuery, strings.ReplaceAll(string(body), `"`, "'"),
			r.Header.Get("X-Key"), r.Header.Get("Accept"), r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key"),
		}, " ")+`"}`)(w, r)
	})
	var out struct{ Got string }
	r := write
	r.Path, r.Query, r.IdempotencyKey = rest.Path("things", "a/b"), map[string][]string{"q": {"1"}}, "k ä"
	a, err := c.Call(t.Context(), r, &out)
	require.NoError(t, err)
	require.Equal(t, "POST /things/a%2Fb q=1 {'n':1} "+key+" application/json application/json k+%C3%A4", out.Got)
	require.Equal(t, time.Date(2025, 9, 20, 9, 0, 0, 0, time.UTC), a.ServerTime())

	_, err = c.Call(t.Context(), read, &out)
	require.NoError(t, err)
	require.Equal(t, "GET /things   "+key+" application/json  ", out.Got)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	page := map[string]string{"Content-Type": "text/html"}
	after := map[string]string{"Retry-After": "3"}
	for name, c := range map[string]struct {
		status           int
		header           map[string]string
		body             string
		conflict, want   conversation.Kind
		landed, answered bool
		after            time.Duration
		text, remedy     string
	}{
		"BadRequest":   {status: 400, body: `{"detail":"no ` + key + `"}`, want: conversation.Invalid, text: "shop: write: 400 Bad Request: “no [redacted]”"},
		"BadKey":       {status: 401, want: conversation.Unauthorized, remedy: "check the key"},
		"Forbidden":    {status: 403, want: conversation.Unauthorized, remedy: "check the key"},
		"Unknown":      {status: 404, want: conversation.NotFound},
		"UnknownPage":  {status: 404, header: page, body: "<html>", want: conversation.NotFound, text: "a web page", remedy: "that is a page"},
		"Slow":         {status: 408, want: conversation.Unavailable, landed: true},
		"Conflict":     {status: 409, want: conversation.Invalid},
		"Claimed":      {status: 409, conflict: conversation.Claimed, want: conversation.Claimed},
		"Busy":         {status: 409, conflict: conversation.Unavailable, want: conversation.Unavailable, landed: true},
		"Faults":       {status: 422, body: `{"detail":[{"loc":["body","n"],"msg":"Field required","input":"hush"},"worse"]}`, want: conversation.Invalid, text: ": “body.n: Field required; worse”"},
		"Message":      {status: 400, body: `{"message":{"message":"closed"}}`, want: conversation.Invalid, text: ": “closed”"},
		"RateLimited":  {status: 429, header: after, want: conversation.RateLimited, after: 3 * time.Second},
		"Broken":       {status: 500, header: after, want: conversation.Unavailable, landed: true, answered: true, after: 3 * time.Second},
		"Gateway":      {status: 502, header: page, body: "<html>", want: conversation.Unavailable, landed: true, text: "a web page"},
		"GatewaySlow":  {status: 504, want: conversation.Unavailable, landed: true},
		"Judged":       {status: 418, want: conversation.Refused, text: "418", remedy: "no coffee"},
		"Redirect":     {status: 302, header: map[string]string{"Location": "https://else.example/?" + key}, want: conversation.Unavailable, landed: true, answered: true, remedy: "the server redirects to https://else.example: set address to where the shop is"},
		"RedirectHome": {status: 307, header: map[string]string{"Location": "/things/"}, want: conversation.Unavailable, landed: true, answered: true, remedy: "the server redirects: set address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, answer(c.status, c.header, c.body))
			client.Judge = func(a rest.Answer, e *conversation.Error) {
				if a.Status == http.StatusTeapot {
					e.Kind, e.Remedy = conversation.Refused, "no coffee"
				}
			}
			for _, r := range []rest.Request{write, read} {
				r.Op, r.Conflict = "write", c.conflict
				e := failing(t, client, r)
				require.Equal(t, c.want, e.Kind)
				require.Equal(t, c.landed && (r.Writes || c.conflict != ""), e.Ambiguous)
				require.Equal(t, c.answered && (r.Writes || c.status >= 500), e.Answered)
				require.Equal(t, c.after, e.RetryAfter)
				require.ErrorContains(t, e, c.text)
				require.Contains(t, e.Remedy, c.remedy)
				require.Equal(t, c.remedy == "", e.Remedy == "", e.Remedy)
				require.Equal(t, c.status, rest.StatusOf(e))
				require.Equal(t, c.header["Content-Type"] == "text/html", strings.Contains(e.Error(), "a web page"))
			}
		})
	}
}

// Answers that say success and are not the service's own may come from something in
// front of it: the request may have landed, and may still be under way.
func TestUselessAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, text string
	}{
		"Empty":    {" ", "the answer is empty"},
		"Page":     {"<html>", "the answer is a web page"},
		"Half":     {`{"a":`, "the answer is not JSON"},
		"Null":     {`null`, "the answer is null, not an object"},
		"List":     {`[{"id":1}]`, "the answer is a bare list, not an object"},
		"Text":     {`"log in"`, "the answer is a string, not an object"},
		"Nothing":  {`{}`, "the answer is an empty object"},
		"Error":    {`{"error":"log in"}`, "the answer lacks \"id\""},
		"NullID":   {`{"id":null}`, "the answer lacks \"id\""},
		"OddField": {`{"id":"x","count":"five"}`, "its field \"count\" is a string"},
		"Endless":  {`"` + strings.Repeat("x", 16<<20), "longer than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, answer(200, nil, c.body))
			for _, r := range []rest.Request{write, read} {
				r.Requires = []string{"id"}
				var out struct {
					Count int `json:"count"`
				}
				_, err := client.Call(t.Context(), r, &out)
				var e *conversation.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, conversation.Unavailable, e.Kind)
				require.Equal(t, r.Writes, e.Ambiguous)
				require.Equal(t, r.Writes, e.Answered)
				require.ErrorContains(t, e, c.text)
				require.Zero(t, rest.StatusOf(e))
			}
		})
	}
	_, err := newClient(t, answer(200, nil, `{"error":{"message":"log in"}}`)).Call(t.Context(), write, nil)
	require.ErrorContains(t, err, "says success and has an error: log in")
	_, err = newClient(t, answer(204, nil, "")).Call(t.Context(), write, nil)
	require.NoError(t, err, "nothing was to come")
}

// With an Own shape, only answers in it are final.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 402, 403, 404, 405, 409, 410, 422, 451} {
		for name, c := range map[string]struct {
			body string
			own  bool
		}{
			"Own":         {`{"detail":"no such thing"}`, true},
			"OwnFaults":   {`{"detail":[{"loc":["n"],"msg":"Field required"}]}`, true},
			"Page":        {"<html>no such page</html>", false},
			"Text":        {"404 page not found", false},
			"Empty":       {"", false},
			"Null":        {"null", false},
			"NoFields":    {"{}", false},
			"OtherFields": {`{"message":"no Route matched with those values"}`, false},
			"Error":       {`{"error":{"code":401}}`, false},
			"NullDetail":  {`{"detail":null}`, false},
			"EmptyDetail": {`{"detail":""}`, false},
			"List":        {`[{"detail":"x"}]`, false},
			"Half":        {`{"detail":"no such`, false},
			"Problem":     {`{"type":"about:blank","title":"Not Found","status":404,"detail":"x"}`, false},
		} {
			client := newClient(t, answer(status, nil, c.body))
			client.Own = rest.FastAPI
			r := write
			r.Conflict = conversation.Claimed
			e := failing(t, client, r)
			var answer *rest.AnswerError
			require.ErrorAs(t, e, &answer)
			require.Equal(t, !c.own, answer.Foreign(), "%d %s", status, name)
			require.Equal(t, status, rest.StatusOf(e))
			if c.own {
				require.NotEqual(t, conversation.Unavailable, e.Kind, "%d %s", status, name)
				require.False(t, e.Ambiguous)
				continue
			}
			require.Equal(t, conversation.Unavailable, e.Kind, "%d %s", status, name)
			require.True(t, e.Ambiguous, "something in front may have passed it on")
			require.True(t, e.Answered, "but has done with it")
			require.ErrorContains(t, e, "not Shop's own answer")
		}
	}
}

// hangUp breaks the connection after what is given.
func hangUp(start string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_, _ = io.WriteString(conn, start)
			if tcp, ok := conn.(*net.TCPConn); ok && start == "" {
				_ = tcp.SetLinger(0) // a reset
			}
			_ = conn.Close()
		}
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		change  func(*rest.Client)
		landed  bool
		text    string
	}{
		"Refused":     {nil, func(c *rest.Client) { c.Base = "http://127.0.0.1:1" }, false, "refused"},
		"PlainHTTP":   {nil, func(c *rest.Client) { c.Base = strings.Replace(c.Base, "http:", "https:", 1) }, false, "address says https"},
		"Reset":       {hangUp(""), nil, true, "shop: "},
		"BrokenOff":   {hangUp("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), nil, true, "the answer broke off"},
		"BrokenOf500": {hangUp("HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n{"), nil, true, "500"},
		"Never": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, func(c *rest.Client) { c.Timeout = 200 * time.Millisecond }, true, "no answer within 200ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, c.handler)
			if c.change != nil {
				c.change(client)
			}
			for _, r := range []rest.Request{write, read} {
				e := failing(t, client, r)
				require.Equal(t, conversation.Unavailable, e.Kind)
				require.Equal(t, c.landed && r.Writes, e.Ambiguous)
				require.False(t, e.Answered)
				require.ErrorContains(t, e, c.text)
				require.NotErrorIs(t, e, context.DeadlineExceeded, "the caller's context is not done")
			}
		})
	}
}

func TestContextDone(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Call(ctx, write, nil)
	require.ErrorIs(t, err, context.Canceled)
	var e *conversation.Error
	require.ErrorAs(t, err, &e)
	require.False(t, e.Ambiguous)

	for _, id := range []string{"", ".", ".."} {
		_, err = c.Call(t.Context(), rest.Request{Op: "read", IDs: []string{"a", id}}, nil)
		require.True(t, conversation.IsKind(err, conversation.Invalid), "%v", err)
	}
}

// net/http repeats requests that carry an Idempotency-Key when a connection that
// it has kept breaks. Most servers know no such key.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	sends := make(chan struct{}, 8)
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			answer(200, nil, `{"ok":true}`)(w, r)
			return
		}
		sends <- struct{}{}
		hangUp("")(w, r)
	})
	_, err := c.Call(t.Context(), read, nil) // leaves a connection to be kept
	require.NoError(t, err)
	r := write
	r.IdempotencyKey = "k1"
	require.True(t, failing(t, c, r).Ambiguous)
	require.Len(t, sends, 1)
}

// Only a slash is followed, once, and only by a client that is to.
func TestFollowSlash(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/") {
			w.Header().Set("Location", "http://"+r.Host+r.URL.Path+"/")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		body, _ := io.ReadAll(r.Body)
		answer(200, nil, `{"got":"`+r.URL.RawQuery+strings.ReplaceAll(string(body), `"`, "'")+`"}`)(w, r)
	}
	c := newClient(t, handler)
	require.Equal(t, http.StatusTemporaryRedirect, rest.StatusOf(failing(t, c, write)))
	c.HTTP = rest.NewHTTPClient(httpclient.Config{FollowSlash: true})
	t.Cleanup(c.HTTP.CloseIdleConnections)
	r := write
	r.Query = map[string][]string{"q": {"1"}}
	var out struct{ Got string }
	_, err := c.Call(t.Context(), r, &out)
	require.NoError(t, err)
	require.Equal(t, "q=1{'n':1}", out.Got)
	for name, location := range map[string]string{"Elsewhere": "http://else.example/things/", "OtherPath": "/other/", "Same": "/things"} {
		other := newClient(t, answer(307, map[string]string{"Location": location}, ""))
		other.HTTP = c.HTTP
		require.Equal(t, http.StatusTemporaryRedirect, rest.StatusOf(failing(t, other, write)), name)
	}
}

// A caller's client is used but not changed.
func TestOwnHTTPClient(t *testing.T) {
	t.Parallel()
	own := &http.Client{Transport: http.DefaultTransport, Timeout: time.Nanosecond}
	made := rest.NewHTTPClient(httpclient.Config{Client: own})
	require.Zero(t, made.Timeout)
	require.ErrorIs(t, made.CheckRedirect(nil, nil), http.ErrUseLastResponse)
	require.Nil(t, own.CheckRedirect)
	require.Equal(t, time.Nanosecond, own.Timeout)
}
