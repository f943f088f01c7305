package gemini

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ sent, want string }{
		"as the service sends them": {"data: {\"a\":1}\r\n\r\ndata: {}\r\n\r\n", "data: {\"a\":1}\n\ndata: {}\n\n"},
		"comments":                  {": keep-alive\n\n:\n\ndata: {}\n\n: PROCESSING\n\ndata: {}\n\n", "data: {}\n\ndata: {}\n\n"},
		"other fields":              {"retry: 3\n\nevent: message\nid: 7\ndata: {}\n\n", "data: {}\n\n"},
		"data in lines":             {"data: {\ndata: \"a\":1}\n\n", "data: {  \"a\":1}\n\n"},
		"no blank line":             {"data: {}", "data: {}\n\n"},
		"an error instead":          {"{\"error\":\n{\"code\":500}}\n", "{\"error\":{\"code\":500}}\n\n"},
		"nothing":                   {"", ""},
	} {
		for _, reader := range []io.Reader{strings.NewReader(row.sent), iotest.OneByteReader(strings.NewReader(row.sent))} {
			got, err := io.ReadAll(newEvents(io.NopCloser(reader)))
			require.NoError(t, err, name)
			require.Equal(t, row.want, string(got), name)
		}
	}
	broken := newEvents(io.NopCloser(io.MultiReader(strings.NewReader("data: {}\n\ndata: {"), iotest.ErrReader(io.ErrUnexpectedEOF))))
	got, err := io.ReadAll(broken)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "data: {}\n\n", string(got), "half an event is none")
}
