package a2a_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

// An agent passes on the errors of its model and of gateways: as a response, under a status
// of success, as an event, and as the message of a JSON-RPC error. Where only the status
// says that a request was wrong, the code of JSON-RPC counts.
func TestErrorsOfModels(t *testing.T) { eachVersion(t, testErrorsOfModels) }

func testErrorsOfModels(t *testing.T, v version) {
	for name, r := range modeltest.Reports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask := func(streaming bool, h http.HandlerFunc) error {
				e := newExecutor(t, v.serveRaw(t, streaming, func(w http.ResponseWriter, r *http.Request, _ call) { h(w, r) }))
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				return err
			}
			said := modeltest.Response{Status: r.Status, Header: r.Header(), Body: r.Body}
			ce := modeltest.RequireError(t, ask(false, said.ServeHTTP), r.Kind, r.Text)
			require.Equal(t, r.After, ce.RetryAfter)

			inside := r.Kind
			if r.Inside != "" || inside == conversation.Invalid {
				inside = down
			}
			said.Status = http.StatusOK
			modeltest.RequireError(t, ask(false, said.ServeHTTP), inside, r.Text)
			if !strings.HasPrefix(r.Body, "{") {
				return
			}
			for _, event := range []string{r.Body, fault(-32603, "internal error", modeltest.JSON(r.Body))} {
				err := ask(true, func(w http.ResponseWriter, _ *http.Request) { modeltest.WriteEvents(w, modeltest.Events(event)...) })
				modeltest.RequireError(t, err, inside, "")
			}
		})
	}
}
