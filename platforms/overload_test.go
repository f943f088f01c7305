package platforms_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
)

// What a platform over HTTP answers, as OneRun's adapter reports it.
func TestOverloadedAnswers(t *testing.T) {
	t.Parallel()
	own := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"detail":"so it is"}`))
		}
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   bool
	}{
		"500":            {own(500), true},
		"502 of a proxy": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, true},
		"503":            {own(503), true},
		"429":            {own(429), true},
		"401":            {own(401), false},
		"404":            {own(404), false},
		"409":            {own(409), false},
		"422":            {own(422), false},
		"a login page":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, false},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.com/", http.StatusFound)
		}, false},
		"403 of a proxy": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, false},
		"a reset":        {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		"half an answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"id":`))
		}, true},
		"no answer in time": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			p, err := onerun.New(onerun.Config{BaseURL: server.URL, APIKey: "k", Timeout: 100 * time.Millisecond})
			require.NoError(t, err)
			defer p.Client().CloseIdleConnections()
			err = p.Claim(t.Context(), conversation.Ref{Platform: "onerun", Project: "p", Simulation: "s", Agent: "a", ID: "c"})
			require.Error(t, err)
			require.Equal(t, tc.want, platforms.Overloaded(err), "%v", err)
			require.Equal(t, name == "no answer in time", platforms.TimedOut(err), "%v", err)
		})
	}
	t.Run("nothing listens", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(nil)
		server.Close()
		p, err := onerun.New(onerun.Config{BaseURL: server.URL, APIKey: "k"})
		require.NoError(t, err)
		err = p.Claim(t.Context(), conversation.Ref{Platform: "onerun", Project: "p", Simulation: "s", Agent: "a", ID: "c"})
		require.ErrorContains(t, err, "no connection to")
		require.False(t, platforms.Overloaded(err))
	})
}

func TestOverloaded(t *testing.T) {
	t.Parallel()
	unavailable := func(err error) error {
		return &conversation.Error{Kind: conversation.Unavailable, Op: "folder: send", Err: err}
	}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"nil":                  {nil, false},
		"of another kind":      {&conversation.Error{Kind: conversation.Invalid, Err: context.DeadlineExceeded}, false},
		"asked to slow down":   {&conversation.Error{Kind: conversation.RateLimited}, true},
		"the caller is gone":   {unavailable(context.Canceled), false},
		"the deadline":         {unavailable(fmt.Errorf("list: %w", context.DeadlineExceeded)), true},
		"not the current one":  {unavailable(lease.ErrNotCurrent), false},
		"nothing was sent":     {unavailable(&httpclient.NotSentError{Err: context.DeadlineExceeded}), false},
		"an answer not to use": {unavailable(errors.New("item 3 has no role")), false},
		"without a kind":       {errors.New("it broke"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, platforms.Overloaded(tc.err))
		})
	}
}
