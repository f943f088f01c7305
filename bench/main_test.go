package main

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/bench/internal/figure"
	"github.com/parley-run/parley/bench/internal/lab"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	o, err := parse(nil)
	require.NoError(t, err)
	require.Equal(t, options{rounds: 5, load: time.Hour, output: "text", open: []int{1, 10, 100, 1000}}, o)
	o, err = parse([]string{"--quick", "--only", "counts,load", "--rounds", "3", "--load", "1m", "--output", "json"})
	require.NoError(t, err)
	require.Equal(t, options{quick: true, only: []string{"counts", "load"}, rounds: 3, load: time.Minute, output: "json", open: []int{1, 10}}, o)
	for _, wrong := range [][]string{{"--only", "counts,memory"}, {"--output", "xml"}, {"--rounds", "-1"}, {"counts"}, {"--fast"}, {"--open", "0"}} {
		var out, errs bytes.Buffer
		require.Equal(t, 2, run(t.Context(), wrong, &out, &errs), wrong)
		require.Empty(t, out.String())
		require.Regexp(t, `^bench: .*\n$`, errs.String())
	}
	var out bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"--help"}, &out, &out))
	for _, name := range names() {
		require.Contains(t, out.String(), name)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := report{Machine: "two cores", Rows: []figure.Row{{Section: "s", Case: "c", Value: math.NaN()}}}
	var text, doc bytes.Buffer
	require.NoError(t, r.write(&text, "text"))
	require.Contains(t, text.String(), "none")
	require.NoError(t, r.write(&doc, "json"))
	require.True(t, json.Valid(doc.Bytes()), doc.String())
}

func TestOverheads(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return time.Time{}.Add(time.Hour + time.Duration(ms)*time.Millisecond) }
	talks := []lab.Talk{
		{Opened: at(0), Turns: []lab.Turn{{Said: at(0), Came: at(900)}, {Said: at(1000), Came: at(1120)}, {Said: at(2000)}}},
		{Opened: at(50)},
	}
	require.Equal(t, []float64{20}, overheads(talks, plan{model: 100 * time.Millisecond}), "not the first turn, nor one without an answer")
	require.Equal(t, 1120*time.Millisecond, span(talks))
	first, second := order(0), order(1)
	require.Equal(t, []string{"ours", "bare", "bare", "ours"}, []string{first[0].name, first[1].name, second[0].name, second[1].name})
}
