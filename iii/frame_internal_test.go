package iii

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecodeKeepsNullAndNothingApart(t *testing.T) {
	t.Parallel()
	f, err := decodeFrame([]byte(`{"type":"invocationresult","result":null,"unknown":{}}`))
	require.NoError(t, err)
	require.Equal(t, json.RawMessage("null"), f.Result)
	f, err = decodeFrame([]byte(` {"type":"invocationresult"} `))
	require.NoError(t, err)
	require.Nil(t, f.Result)
	for _, nothing := range []string{"", " \n", "OTLP{}", "MTRC", "LOGS{}"} {
		_, err = decodeFrame([]byte(nothing))
		require.ErrorIs(t, err, errNoMessage)
	}
}

// What decodes can be encoded, and means the same then.
func FuzzDecodeFrame(f *testing.F) {
	for _, seed := range []string{
		`{"type":"ping"}`, `{"type":"invokefunction","invocation_id":"x","function_id":"a::b","data":{"a":[1]},"action":{"type":"void"}}`,
		`{"type":"invocationresult","error":{"code":"a","message":"b"}}`, `{"type":"workerregistered","worker_id":"w","features":[]}`,
		`OTLP`, `[]`, `{"type":1}`, `{"type":"x","data":"\u003c"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		first, err := decodeFrame(message)
		if err != nil {
			return
		}
		second, err := decodeFrame(first.encode())
		require.NoError(t, err)
		require.Equal(t, string(first.encode()), string(second.encode()))
	})
}
