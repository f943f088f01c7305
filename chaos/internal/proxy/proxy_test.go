package proxy_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/chaos/internal/proxy"
)

type server struct {
	requests atomic.Int32
	link     *proxy.Link
	client   *http.Client
}

func start(t *testing.T) *server {
	t.Helper()
	s := &server{client: &http.Client{Transport: &http.Transport{}}}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.requests.Add(1)
		_, _ = io.WriteString(w, strings.Repeat("answer ", 100))
	}))
	link, err := proxy.Listen("a>b", strings.TrimPrefix(h.URL, "http://"))
	require.NoError(t, err)
	s.link = link
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		link.Close()
		h.Close()
	})
	return s
}

// post returns the length of the answer.
func (s *server) post(t *testing.T, limit time.Duration) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.link.Addr()+"/pay", strings.NewReader("body"))
	require.NoError(t, err)
	res, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return len(body), err
}

const long, short = 20 * time.Second, 300 * time.Millisecond

func TestModes(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		mode    proxy.Mode
		arrives bool // at the server
		fails   bool
	}{
		"clear":      {proxy.Clear, true, false},
		"latency":    {proxy.Latency, true, false},
		"reset":      {proxy.Reset, true, true},
		"half-open":  {proxy.HalfOpen, true, true},
		"black hole": {proxy.BlackHole, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.link.Set(row.mode)
			limit := long
			if row.fails {
				limit = time.Second
			}
			n, err := s.post(t, limit)
			if row.fails {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
				require.Equal(t, 700, n)
			}
			require.Equal(t, row.arrives, s.requests.Load() == 1)
			s.link.Set(proxy.Clear)
			n, err = s.post(t, long)
			require.NoError(t, err, "the link heals")
			require.Equal(t, 700, n)
		})
	}
}

// What a black hole has held back arrives when the link heals, as data does that a network
// sends again.
func TestHeldDataArrivesLate(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.link.Set(proxy.BlackHole)
	_, err := s.post(t, short)
	require.Error(t, err)
	require.Zero(t, s.requests.Load())
	s.link.Set(proxy.Clear)
	require.Eventually(t, func() bool { return s.requests.Load() == 1 }, long, 10*time.Millisecond)
}

func TestDouble(t *testing.T) {
	t.Parallel()
	s := start(t)
	doubled := make(chan string, 2)
	s.link.Doubled = func(target string, body []byte) { doubled <- target + " " + string(body) }
	_, err := s.post(t, long)
	require.NoError(t, err)
	s.link.DoubleNext()
	s.client.CloseIdleConnections()
	for range 2 {
		n, err := s.post(t, long)
		require.NoError(t, err)
		require.Equal(t, 700, n)
	}
	require.EqualValues(t, 4, s.requests.Load(), "three posts, one of them twice")
	require.Equal(t, "/pay body", <-doubled)
	require.Empty(t, doubled)
}
