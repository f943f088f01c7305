package iii_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
)

// FuzzChannelRefs: every reference that is found stands in the data, and the pointer to it
// is no longer than the data.
func FuzzChannelRefs(f *testing.F) {
	for _, seed := range []string{
		`{"output":{"channel_id":"c","access_key":"k","direction":"read"}}`, `[[{"channel_id":"c","access_key":"k","direction":"write"}]]`, `{"channel_id":"c","access_key":"k","direction":"read"}`, `{"a/b~":{"channel_id":1}}`, `[[[[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		refs := iii.ChannelRefs(json.RawMessage(data))
		require.LessOrEqual(t, len(refs), len(data)/len(`{"channel_id":"","access_key":"","direction":"read"}`)+1)
		for at, ref := range refs {
			require.True(t, ref.Valid())
			require.LessOrEqual(t, len(at), 3*len(data))
			require.NotContains(t, ref.String(), "\""+ref.AccessKey+"\"")
			require.True(t, at == "" || strings.HasPrefix(at, "/"))
		}
	})
}
