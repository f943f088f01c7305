package httpclient_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/httpclient"
)

func TestMaxBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var size int
		_, _ = fmt.Sscan(strings.TrimPrefix(req.URL.Path, "/"), &size)
		text := strings.Repeat("x", size)
		if req.URL.RawQuery == "" {
			_, _ = io.WriteString(w, text)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		zipped := gzip.NewWriter(w)
		_, _ = io.WriteString(zipped, text)
		_ = zipped.Close()
	}))
	t.Cleanup(server.Close)
	client := httpclient.New(httpclient.Config{MaxBody: 1000})
	for _, query := range []string{"", "?gzip"} {
		for size, fits := range map[int]bool{0: true, 999: true, 1000: true, 1001: false, 1 << 20: false} {
			res, err := client.Get(fmt.Sprint(server.URL, "/", size, query))
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, res.Body.Close())
			if fits {
				require.NoError(t, err)
				require.Len(t, body, size)
				continue
			}
			var tooLarge *httpclient.TooLargeError
			require.ErrorAs(t, err, &tooLarge)
			require.EqualValues(t, 1000, tooLarge.Limit)
			require.Len(t, body, 1000)
		}
	}
}

func TestHeaderIsBounded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 2*httpclient.MaxHeaderBytes))
	}))
	t.Cleanup(server.Close)
	_, err := httpclient.New(httpclient.Config{}).Get(server.URL) //nolint:bodyclose // it fails
	require.Error(t, err)
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var other, bodies bytes.Buffer
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		fmt.Fprintln(&other, req.Header.Get("X-Api-Key"))
	}))
	t.Cleanup(elsewhere.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		status := http.StatusTemporaryRedirect
		switch req.URL.Path {
		case "/slash":
			w.Header().Set("Location", "/slash/")
		case "/found":
			status = http.StatusFound
			w.Header().Set("Location", "/found/")
		case "/other-path":
			w.Header().Set("Location", "/slash/")
		case "/other-host":
			w.Header().Set("Location", elsewhere.URL+"/other-host/")
		case "/loop", "/loop/":
			w.Header().Set("Location", map[string]string{"/loop": "/loop/", "/loop/": "/loop"}[req.URL.Path])
		default:
			body, _ := io.ReadAll(req.Body)
			fmt.Fprintln(&bodies, req.Method, req.URL, string(body), req.Header.Get("X-Api-Key"))
			return
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	for _, follow := range []bool{false, true} {
		client := httpclient.New(httpclient.Config{FollowSlash: follow})
		for path, status := range map[string]int{"/slash": 307, "/found": 302, "/other-path": 307, "/other-host": 307, "/loop": 307} {
			if follow && path == "/slash" {
				status = 200
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path+"?q=1", strings.NewReader("{}"))
			require.NoError(t, err)
			req.Header.Set("X-Api-Key", "key")
			res, err := client.Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, status, res.StatusCode, "%v %s", follow, path)
		}
	}
	require.Empty(t, other.String(), "nothing goes to another server")
	require.Equal(t, "POST /slash/?q=1 {} key\n", bodies.String())
}

func TestGuard(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	local := "http://localhost:" + u.Port()
	for name, tc := range map[string]struct {
		guard   httpclient.Guard
		url     string
		refused bool
	}{
		"public only":             {httpclient.Guard{}, server.URL, true},
		"public only, by name":    {httpclient.Guard{}, local, true},
		"allowed range":           {httpclient.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, server.URL, false},
		"another range":           {httpclient.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, server.URL, true},
		"all":                     {httpclient.Guard{AllowAll: true}, server.URL, false},
		"allowed host":            {httpclient.Guard{Hosts: []string{"127.0.0.1"}}, server.URL, false},
		"allowed host and port":   {httpclient.Guard{Hosts: []string{u.Host}, OnlyAllowed: true}, server.URL, false},
		"another port":            {httpclient.Guard{Hosts: []string{"127.0.0.1:1"}}, server.URL, true},
		"another name":            {httpclient.Guard{Hosts: []string{u.Host}}, local, true},
		"case counts for nothing": {httpclient.Guard{Hosts: []string{"LOCALHOST"}}, local, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, given := range []*http.Client{nil, server.Client(), {Transport: &http.Transport{}}} {
				client := httpclient.New(httpclient.Config{Guard: &tc.guard, Client: given})
				defer client.CloseIdleConnections()
				res, err := client.Post(tc.url, "text/plain", strings.NewReader("x"))
				if !tc.refused {
					require.NoError(t, err)
					require.NoError(t, res.Body.Close())
					continue
				}
				var refused *httpclient.RefusedError
				require.ErrorAs(t, err, &refused)
				require.True(t, refused.Private)
				require.True(t, refused.IP.IsLoopback())
				require.True(t, httpclient.NotSent(err))
			}
		})
	}
}

func TestGuardOfLiterals(t *testing.T) {
	t.Parallel()
	for text, public := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "::": false, "192.168.0.1": false, "172.16.0.1": false,
		"169.254.169.254": false, "100.64.0.1": false, "fe80::1": false, "fe80::1%eth0": false, "fd00::1": false, "64:ff9b::7f00:1": false,
		"::7f00:1": false, "fec0::1": false, "224.0.0.1": false, "255.255.255.255": false, "ff02::1": false,
	} {
		ip := netip.MustParseAddr(text)
		require.Equal(t, public, httpclient.Public(ip), text)
		require.Equal(t, public, (&httpclient.Guard{}).Check("host:80", ip) == nil, text)
		require.Error(t, (&httpclient.Guard{OnlyAllowed: true}).Check("host:80", ip), text)
	}
}

func TestAddRange(t *testing.T) {
	t.Parallel()
	g := &httpclient.Guard{}
	for text, want := range map[string]bool{"localhost": false, "10/8": false, "10.0.0.0/8": true} {
		require.Equal(t, want, g.AddRange(text), text)
	}
	require.Len(t, g.Allow, 1)
	require.False(t, g.AllowAll)
	require.True(t, g.AddRange("all"))
	require.True(t, g.AllowAll)
}
