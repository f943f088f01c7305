package modelcall_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

func TestMend(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "{}", "null": "{}", `""`: "{}", " ": "{}", "{}": "{}",
		`{"a":1}`:                        `{"a":1}`,
		`{"a": 9007199254740993}`:        `{"a":9007199254740993}`,
		`{"a":1.10}`:                     `{"a":1.10}`,
		`"{\"a\":1}"`:                    `{"a":1}`,
		`"\"{\\\"a\\\":1}\""`:            `{"a":1}`,
		"```json\n{\"a\":1}\n```":        `{"a":1}`,
		"```\n{\"a\":1}\n```\nI did it.": `{"a":1}`,
		"```json {\"a\":1}```":           `{"a":1}`,
		`"{\"a\":9007199254740993}"`:     `{"a":9007199254740993}`,
		`[{"a":1}]`:                      `{"a":1}`,
		`{}{"a":1}`:                      `{"a":1}`,
		`{"a":1}{}`:                      `{"a":1}`,
		`{"a":1}{"a":1}`:                 `{"a":1}`,
		`{"a":1} {"a": 1}`:               `{"a":1}`,
		`{"a":1}}`:                       `{"a":1}`,
		`{"a":1}</tool_call>`:            `{"a":1}`,
		`{"a":1}<|im_end|>`:              `{"a":1}`,
		"{\"a\":\"x\ny\"}":               `{"a":"x\ny"}`,
		`{"a":[1,],}`:                    `{"a":[1]}`,
		`{"a":",}"}`:                     `{"a":",}"}`,
	} {
		got, ok := modelcall.Mend(in)
		require.True(t, ok, in)
		require.Equal(t, want, string(got), in)
	}
	for _, in := range []string{
		`{"a":`, `{"a":1}{"a":2}`, `[{"a":1},{"a":2}]`, "1", "true", `"text"`, "text", `{'a':1}`, `[]`, `{"a":1} and {"b":`, "```json\nnothing\n```", `{"a" 1}`,
	} {
		_, ok := modelcall.Mend(in)
		require.False(t, ok, in)
	}
}

func index(i int64) *int64 { return &i }

func TestAddCall(t *testing.T) {
	t.Parallel()
	type p = modelcall.Piece
	zero := index(0)
	for name, c := range map[string]struct {
		pieces []p
		want   string
	}{
		"Fragments":            {[]p{{zero, "a", "f", ""}, {zero, "", "", `{"x":`}, {zero, "", "", `1}`}}, `a f {"x":1}`},
		"TwoByIndex":           {[]p{{zero, "a", "f", ""}, {index(1), "b", "g", ""}, {zero, "", "", `{"x":1}`}, {index(1), "", "", `{"y":1}`}}, `a f {"x":1}; b g {"y":1}`},
		"AllZero":              {[]p{{zero, "a", "f", `{"x":1}`}, {zero, "b", "g", `{"y":1}`}}, `a f {"x":1}; b g {"y":1}`},
		"AllZeroInFragments":   {[]p{{zero, "a", "f", `{"x"`}, {zero, "", "", `:1}`}, {zero, "b", "f", `{"x"`}, {zero, "", "", `:2}`}}, `a f {"x":1}; b f {"x":2}`},
		"AllZeroWithoutIDs":    {[]p{{zero, "", "f", `{"x"`}, {zero, "", "", `:1}`}, {zero, "", "f", `{"x":2}`}}, `call f {"x":1}; call f {"x":2}`},
		"NoIndexNoID":          {[]p{{nil, "", "f", `{"x"`}, {nil, "", "", `:1}`}, {nil, "", "g", `{"y":2}`}}, `call f {"x":1}; call g {"y":2}`},
		"NoIndexWithIDs":       {[]p{{nil, "a", "f", ""}, {nil, "b", "g", ""}, {nil, "a", "", `{"x":1}`}, {nil, "b", "", `{"y":1}`}}, `a f {"x":1}; b g {"y":1}`},
		"NoIndexNoArguments":   {[]p{{nil, "", "f", ""}, {nil, "", "f", ""}}, `call f {}; call f {}`},
		"NameRepeats":          {[]p{{zero, "a", "f", `{"x"`}, {zero, "a", "f", `:1}`}, {zero, "a", "f", ""}}, `a f {"x":1}`},
		"NameRepeatsNoID":      {[]p{{nil, "", "f", `{"x"`}, {nil, "", "f", `:1}`}}, `call f {"x":1}`},
		"AnIDForEachPiece":     {[]p{{zero, "a", "f", ""}, {zero, "b", "", `{"x"`}, {zero, "c", "", `:1}`}, {zero, "d", "", ""}}, `a f {"x":1}`},
		"IDRepeats":            {[]p{{zero, "a", "f", `{"x":1}`}, {index(1), "a", "f", `{"x":2}`}}, `a f {"x":1}; call f {"x":2}`},
		"IDRepeatsSameIndex":   {[]p{{zero, "a", "f", `{"x":1}`}, {zero, "a", "f", `{"x":2}`}}, `a f {"x":1}; call f {"x":2}`},
		"AllAgainAtTheEnd":     {[]p{{zero, "a", "f", `{"x"`}, {zero, "", "", `:1}`}, {zero, "a", "f", `{"x":1}`}}, `a f {"x":1}`},
		"NameComesLater":       {[]p{{zero, "a", "", ""}, {zero, "", "f", ""}, {zero, "", "", `{"x":1}`}}, `a f {"x":1}`},
		"NameInPieces":         {[]p{{zero, "a", "find_", ""}, {zero, "", "order", ""}, {zero, "", "", `{"x":1}`}}, `a find_order {"x":1}`},
		"NewNameWithoutAny":    {[]p{{nil, "", "f", ""}, {nil, "", "g", `{"y":1}`}}, `call f {}; call g {"y":1}`},
		"IDComesLater":         {[]p{{zero, "", "f", `{"x"`}, {zero, "a", "", `:1}`}}, `a f {"x":1}`},
		"IndexGrowsWithPieces": {[]p{{zero, "a", "f", `{"x"`}, {index(1), "", "", `:1`}, {index(2), "", "", `}`}}, `a f {"x":1}`},
		"HugeIndex":            {[]p{{index(1 << 40), "a", "f", `{}`}}, `a f {}`},
		"EmptyObjectFirst":     {[]p{{zero, "a", "f", `{}`}, {zero, "", "", `{"x"`}, {zero, "", "", `:1}`}}, `a f {"x":1}`},
		"EmptyIDs":             {[]p{{zero, "", "f", "{}"}, {index(1), "", "g", "{}"}}, `call f {}; call g {}`},
		"BrokenThenNew":        {[]p{{nil, "", "f", `{"x":`}, {nil, "", "g", `{"y":1}`}}, `call f "{\"x\":"; call g {"y":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := modelcall.Answer{Key: "k", Offered: func(name string) bool { return name == "f" || name == "g" || name == "find_order" }}
			for _, piece := range c.pieces {
				a.AddCall(piece)
			}
			res, err := a.Result("op", "p", "m", 1<<20)
			require.NoError(t, err)
			var got []string
			for _, call := range res.Message.ToolCalls() {
				id := call.ID
				if strings.HasPrefix(id, "call_") {
					id = "call"
				}
				got = append(got, fmt.Sprintf("%s %s %s", id, call.Name, call.Arguments))
			}
			require.Equal(t, c.want, strings.Join(got, "; "))
		})
	}
}
