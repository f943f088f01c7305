package modeltest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
)

// A Backend is a vendor's executor that asks the server given, in one of its
// modes.
type Backend interface {
	executors.Executor
	executors.Checker
}

// Modes makes an executor in each of a backend's modes.
func Modes[C any, E Backend](create func(*testing.T, *httptest.Server, func(*C)) E, modes map[string]func(*C)) map[string]func(*testing.T, *httptest.Server) Backend {
	out := make(map[string]func(*testing.T, *httptest.Server) Backend, len(modes))
	for name, change := range modes {
		out[name] = func(t *testing.T, server *httptest.Server) Backend { return create(t, server, change) }
	}
	return out
}

// NoRetries shows that nothing is tried twice, whatever the server suggests: the
// caller does that.
func NoRetries(t *testing.T, modes map[string]func(*testing.T, *httptest.Server) Backend) {
	t.Helper()
	for _, status := range []int{408, 409, 429, 500, 503, 529} {
		for mode, create := range modes {
			t.Run(fmt.Sprint(status, "/", mode), func(t *testing.T) {
				t.Parallel()
				calls := make(chan struct{}, 10)
				e := create(t, NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					calls <- struct{}{}
					w.Header().Set("X-Should-Retry", "true")
					w.Header().Set("Retry-After-Ms", "1")
					WriteJSON(w, status, "{}")
				})))
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				require.Error(t, err)
				require.Len(t, calls, 1)
			})
		}
	}
}

// RedirectsAreNotFollowed shows that a server which sends its client elsewhere
// does not send the key there.
func RedirectsAreNotFollowed(t *testing.T, modes map[string]func(*testing.T, *httptest.Server) Backend) {
	t.Helper()
	for _, status := range []int{301, 302, 307, 308} {
		for mode, create := range modes {
			t.Run(fmt.Sprint(status, "/", mode), func(t *testing.T) {
				t.Parallel()
				elsewhere := NewServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					t.Error("a request went elsewhere")
				}))
				e := create(t, NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, elsewhere.URL, status)
				})))
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				require.True(t, conversation.IsKind(err, conversation.Invalid), "%v", err)
				require.Error(t, e.Check(t.Context()))
			})
		}
	}
}
