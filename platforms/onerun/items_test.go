package onerun_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/platforms/onerun"
)

// A conversation of ten thousand turns has twice as many items, and can be reconciled.
func TestItemsOfALongConversation(t *testing.T) {
	t.Parallel()
	var rows []string
	for i := range 20_001 {
		rows = append(rows, fmt.Sprintf(
			`{"id":"i%d","type":"message","role":"user","content":[{"type":"text","text":"hello"}],"created_at":"2025-09-20T09:00:00Z"}`, i))
	}
	server := serve(t, map[string]http.HandlerFunc{
		"POST /v1/simulations/{sid}/conversations/{cid}/items": ok(`{"data":[` + strings.Join(rows, ",") + `],"has_more":false}`),
	})
	items, err := newClient(t, onerun.ClientConfig{BaseURL: server.URL}).Items(t.Context(), at)
	require.NoError(t, err)
	require.Len(t, items, len(rows))
}
