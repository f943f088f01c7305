package child

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	t.Parallel()
	var got []string
	w := Lines(func(line string) { got = append(got, line) })
	for _, piece := range []string{"on", "e\ntwo\r\n", "\nthree"} {
		n, err := w.Write([]byte(piece))
		require.NoError(t, err)
		require.Equal(t, len(piece), n)
	}
	require.Equal(t, []string{"one", "two", ""}, got)
}

func TestTailKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	var words Tail
	words.Add("first")
	for range tailLines {
		words.Add("  ")
		words.Add("later")
	}
	require.Equal(t, strings.Repeat("later\n", tailLines-1)+"later", words.String())
}
