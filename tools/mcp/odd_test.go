package mcp_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A tool that the server describes wrongly hides no other.
func TestOddToolHidesNoOther(t *testing.T) {
	t.Parallel()
	for name, odd := range map[string]string{
		"NumberAsName":   `{"name":5,"inputSchema":{"type":"object"}}`,
		"OddDescription": `{"name":"odd","description":{"en":"x"},"inputSchema":{"type":"object"}}`,
		"OddAnnotations": `{"name":"odd","annotations":"read only","inputSchema":{"type":"object"}}`,
		"NoName":         `{"inputSchema":{"type":"object"}}`,
		"Text":           `"odd"`,
		"Null":           `null`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, true, nil)
			s.door = func(w http.ResponseWriter, _ *http.Request, m message) bool {
				if m.Method != "tools/list" {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"first","inputSchema":{"type":"object"}},%s,{"name":"last","inputSchema":{"type":"object"}}]}}`, m.ID, odd)
				return true
			}
			all, err := visit(t, s.URL, nil).List(t.Context())
			require.NoError(t, err)
			require.Len(t, all, 2)
			require.Equal(t, "first", all[0].Name)
			require.Equal(t, "last", all[1].Name)
		})
	}
}
