package modelcall_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/secret"
)

// What came before the fault is still read: it may tell what the answer cost.
func TestBoundKeepsWhatCameBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want string
		err  error
	}{
		"Good":       {"data: Grüße\n\n", "data: Grüße\n\n", nil},
		"InvalidEnd": {"data: a\n\ndata: b\xff\n\n", "data: a\n\n", modelcall.ErrInvalidUTF8},
		"Unfinished": {"data: a\n\n\xe2\x82", "data: a\n\n", modelcall.ErrInvalidUTF8},
		"OneEvent":   {strings.Repeat("x", 1<<20), "", modelcall.ErrTooLarge},
		"ManyEvents": {strings.Repeat("data: abc\n\n", 1<<17), strings.Repeat("data: abc\n\n", 1<<17), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := &http.Response{Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.text))}
			whole, err := modelcall.Bound(res, true, 100)
			require.NoError(t, err)
			require.Nil(t, whole)
			got, err := io.ReadAll(res.Body)
			require.ErrorIs(t, err, c.err)
			if c.err != modelcall.ErrTooLarge { //nolint:errorlint // the very value
				require.Equal(t, c.want, string(got))
			}
		})
	}
}

func TestCleaner(t *testing.T) {
	t.Parallel()
	clean := modelcall.NewCleaner("my-key", map[string]secret.String{
		"X": "my-key-and-more", "Authorization": "Basic dXNlcjpwYXNz", "X-Team": "the blue",
	})
	for in, want := range map[string]string{
		"got my-key-and-more and my-key": "got [redacted] and [redacted]",
		"two\n lines\t\xff":              "two lines \uFFFD",
		"bad sk-ant-api03-abc**xyz":      "bad [redacted]",
		"bad AIzaSyA0123456789":          "bad [redacted]",
		"bad ya29.a0AfH6SMBx":            "bad [redacted]",
		"bad Bearer abc.def-ghi":         "bad [redacted]",
		"no skill needed":                "no skill needed",
		"bad Basic dXNlcjpwYXNz":         "bad [redacted]",
		"bad token dXNlcjpwYXNz":         "bad token [redacted]", // without what stands before it in the header
		"the sky is blue":                "the sky is blue",
	} {
		require.Equal(t, want, clean(in))
	}
	require.Less(t, len(clean(strings.Repeat("é", 1000))), 310)
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "{}", " null ": "{}", `{"a":1}`: `{"a":1}`, "[1]": `{"arguments":[1]}`, `"x"`: `{"arguments":"x"}`, "{broken": `{"arguments":"{broken"}`,
	} {
		require.JSONEq(t, want, string(modelcall.Arguments(&conversation.ToolCall{Arguments: json.RawMessage(in)})), in)
	}
}
