package modeltest

import (
	"io"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

// Response is a server's response to every request, and the expected error.
type Response struct {
	Status int
	Header http.Header
	Body   string

	Kind  conversation.Kind
	After time.Duration // expected RetryAfter
	Text  string        // part of the error
}

// ServeHTTP writes the response, as JSON unless Header has another type.
func (s Response) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	maps.Copy(w.Header(), s.Header)
	w.WriteHeader(s.Status)
	_, _ = io.WriteString(w, s.Body)
}

// Require requires the expected error, of bounded length, and with a remedy for the
// kinds that an operator has to act on.
func (s Response) Require(t *testing.T, err error) *conversation.Error {
	t.Helper()
	ce := RequireError(t, err, s.Kind, s.Text)
	require.Equal(t, s.After, ce.RetryAfter)
	require.Less(t, len(err.Error()), 700)
	switch s.Kind {
	case conversation.Invalid, conversation.Unauthorized, conversation.QuotaExhausted, conversation.ContextTooLong:
		require.NotEmpty(t, ce.Remedy)
	}
	return ce
}

// RequireError requires an error of the kind that contains the text.
func RequireError(t *testing.T, err error, kind conversation.Kind, text string) *conversation.Error {
	t.Helper()
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, kind, ce.Kind, "%v", err)
	require.ErrorContains(t, err, text)
	return ce
}
