package tools_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/toolstest"
)

func TestRepeatable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		yaml string
		want []string // of those that may be called again, "plain" is not declared so and "safe" is
	}{
		"Default":    {``, []string{"safe"}},
		"Null":       {`retry:`, []string{"safe"}},
		"Safe":       {`retry: safe`, []string{"safe"}},
		"Never":      {`retry: never`, nil},
		"Always":     {`retry: always`, []string{"plain", "safe"}},
		"One":        {`retry: {plain: always}`, []string{"plain", "safe"}},
		"OneNever":   {`retry: {safe: never}`, nil},
		"OneAndRest": {`retry: {safe: safe, "*": never}`, []string{"safe"}},
		"RestAlways": {`retry: {safe: never, "*": always}`, []string{"plain"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rules tools.Rules
			require.NoError(t, yaml.Unmarshal([]byte(c.yaml), &rules))
			f := fake("plain", "safe")
			f.Tools[1].Repeatable = true
			r := registry(t, map[string]tools.Set{"shop": f}, rules)
			offered, err := r.Offer(t.Context(), []string{"shop"})
			require.NoError(t, err)
			var got []string
			for _, o := range offered {
				if o.Repeatable {
					got = append(got, o.Name)
				}
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.want, r.List(t.Context())[0].Repeatable)
		})
	}
}

func TestRetryIsAMappingOrAWord(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`retry: [find]`, `retry: {find: [never]}`, `retry: {find: {a: b}}`} {
		var rules tools.Rules
		require.Error(t, yaml.Unmarshal([]byte(text), &rules), text)
	}
	r := tools.NewRegistry()
	defer func() { _ = r.Close() }()
	require.ErrorContains(t, r.Add("x", &toolstest.Fake{}, tools.Rules{Retry: tools.Retry{"": tools.RetrySafe}}), "retry has an empty name")
}
