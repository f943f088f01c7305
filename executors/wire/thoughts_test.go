package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/wire"
)

// Thoughts are taken out of pieces and whole texts alike, where that is wanted.
func TestThoughts(t *testing.T) {
	t.Parallel()
	delta := func(s string) wire.Frame { return wire.Frame{Delta: &s} }
	whole := func(s string) wire.Frame { return wire.Frame{Message: &wire.Reply{Text: s}} }
	for name, c := range map[string]struct {
		frames []wire.Frame
		keep   bool
		want   string
	}{
		"Pieces":       {[]wire.Frame{delta("<thi"), delta("nk>hm</think>\nIt is"), delta(" on its way.")}, false, "It is on its way."},
		"Whole":        {[]wire.Frame{whole("<think>hm</think>\nIt is on its way.")}, false, "It is on its way."},
		"Both":         {[]wire.Frame{delta("<think>hm</think>It is"), whole("<think>hm</think>It is on its way.")}, false, "It is on its way."},
		"NoOpening":    {[]wire.Frame{whole("hm\n</think>\nIt is on its way.")}, false, "It is on its way."},
		"TheBeginning": {[]wire.Frame{delta("<thi")}, false, "<thi"},
		"Contract":     {[]wire.Frame{delta("<think>hm</think>"), delta("ok")}, true, "<think>hm</think>ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var deltas strings.Builder
			a := wire.Answer{MaxReplyBytes: 1000, DropThoughts: !c.keep, OnDelta: func(s string) { deltas.WriteString(s) }}
			for _, f := range c.frames {
				require.NoError(t, a.Add(f))
			}
			res, err := a.Result()
			require.NoError(t, err)
			require.Equal(t, c.want, res.Message.Text())
			if c.frames[0].Delta != nil {
				require.Equal(t, c.want, deltas.String())
			}
		})
	}
}
