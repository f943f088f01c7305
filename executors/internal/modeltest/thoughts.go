package modeltest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/executortest"
)

// thoughts tests that what a model thinks aloud at the beginning of its text is not said.
func (v Vendor) thoughts(t *testing.T) {
	for name, row := range map[string]struct {
		pieces []string
		want   string
	}{
		"Think":            {[]string{"<think>the order is 1042</think>It is on its way."}, "It is on its way."},
		"Thinking":         {[]string{"<thinking>", "the order is 1042", "</thinking>", "\n\nIt is on its way."}, "It is on its way."},
		"Reasoning":        {[]string{"<reasoning>hm</reasoning>It is."}, "It is."},
		"UpperCase":        {[]string{" <THINK>hm</Think> It is."}, "It is."},
		"SplitTags":        {[]string{"<", "th", "ink>\nthe order", " is 1042</th", "ink>\n", "\nIt is on ", "its way."}, "It is on its way."},
		"Several":          {[]string{"<think>a</think>", "\n<think>b</think>\n", "It is."}, "It is."},
		"Empty":            {[]string{"<think>\n\n</think>\n\nIt is."}, "It is."},
		"InTheMiddle":      {[]string{"Use <think>", " for that."}, "Use <think> for that."},
		"OnlyTheBeginning": {[]string{"<thin"}, "<thin"},
		"Unclosed":         {[]string{"<think>the order", " is 1042"}, ""},
		"OnlyThoughts":     {[]string{"<think>hm</think>", "\n"}, ""},
		"NoOpening":        {[]string{"the order is 1042\n", "</think>\n\nIt is on its way."}, "It is on its way."},
	} {
		eachMode(t, name+"/", func(t *testing.T, whole bool) {
			e := v.asking(t, whole, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if whole {
					WriteJSON(w, http.StatusOK, v.Whole(strings.Join(row.pieces, "")))
					return
				}
				WriteEvents(w, v.events(row.pieces...)...)
			}))
			req := executortest.Request("c1", "Hi")
			var deltas strings.Builder
			req.OnDelta = func(text string) { deltas.WriteString(text) }
			res, err := e.Execute(t.Context(), req)
			if row.want == "" {
				require.Equal(t, v.Known, RequireError(t, err, down, "no text after them").Usage)
				require.Empty(t, deltas.String())
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, res.Message.Text())
			if !whole && name != "NoOpening" {
				require.Equal(t, row.want, deltas.String())
			}
		})
	}
}
