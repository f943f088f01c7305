package codecserver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	common "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/parley-run/parley/internal/codecserver"
	"github.com/parley-run/parley/payloads"
	"github.com/parley-run/parley/secret"
)

const (
	said  = "my pin is 4711"
	ui    = "https://temporal.example.com"
	token = "t0ken-of-the-test"
)

func ring(t *testing.T, name string) *payloads.Ring {
	t.Helper()
	r, err := payloads.Open(t.Context(), payloads.Config{
		Key: name, Keys: map[string]payloads.Source{name: {Env: "K"}},
		LookupEnv: func(string) (string, bool) { return strings.Repeat("0f", 32), true },
	})
	require.NoError(t, err)
	return r
}

// sealed is a payload of a workflow, as the web interface finds it.
func sealed(t *testing.T, r *payloads.Ring) *common.Payload {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayload(said)
	require.NoError(t, err)
	out, err := payloads.NewCodec(r).WithSerializationContext(converter.WorkflowSerializationContext{WorkflowID: "w1"}).Encode([]*common.Payload{p})
	require.NoError(t, err)
	return out[0]
}

func body(t *testing.T, all ...*common.Payload) string {
	t.Helper()
	data, err := protojson.Marshal(&common.Payloads{Payloads: all})
	require.NoError(t, err)
	return string(data)
}

func serve(t *testing.T, cfg codecserver.Config) *httptest.Server {
	t.Helper()
	if cfg.Codec == nil {
		cfg.Codec = payloads.NewCodec(ring(t, "k1"))
	}
	s := httptest.NewServer(codecserver.Handler(cfg))
	t.Cleanup(s.Close)
	return s
}

// do sends a request with headers given as "Name: value".
func do(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(text)
}

const jsonType = "Content-Type: application/json"

// The web interface sends a preflight and then the payloads, with the namespace in a header.
func TestAsTheWebInterfaceAsks(t *testing.T) {
	t.Parallel()
	s := serve(t, codecserver.Config{Origin: ui})
	for _, path := range []string{"/decode", "/default/decode"} {
		res, _ := do(t, http.MethodOptions, s.URL+path, "", "Origin: "+ui, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,x-namespace")
		require.Equal(t, http.StatusNoContent, res.StatusCode)
		require.Equal(t, ui, res.Header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, res.Header.Get("Access-Control-Allow-Headers"), "X-Namespace")

		plain := &common.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`"plain"`)}
		res, text := do(t, http.MethodPost, s.URL+path, body(t, sealed(t, ring(t, "k1")), plain), jsonType, "X-Namespace: default", "Origin: "+ui)
		require.Equal(t, http.StatusOK, res.StatusCode, text)
		require.Equal(t, ui, res.Header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
		var out common.Payloads
		require.NoError(t, protojson.Unmarshal([]byte(text), &out))
		require.Len(t, out.GetPayloads(), 2)
		require.Equal(t, `"`+said+`"`, string(out.GetPayloads()[0].GetData()))
		require.Equal(t, "json/plain", string(out.GetPayloads()[0].GetMetadata()["encoding"]))
		require.Equal(t, `"plain"`, string(out.GetPayloads()[1].GetData()))
	}
}

// A payload without its key does not hide the others.
func TestReasonStandsInPlaceOfAPayload(t *testing.T) {
	t.Parallel()
	s := serve(t, codecserver.Config{})
	res, text := do(t, http.MethodPost, s.URL+"/decode", body(t, sealed(t, ring(t, "k9")), sealed(t, ring(t, "k1"))), jsonType)
	require.Equal(t, http.StatusOK, res.StatusCode)
	var out common.Payloads
	require.NoError(t, protojson.Unmarshal([]byte(text), &out))
	var reason string
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(out.GetPayloads()[0], &reason))
	require.Contains(t, reason, `encrypted with key "k9", which is not in the key ring`)
	require.Contains(t, string(out.GetPayloads()[1].GetData()), said)
}

// A small request must not become an answer without bounds.
func TestAnswerIsBounded(t *testing.T) {
	t.Parallel()
	big, err := converter.GetDefaultDataConverter().ToPayload(bytes.Repeat([]byte{'a'}, 8<<20))
	require.NoError(t, err)
	small, err := payloads.NewCodec(ring(t, "k1")).Encode([]*common.Payload{big})
	require.NoError(t, err)
	many := make([]*common.Payload, 40)
	for i := range many {
		many[i] = small[0]
	}
	request := body(t, many...)
	require.Less(t, len(request), 1<<20)
	s := serve(t, codecserver.Config{})
	res, text := do(t, http.MethodPost, s.URL+"/decode", request, jsonType)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Less(t, len(text), 100<<20)
	var out common.Payloads
	require.NoError(t, protojson.Unmarshal([]byte(text), &out))
	require.Len(t, out.GetPayloads(), len(many))
	require.Contains(t, string(out.GetPayloads()[39].GetData()), "more than 64 MiB")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	good := body(t, sealed(t, ring(t, "k1")))
	open := codecserver.Config{Origin: ui}
	locked := codecserver.Config{Origin: ui, Token: secret.String(token)}
	for _, tc := range []struct {
		name         string
		cfg          codecserver.Config
		method, path string
		body         string
		headers      []string
		want         int
	}{
		{"Program", open, "POST", "/decode", good, []string{jsonType}, 200},
		{"OtherOrigin", open, "POST", "/decode", good, []string{jsonType, "Origin: https://evil.example"}, 403},
		{"OtherPort", open, "POST", "/decode", good, []string{jsonType, "Origin: " + ui + ":8443"}, 403},
		{"NullOrigin", open, "POST", "/decode", good, []string{jsonType, "Origin: null"}, 403},
		{"PreflightOfOther", open, "OPTIONS", "/decode", "", []string{"Origin: https://evil.example"}, 403},
		{"NoOriginConfigured", codecserver.Config{}, "POST", "/decode", good, []string{jsonType, "Origin: " + ui}, 403},
		{"RebindingName", open, "POST", "/decode", good, []string{jsonType, "Host: evil.example"}, 421},
		{"NoToken", locked, "POST", "/decode", good, []string{jsonType}, 401},
		{"WrongToken", locked, "POST", "/decode", good, []string{jsonType, "Authorization: Bearer nope"}, 401},
		{"OtherScheme", locked, "POST", "/decode", good, []string{jsonType, "Authorization: Basic " + token}, 401},
		{"Token", locked, "POST", "/decode", good, []string{jsonType, "Authorization: Bearer " + token}, 200},
		{"TokenInPath", locked, "POST", "/token/" + token + "/decode", good, []string{jsonType, "Origin: " + ui}, 200},
		{"WrongTokenInPath", locked, "POST", "/token/nope/decode", good, []string{jsonType}, 401},
		{"PreflightHasNoToken", locked, "OPTIONS", "/decode", "", []string{"Origin: " + ui}, 204},
		{"Form", open, "POST", "/decode", good, []string{"Content-Type: text/plain"}, 415},
		{"NoJSON", open, "POST", "/decode", "hello", []string{jsonType}, 400},
		{"Empty", open, "POST", "/decode", "", []string{jsonType}, 400},
		{"NothingToDecode", open, "POST", "/decode", "{}", []string{jsonType}, 200},
		{"UnknownField", open, "POST", "/decode", `{"payloads":[],"preserveStorageRefs":true}`, []string{jsonType}, 200},
		{"TooLarge", open, "POST", "/decode", strings.Repeat(" ", 33<<20), []string{jsonType}, 413},
		{"Encode", open, "POST", "/encode", good, []string{jsonType}, 404},
		{"Get", open, "GET", "/decode", "", nil, 405},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tc.cfg)
			res, text := do(t, tc.method, s.URL+tc.path, tc.body, tc.headers...)
			require.Equal(t, tc.want, res.StatusCode, text)
			if tc.want != 200 {
				require.NotContains(t, text, said)
				require.NotContains(t, text, token)
			}
			if tc.want == 403 {
				require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"))
			}
		})
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	urls, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- codecserver.Serve(ctx, codecserver.Listen{Address: "127.0.0.1:0", Ready: func(url string) { urls <- url }},
			codecserver.Handler(codecserver.Config{Codec: payloads.NewCodec(ring(t, "k1"))}))
	}()
	url := <-urls
	res, err := http.Post(url+"/decode", "application/json", bytes.NewReader([]byte(body(t, sealed(t, ring(t, "k1"))))))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NoError(t, res.Body.Close())
	cancel()
	require.NoError(t, <-done)
	require.ErrorContains(t, codecserver.Serve(t.Context(), codecserver.Listen{
		Address: "127.0.0.1:0", CertFile: "gone.pem", KeyFile: "gone.pem", Ready: func(string) {},
	}, nil), "certificate")
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, "0.0.0.0:1": false, ":1": false, "10.0.0.1:1": false, "host:1": false, "nonsense": false,
	} {
		require.Equal(t, want, codecserver.IsLoopback(address), fmt.Sprint(address))
	}
}

func TestIsOrigin(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"http://localhost:8233": true, "https://ui.example.com": true, "https://ui.example.com/": false, "ui.example.com": false,
		"ftp://ui.example.com": false, "https://": false, "*": false, "": false, "https://u:p@ui.example.com": false,
	} {
		require.Equal(t, want, codecserver.IsOrigin(text), text)
	}
}
