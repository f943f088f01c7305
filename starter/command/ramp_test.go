package command

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRamp(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"10,50": "10,50", "0.5": "0.5", " 1, 100": "1,100"} {
		var p percentages
		require.NoError(t, p.Set(text), text)
		require.Equal(t, want, p.String())
	}
	for _, text := range []string{"", "x", "10,x", "50,10", "10,10", "0", "-1", "101", "NaN", "Inf", "10,"} {
		var p percentages
		require.EqualError(t, p.Set(text), "write rising percentages up to 100, such as 10,50", text)
		require.Empty(t, p)
	}
}
