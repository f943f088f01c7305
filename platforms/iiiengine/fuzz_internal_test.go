package iiiengine

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAnswer has a persona return anything: what is taken of it is bounded in the form in
// which it is recorded.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`"Hi"`, `{"message":"Hi","ended":true}`, `{"messages":["a",{"text":"b"},{"content":"c"}]}`, `{"reply":{"text":null}}`, `null`, `[]`, `{"done":1}`, `{"messages":["","",""]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reply, err := readAnswer(data)
		if err != nil {
			require.LessOrEqual(t, len(err.Error()), 1<<10)
			return
		}
		require.LessOrEqual(t, len(reply.Messages), len(data))
		size := 0
		for _, m := range reply.Messages {
			size += m.RecordedSize()
		}
		require.LessOrEqual(t, size, maxAnswer)
		_, err = json.Marshal(reply)
		require.NoError(t, err)
	})
}
