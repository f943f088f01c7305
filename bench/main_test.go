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

// Only --quick, which judges no times, runs sections at the same time, and only such as
// wait. What counts transitions runs alone.
func TestSections(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		o    options
		want [][]string
	}{
		"all":   {options{}, [][]string{{"counts"}, {"throughput"}, {"overhead"}, {"pickup"}, {"requests"}, {"python"}, {"idle"}, {"load"}}},
		"quick": {options{quick: true}, [][]string{{"counts"}, {"throughput"}, {"overhead"}, {"pickup", "requests", "load"}}},
		"only":  {options{quick: true, only: []string{"load", "idle", "requests"}}, [][]string{{"requests"}, {"idle"}, {"load"}}},
	} {
		var got [][]string
		for chosen := tt.o.sections(); len(chosen) > 0; {
			var now []string
			for _, s := range chosen[:tt.o.together(chosen)] {
				now = append(now, s.name)
			}
			got, chosen = append(got, now), chosen[len(now):]
		}
		require.Equal(t, tt.want, got, name)
	}
}

func TestRowsOfAKill(t *testing.T) {
	t.Parallel()
	rows := leftRows(kill{when: "in the middle"}, left{waiting: 2}, left{lost: 31})
	require.Equal(t, []string{"lost after a kill in the middle, of 40", "wait for an operator after a kill in the middle, of 40"}, []string{rows[0].Case, rows[1].Case})
	require.Equal(t, []float64{0, 31, 2, 0}, []float64{rows[0].Value, rows[0].Other, rows[1].Value, rows[1].Other})
	require.Empty(t, figure.Missed(rows), "what waits is not lost")
	require.Len(t, figure.Missed(leftRows(kill{}, left{lost: 1}, left{})), 1)
	require.Equal(t, []kill{{"as they open", 20}, {"in the middle", 120}}, kills(5))
}
