package iii_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/internal/logtest"
)

// A function that the engine runs itself, by an HTTP request.
func TestHTTPFunctions(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, _ *iiitest.Engine, era iii.Era) {
		requests := make(chan *http.Request, 10)
		bodies := make(chan string, 10)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			requests <- r
			bodies <- string(body)
			switch r.URL.Path {
			case "/lookup":
				fmt.Fprint(w, `{"found":true}`)
			case "/refuses":
				w.WriteHeader(http.StatusConflict)
				fmt.Fprint(w, `{"error":{"code":"out_of_stock","message":"none left"}}`)
			case "/broken":
				w.WriteHeader(http.StatusBadGateway)
			}
		}))
		defer server.Close()
		var logged logtest.Buffer
		e := engine(t, iiitest.Options{Era: era, Getenv: func(name string) string {
			return map[string]string{"CRM_TOKEN": "t0ken", "CRM_SECRET": "hush"}[name]
		}})
		w := connect(t, e, iii.Options{Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		register := func(id string, h iii.HTTPInvocation) *iii.Registration {
			r, err := w.RegisterFunction(iii.Function{ID: id, Description: id, HTTP: &h})
			require.NoError(t, err)
			until(t, e, id, func() bool { return e.Serves("", id) })
			return r
		}

		r := register("crm::lookup", iii.HTTPInvocation{
			URL: server.URL + "/lookup", Method: "PUT", Timeout: 5 * time.Second,
			Headers: map[string]string{"X-Tenant": "acme s3cret"}, Auth: iii.BearerAuth("CRM_TOKEN"),
		})
		require.Equal(t, map[string]any{
			"type": "registerfunction", "id": "crm::lookup", "description": "crm::lookup",
			"invocation": map[string]any{
				"url": server.URL + "/lookup", "method": "PUT", "timeout_ms": 5000.0,
				"headers": map[string]any{"X-Tenant": "acme s3cret"}, "auth": map[string]any{"type": "bearer", "token_key": "CRM_TOKEN"},
			},
		}, last(t, e, "registerfunction"))
		result, err := w.Invoke(soon(t), "crm::lookup", map[string]int{"id": 7})
		require.NoError(t, err)
		require.JSONEq(t, `{"found":true}`, string(result))
		got := <-requests
		require.Equal(t, "PUT", got.Method)
		require.Equal(t, "Bearer t0ken", got.Header.Get("Authorization"))
		require.Equal(t, "acme s3cret", got.Header.Get("X-Tenant"))
		require.Equal(t, "crm::lookup", got.Header.Get("x-iii-Function-Path"))
		require.Contains(t, <-bodies, `"id":7`)

		register("crm::refuses", iii.HTTPInvocation{URL: server.URL + "/refuses", Auth: iii.APIKeyAuth("X-Key", "CRM_TOKEN")})
		_, err = w.Invoke(soon(t), "crm::refuses", nil)
		require.True(t, iii.HasCode(err, "out_of_stock"), "%v", err)
		got = <-requests
		require.Equal(t, "POST", got.Method)
		require.Equal(t, "t0ken", got.Header.Get("X-Key"))
		register("crm::broken", iii.HTTPInvocation{URL: server.URL + "/broken", Auth: iii.HMACAuth("CRM_SECRET")})
		_, err = w.Invoke(soon(t), "crm::broken", nil)
		require.True(t, iii.HasCode(err, "http_error"), "%v", err)
		require.Regexp(t, "^sha256=[0-9a-f]{64}$", (<-requests).Header.Get("x-iii-Signature"))

		// It is announced again like any other, and a call that reaches this worker is answered.
		first := w.ID()
		e.KillConnections()
		until(t, e, "again", func() bool { return w.ID() != first && e.Serves("", "crm::broken") })
		e.Send(`{"type":"invokefunction","invocation_id":"` + first + `","function_id":"crm::lookup","data":{}}`)
		until(t, e, "refused", func() bool {
			types := sent(e, w.ID())
			return types[len(types)-1] == "invocationresult"
		})
		require.Equal(t, "function_not_invokable", last(t, e, "invocationresult")["error"].(map[string]any)["code"])
		r.Unregister()
		until(t, e, "gone", func() bool { return !e.Serves("", "crm::lookup") })
		for _, secret := range []string{"s3cret", "t0ken", "hush"} {
			require.NotContains(t, logged.String(), secret)
		}
	})
}

func TestInvalidRegistrations(t *testing.T) {
	t.Parallel()
	w := worker(t, engine(t, iiitest.Options{}), iii.Options{})
	secret := iii.HTTPInvocation{
		URL: "https://u:s3cret@crm.example/x?key=s3cret", Headers: map[string]string{"X": "s3cret"}, Method: "BREW",
		Timeout: time.Microsecond, Auth: iii.APIKeyAuth("", "VAR"),
	}
	require.Equal(t, "BREW https://crm.example/x", secret.String())
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", secret, secret, &secret), "s3cret")
	_, err := w.RegisterFunction(iii.Function{ID: "a::b", HTTP: &secret})
	for _, part := range []string{"BREW", "Timeout", "Auth"} {
		require.ErrorContains(t, err, part)
	}
	require.NotContains(t, err.Error(), "s3cret")
	for _, bad := range []string{"", "ftp://s3cret/", "https://", "https://h:s3cret/"} {
		_, err = w.RegisterFunction(iii.Function{ID: "a::b", HTTP: &iii.HTTPInvocation{URL: bad}})
		require.ErrorContains(t, err, "URL")
		require.NotContains(t, err.Error(), "s3cret")
	}
	_, err = w.RegisterFunction(iii.Function{ID: "a::b", Handler: echo, HTTP: &iii.HTTPInvocation{URL: "https://crm.example"}})
	require.ErrorContains(t, err, "exactly one of Handler and HTTP")
}

// page is an engine with its HTTP port and a worker that serves one trigger.
func page(t *testing.T, era iii.Era, method, path string, serveIt func(context.Context, *iii.Request) (*iii.Response, error)) string {
	t.Helper()
	e := engine(t, iiitest.Options{Era: era})
	w := connect(t, e, iii.Options{}) // finds the era out
	serve(t, e, w, "t::page", w.HTTPHandler(serveIt))
	_, err := w.RegisterTrigger(iii.HTTPTrigger(method, path, "t::page"))
	require.NoError(t, err)
	until(t, e, "bound", func() bool { return e.Bound("http", "t::page") == 1 })
	server := httptest.NewServer(e.HTTPHandler())
	t.Cleanup(server.Close)
	return server.URL
}

func request(t *testing.T, method, at, contentType string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(soon(t), method, at, body)
	require.NoError(t, err)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

func TestHTTPRequests(t *testing.T) {
	t.Parallel()
	for _, era := range eras {
		t.Run(era.String(), func(t *testing.T) {
			t.Parallel()
			seen := make(chan *iii.Request, 1)
			raw := make(chan string, 1)
			at := page(t, era, "POST", "/users/:id/notes", func(ctx context.Context, r *iii.Request) (*iii.Response, error) {
				seen <- r
				body, err := r.OpenBody(ctx)
				if err != nil {
					return nil, err
				}
				all, err := io.ReadAll(body)
				raw <- string(all)
				var note struct{ Text string }
				if r.JSON != nil {
					err = errors.Join(err, r.Decode(&note))
				} else if r.Decode(&note) == nil {
					err = errors.New("that was no JSON")
				}
				return &iii.Response{Status: http.StatusCreated, Body: note}, errors.Join(err, body.Close())
			})
			response, text := request(t, "POST", at+"/users/7/notes?q=a+b&q=c", "application/json", strings.NewReader(` {"text":"hi"}`))
			require.Equal(t, http.StatusCreated, response.StatusCode)
			require.Equal(t, "application/json", response.Header.Get("Content-Type"))
			require.JSONEq(t, `{"Text":"hi"}`, text)
			r := <-seen
			require.Equal(t, "POST", r.Method)
			require.Equal(t, "/users/:id/notes", r.Path)
			require.Equal(t, map[string]string{"id": "7"}, r.PathParams)
			require.Equal(t, "c", r.Query.Get("q"), "an engine keeps one of several")
			require.Equal(t, "application/json", r.Header.Get("content-type"))
			require.JSONEq(t, `{"text":"hi"}`, string(r.JSON))
			require.Equal(t, ` {"text":"hi"}`, <-raw, "as it was sent")

			bytesSent := strings.Repeat("\x00\xff", 100_000)
			_, text = request(t, "POST", at+"/users/8/notes", "application/octet-stream", strings.NewReader(bytesSent))
			require.JSONEq(t, `{"Text":""}`, text)
			require.Equal(t, bytesSent, <-raw)
			require.Nil(t, (<-seen).JSON)
			response, _ = request(t, "GET", at+"/users/8/notes", "", nil)
			require.Equal(t, http.StatusNotFound, response.StatusCode)
		})
	}
}

// What the SDKs' types allow for beyond what engines send.
func TestHTTPLooseRequests(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{Era: iii.EraC})
	serve(t, e, w, "t::page", w.HTTPHandler(func(ctx context.Context, r *iii.Request) (*iii.Response, error) {
		body, err := r.OpenBody(ctx)
		if err != nil {
			return nil, err
		}
		all, err := io.ReadAll(body)
		return &iii.Response{Body: []any{r.Query["q"], r.Header.Get("X-A"), string(all), r.Context}}, err
	}))
	result, err := e.Invoke(soon(t), "t::page", json.RawMessage(
		`{"method":"GET","query_params":{"q":["a","b"]},"headers":{"x-a":"1"},"body":[1],"context":{"user":"ada"}}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"status_code":200,"body":[["a","b"],"1","[1]",{"user":"ada"}]}`, string(result))
	_, err = e.Invoke(soon(t), "t::page", "not an object")
	require.True(t, iii.HasCode(err, iii.CodeInvalidRequest), "%v", err)
}

func TestHTTPResponses(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	large := strings.Repeat("large", 100_000)
	for _, c := range []struct {
		name     string
		response *iii.Response
		status   int
		kind     string
		body     string
		reader   bool // the body comes from one
	}{
		{"nil", nil, 204, "text/plain; charset=utf-8", "", false},
		{"empty", &iii.Response{}, 200, "text/plain; charset=utf-8", "", false},
		{"json", &iii.Response{Body: map[string]int{"n": 1}}, 200, "application/json", `{"n":1}`, false},
		{"json text", &iii.Response{Body: json.RawMessage(`"x"`)}, 200, "application/json", `"x"`, false},
		{"json null", &iii.Response{Body: json.RawMessage(`null`)}, 200, "application/json", `null`, false},
		{"json with headers", &iii.Response{Body: json.RawMessage(`"x"`), Header: header("X-A", "1")}, 200, "application/json", `"x"`, false},
		{"problem", &iii.Response{Status: 422, Body: map[string]int{"n": 1}, Header: header("Content-Type", "application/problem+json")},
			422, "application/problem+json", `{"n":1}`, false},
		{"text", &iii.Response{Body: `a "text" <b>`}, 200, "text/plain; charset=utf-8", `a "text" <b>`, false},
		{"html", &iii.Response{Body: "<p>", Header: header("content-type", "text/html")}, 200, "text/html", "<p>", false},
		{"redirect", &iii.Response{Status: 303, Header: header("Location", "/x", "X-A", "1")}, 303, "text/plain; charset=utf-8", "", false},
		{"bytes", &iii.Response{Body: []byte{0, 0xff, '"'}}, 200, "application/octet-stream", "\x00\xff\"", false},
		{"no bytes", &iii.Response{Status: 404, Body: []byte{}}, 404, "application/octet-stream", "", false},
		{"large", &iii.Response{Body: []byte(large)}, 200, "application/octet-stream", large, false},
		{"reader", &iii.Response{Header: header("Content-Type", "text/event-stream", "X-A", "1")}, 200, "text/event-stream", "slow ☂", true},
	} {
		for _, era := range eras {
			t.Run(c.name+"/"+era.String(), func(t *testing.T) {
				t.Parallel()
				answer := c.response
				if c.reader {
					answer = &iii.Response{Header: c.response.Header, Body: iotest.OneByteReader(strings.NewReader(c.body))}
				}
				at := page(t, era, "GET", "/", func(context.Context, *iii.Request) (*iii.Response, error) { return answer, nil })
				response, text := request(t, "GET", at, "", nil)
				require.Equal(t, c.status, response.StatusCode)
				require.Equal(t, c.kind, response.Header.Get("Content-Type"))
				require.Equal(t, c.body, text)
				if c.response != nil {
					for name, values := range c.response.Header {
						require.Equal(t, values, response.Header.Values(name))
					}
				}
			})
		}
	}
}

func TestHTTPFaults(t *testing.T) {
	t.Parallel()
	cookies := http.Header{"Set-Cookie": {"a=1", "b=2"}}
	closed := &closes{Reader: iotest.ErrReader(errors.New("the disk is full"))}
	for _, c := range []struct {
		name     string
		response *iii.Response
		err      error
		text     string
	}{
		{"error", nil, iii.Errorf("out_of_stock", "none left"), `"code":"out_of_stock"`},
		{"status", &iii.Response{Status: 7}, nil, "the status is 7"},
		{"body", &iii.Response{Body: func() {}}, nil, "does not encode"},
		{"cookies", &iii.Response{Header: cookies, Body: []byte("x")}, nil, "one cookie"},
		{"reader", &iii.Response{Body: closed}, nil, "the disk is full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := page(t, iii.EraD, "GET", "/", func(context.Context, *iii.Request) (*iii.Response, error) { return c.response, c.err })
			response, text := request(t, "GET", at, "", nil)
			require.Equal(t, http.StatusInternalServerError, response.StatusCode)
			require.Contains(t, text, c.text)
			if c.name == "reader" {
				require.True(t, closed.closed)
			}
		})
	}
	t.Run("several cookies in one piece", func(t *testing.T) {
		t.Parallel()
		at := page(t, iii.EraD, "GET", "/", func(context.Context, *iii.Request) (*iii.Response, error) {
			return &iii.Response{Header: cookies, Body: "x"}, nil
		})
		response, _ := request(t, "GET", at, "", nil)
		require.Equal(t, cookies["Set-Cookie"], response.Header.Values("Set-Cookie"))
	})
}

// A stream reaches the client piece by piece.
func TestHTTPStreams(t *testing.T) {
	t.Parallel()
	pieces, out := io.Pipe()
	at := page(t, iii.EraC, "GET", "/events", func(context.Context, *iii.Request) (*iii.Response, error) {
		return &iii.Response{Body: pieces, Header: http.Header{"Content-Type": {"text/event-stream"}}}, nil
	})
	go func() { _, _ = io.WriteString(out, "data: 1\n\n") }()
	r, err := http.NewRequestWithContext(soon(t), "GET", at+"/events", nil)
	require.NoError(t, err)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	piece := make([]byte, 9)
	_, err = io.ReadFull(response.Body, piece)
	require.NoError(t, err)
	require.Equal(t, "data: 1\n\n", string(piece), "while the stream is open")
	_, err = io.WriteString(out, "data: 2\n\n")
	require.NoError(t, err)
	require.NoError(t, out.Close())
	rest, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "data: 2\n\n", string(rest))
}

type closes struct {
	io.Reader
	closed bool
}

func (c *closes) Close() error { c.closed = true; return nil }
