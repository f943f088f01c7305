package http_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/wire"
)

// An agent passes on the errors of its model and of gateways, as a response, under a status
// of success, and as an event.
func TestErrorsOfModels(t *testing.T) {
	t.Parallel()
	for name, r := range modeltest.Reports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inside := r
			inside.Status = http.StatusOK
			if r.Inside != "" {
				inside.Kind = r.Inside
			}
			reply := strings.HasPrefix(strings.ToLower(r.Body), `{"message"`) // of the contract
			for how, r := range map[string]modeltest.Report{"Status": r, "Within": inside} {
				if reply && how == "Within" {
					continue
				}
				said := modeltest.Response{Status: r.Status, Header: r.Header(), Body: r.Body, Kind: r.Kind, After: r.After, Text: r.Text}
				server := serve(t, func(w http.ResponseWriter, req *http.Request, _ wire.Request) { said.ServeHTTP(w, req) })
				_, err := newExecutor(t, server).Execute(t.Context(), executortest.Request("c1", "Hi"))
				ce := modeltest.RequireError(t, err, said.Kind, said.Text)
				require.Equal(t, said.After, ce.RetryAfter, how)
			}
			if !strings.HasPrefix(r.Body, "{") || reply {
				return
			}
			for _, event := range []string{"data: " + r.Body, "event: error\ndata: " + r.Body} {
				server := serve(t, func(w http.ResponseWriter, _ *http.Request, _ wire.Request) { modeltest.WriteEvents(w, event) })
				_, err := newExecutor(t, server, streaming).Execute(t.Context(), executortest.Request("c1", "Hi"))
				modeltest.RequireError(t, err, inside.Kind, r.Text)
			}
		})
	}
}
