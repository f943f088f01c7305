package modelcall_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// thoughtRows are whole answers and what of them is the reply.
var thoughtRows = map[string]struct{ text, want string }{
	"None":               {"It is on its way.", "It is on its way."},
	"Think":              {"<think>the order is 1042</think>\n\nIt is on its way.", "It is on its way."},
	"Thinking":           {"<thinking>hm</thinking>It is.", "It is."},
	"Reasoning":          {"<reasoning>hm</reasoning> It is.", "It is."},
	"UpperCase":          {"<THINK>hm</Think>It is.", "It is."},
	"SpaceBefore":        {" \n\t<think>hm</think>It is.", "It is."},
	"Empty":              {"<think>\n\n</think>\n\nIt is.", "It is."},
	"Several":            {"<think>a</think>\n<think>b</think><reasoning>c</reasoning>\nIt is.", "It is."},
	"Unclosed":           {"<think>the order is", ""},
	"OnlyThoughts":       {"<think>hm</think>\n", ""},
	"TagsInside":         {"<think>a <b> </thinking> <reasoning> </th</think>It is.", "It is."},
	"PartOfClosingTwice": {"<think>a</thi</think>It is.", "It is."},
	"NoOpeningNested":    {"<think>a <think>b</think> c</think>It is.", "It is."},
	"InTheMiddle":        {"A <think> tag begins thoughts.", "A <think> tag begins thoughts."},
	"BlockInTheMiddle":   {"Say <think>x</think> here.", "Say <think>x</think> here."},
	"OtherTag":           {"<thinker>x</thinker>", "<thinker>x</thinker>"},
	"AlmostATag":         {"<thi", "<thi"},
	"LessThan":           {"< 5", "< 5"},
	"SpaceIsKept":        {" Hello", " Hello"},
	"Blank":              {" \n ", " "},
	"BlankLinesBefore":   {"\n \n\r\n  It is.", "  It is."},
	"NoOpening":          {"The order is 1042.\n</think>\n\nIt is on its way.", "It is on its way."},
	"NoOpeningOneLine":   {"the order is 1042</think>It is on its way.", "It is on its way."},
	"NoOpeningTwice":     {"a\n</think>\nb\n</think>\nIt is.", "It is."},
	"NoOpeningAtFirst":   {"</think>It is.", "It is."},
	"NoOpeningOnly":      {"hm\n</think>", ""},
	"ClosingInASentence": {"Write </think> to end them.", "Write </think> to end them."},
	"ClosingInQuotes":    {"Write `</think>` to end them.", "Write `</think>` to end them."},
	"Mistral":            {"[THINK]hm[/THINK]It is.", "It is."},
	"Kimi":               {"◁think▷hm◁/think▷It is.", "It is."},
	"Seed":               {"<seed:think>hm</seed:think>It is.", "It is."},
	"Harmony":            {"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>It is.", "It is."},
	"Emoji":              {"<think>🙂</think>🙂", "🙂"},
	"LongSpace":          {strings.Repeat(" ", 10_000) + "x", strings.Repeat(" ", 10_000) + "x"},
}

// The pieces that OnDelta gets are the reply, wherever the text is divided.
func TestThoughts(t *testing.T) {
	t.Parallel()
	for name, row := range thoughtRows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 2, 3, 5, 7, len(row.text)} {
				if size < 3 && len(row.text) > 1000 {
					continue
				}
				var a modelcall.Answer
				var deltas strings.Builder
				a.OnDelta = func(text string) { deltas.WriteString(text) }
				for rest := row.text; rest != ""; {
					n := min(size, len(rest))
					a.Say(rest[:n])
					rest = rest[n:]
				}
				res, err := a.Result("op", "p", "m", 1<<20)
				if strings.TrimSpace(row.want) == "" {
					require.Error(t, err)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, row.want, res.Message.Text(), "pieces of %d bytes", size)
				if !strings.HasPrefix(name, "NoOpening") {
					require.Equal(t, row.want, deltas.String(), "pieces of %d bytes", size)
				}
			}
		})
	}
}

func TestThoughtsAreKept(t *testing.T) {
	t.Parallel()
	for _, row := range thoughtRows {
		a := modelcall.Answer{Thoughts: modelcall.NewThoughts(executors.KeepThoughts)}
		a.Say(row.text)
		res, err := a.Result("op", "p", "m", 1<<20)
		if err == nil {
			require.Equal(t, row.text, res.Message.Text())
		}
	}
}

func TestOnlyThoughts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"<think>hm", "<think>hm</think>\n", "hm\n</think>\n"} {
		var a modelcall.Answer
		a.Say(text)
		_, err := a.Result("op", "p", "m", 1<<20)
		require.ErrorIs(t, err, modelcall.ErrOnlyThoughts)
	}
}
