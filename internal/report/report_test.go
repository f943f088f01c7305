package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/report"
	"github.com/parley-run/parley/internal/summary"
)

var update = flag.Bool("update", false, "write the golden files anew")

var began = time.Date(2026, 1, 15, 9, 0, 0, 0, time.UTC)

// record makes conversation i, as package records reads one.
func record(i int) records.Record {
	at := began.Add(time.Duration(i) * time.Minute)
	r := records.Record{
		Conversation: records.Conversation{
			ID: fmt.Sprintf("onerun/pr_1/cv_%d", i), Platform: "onerun", Project: "pr_1", Simulation: "sim_12", Agent: "support",
			Persona: fmt.Sprintf("Customer %d, wants a refund", i), Status: "closed", Outcome: conversation.OutcomeEnded, EndedBy: conversation.EndedByPersona,
			Turns: 2, Started: at, Ended: at.Add(9 * time.Second), Seconds: 9, Models: []string{"model-1"}, Executors: []string{"main"},
		},
		Scenario: "late parcels", Currency: "USD", Source: records.SourceHistory,
		Usage: conversation.Usage{InputTokens: 400 + int64(i), OutputTokens: 60, Calls: 2, Cost: 1200 + int64(i)*10},
		Messages: []records.Message{
			{Index: 0, Role: conversation.RoleUser, Text: "Where is my parcel?", Time: at},
			{Index: 1, Role: conversation.RoleAssistant, Time: at.Add(2 * time.Second), Parts: []conversation.Part{
				{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "call_1", Name: "orders", Arguments: json.RawMessage(`{"id": 7}`)}},
			}},
			{Index: 2, Role: conversation.RoleTool, Parts: []conversation.Part{
				{Type: conversation.PartToolResult, ToolResult: &conversation.ToolResult{CallID: "call_1", Content: "on its way"}},
			}},
			{Index: 3, Role: conversation.RoleAssistant, Text: "It is on its way.", Time: at.Add(3 * time.Second)},
		},
	}
	for n := 1; n <= 2; n++ {
		r.Timeline = append(r.Timeline, records.Turn{
			Number: n, Began: at, Ended: at.Add(3 * time.Second), Reply: records.Seconds(1 + float64(i%5)/10), Exchange: 0.5, Overhead: 0.02,
			Steps: []records.Step{{Kind: records.StepReply, Started: at, Ended: at.Add(time.Second), Attempts: 1}, {Kind: records.StepExchange, Started: at, Ended: at.Add(time.Second), Attempts: 1}},
		})
	}
	if i%7 == 3 {
		r.Outcome, r.EndedBy, r.Detail = conversation.OutcomeFailed, "", "openai: the model does not exist: set model"
		r.Timeline[1].Steps[0].Failure = &records.StepFailure{Kind: conversation.Invalid, Reason: "no such model", Final: true}
	}
	return r
}

func made(n int, change func(int, *records.Record)) *report.Report {
	r := report.New("Simulation sim_12", []string{"simulation sim_12"}, summary.DefaultRules(), began)
	for i := range n {
		rec := record(i)
		if change != nil {
			change(i, &rec)
		}
		r.Add(rec, true)
	}
	r.Finish(summary.Coverage{Exist: n})
	return r
}

func written(t testing.TB, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	return b.String()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	r := made(8, func(i int, r *records.Record) {
		if i == 6 {
			r.Unreadable = "a key is missing"
		}
	})
	r.Compare(made(7, func(i int, r *records.Record) {
		if i == 3 {
			r.Outcome, r.EndedBy, r.Detail = conversation.OutcomeEnded, conversation.EndedByPersona, ""
		}
	}), summary.DefaultTolerance)
	for name, write := range map[string]func(io.Writer) error{"report.html": r.HTML, "report.md": r.Markdown, "report.json": r.JSON, "report.xml": r.JUnit} {
		path := filepath.Join("testdata", name)
		got := written(t, write)
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), got, "go test ./internal/report -update writes it anew")
	}
}

// A report that was written and read again is the baseline of itself: no difference.
func TestBaselineOfItself(t *testing.T) {
	t.Parallel()
	r := made(30, nil)
	base, err := report.Read(strings.NewReader(written(t, r.JSON)))
	require.NoError(t, err)
	r.Compare(base, summary.DefaultTolerance)
	require.True(t, r.Comparison.Same)
	require.Zero(t, r.Comparison.Regressions())
	require.Contains(t, written(t, r.Markdown), "No difference")
	require.Contains(t, written(t, r.HTML), "No difference")
}

func TestWorseExecutorAtTheTop(t *testing.T) {
	t.Parallel()
	base, err := report.Read(strings.NewReader(written(t, made(30, nil).JSON)))
	require.NoError(t, err)
	r := made(30, func(i int, r *records.Record) {
		for n := range r.Timeline {
			r.Timeline[n].Reply += 4
		}
		if i == 20 {
			r.Outcome, r.EndedBy, r.Detail = conversation.OutcomeFailed, "", "the executor gave up"
		}
	})
	r.Compare(base, summary.DefaultTolerance)
	require.Equal(t, 2, r.Comparison.Regressions())
	md := written(t, r.Markdown)
	require.Contains(t, md, "2 regressions")
	require.Less(t, strings.Index(md, "Customer 20"), strings.Index(md, "### 5 failures"))
	html := written(t, r.HTML)
	comparison := html[strings.Index(html, `<section id="comparison`):]
	require.Less(t, strings.Index(comparison, "Customer 20"), strings.Index(comparison, "Customer 1,"), "the worst first")
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "no JSON document",
		`{"schema":"parley.report/9"}`: `schema is "parley.report/9"`,
		`{"conversations":[]}`:         `schema is ""`,
		`{"schema":"parley.report/1","summary":7}`: "not a report",
	} {
		_, err := report.Read(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}
}

// hostile texts stand in every field that others fill.
func TestHostile(t *testing.T) {
	t.Parallel()
	const evil = "<script>alert(1)</script> [x](javascript:alert(2)) | `a` **b** \x1b[31m\x00\u202e]]> &amp; '\""
	r := made(3, func(_ int, r *records.Record) {
		r.Persona, r.Scenario, r.Detail, r.UI = evil, evil, evil, "javascript:alert(3)"
		r.Models, r.Executors, r.Simulation = []string{evil}, []string{evil}, evil
		r.Outcome = conversation.OutcomeFailed
		r.Timeline[1].Steps[0].Failure = &records.StepFailure{Kind: evil, Reason: evil}
		r.Timeline[1].Steps = append(r.Timeline[1].Steps, records.Step{Kind: records.StepTool, Tool: &records.StepToolInfo{Tool: evil}})
		for i := range r.Messages {
			r.Messages[i].Text = evil
		}
	})
	r.Title, r.EvaluationNote = evil, evil
	r.Evaluate(func(summary.Case) []conversation.Evaluation {
		return []conversation.Evaluation{{Objective: evil, Score: 0.5, Reason: evil}}
	})
	r.Finish(summary.Coverage{Exist: 3})
	r.Compare(made(3, nil), summary.DefaultTolerance)
	html, md, doc, junit := written(t, r.HTML), written(t, r.Markdown), written(t, r.JSON), written(t, r.JUnit)
	for name, text := range map[string]string{"html": html, "md": md, "json": doc, "junit": junit} {
		require.NotContains(t, text, "\x1b", name)
		require.NotContains(t, text, "\x00", name)
		require.NotContains(t, text, "\u202e", name)
	}
	require.NotContains(t, html, "<script")
	require.NotContains(t, html, `href="javascript:`)
	require.NotContains(t, md, "<script")
	require.NotContains(t, md, "](javascript")
	require.NotContains(t, md, "**b**")
	require.NotContains(t, junit, "<script")
	require.NoError(t, xml.Unmarshal([]byte(junit), new(struct {
		XMLName xml.Name `xml:"testsuites"`
	})))
}

func TestJUnitCounts(t *testing.T) {
	t.Parallel()
	r := made(11, func(i int, r *records.Record) {
		if i == 1 {
			r.Open, r.Status, r.Outcome = true, "talking", ""
		}
	})
	r.Finish(summary.Coverage{Exist: 12})
	var out struct {
		Suite struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Skipped  int `xml:"skipped,attr"`
			Cases    []struct {
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal([]byte(written(t, r.JUnit)), &out))
	var failed, errored, skipped int
	for _, c := range out.Suite.Cases {
		switch {
		case c.Failure != nil:
			failed++
		case c.Error != nil:
			errored++
		case c.Skipped != nil:
			skipped++
		}
	}
	require.Equal(t, []int{12, 2, 1, 1}, []int{len(out.Suite.Cases), failed, errored, skipped})
	require.Equal(t, []int{12, 2, 1, 1}, []int{out.Suite.Tests, out.Suite.Failures, out.Suite.Errors, out.Suite.Skipped})
}

func TestConditions(t *testing.T) {
	t.Parallel()
	r := made(8, nil) // one failed
	base := made(8, nil)
	r.Compare(base, summary.DefaultTolerance)
	for text, met := range map[string]bool{
		"failed>0": true, "failed > 1": false, "failed=1": true, "failed!=1": false, "failed<=1": true, "conversations>=9": false,
		"failed_rate>10%": true, "failed_rate>0.2": false, "ended_rate<0.95": true, "passed_rate<87.5%": false,
		"reply_p95>5s": false, "reply_max>1300ms": true, "overhead_p50>10ms": true, "tokens_mean>1000": false, "cost>0.001": true,
		"regressions>0": false, "changed==0": true, "missing>0": false, "unread>0": false,
		"score_mean<0.5": true, // not known
	} {
		c, err := report.ParseCondition(text, true)
		require.NoError(t, err)
		got, said := c.Met(r)
		require.Equal(t, met, got, said)
	}
	for text, want := range map[string]string{
		"": "is no condition", "failed": "is no condition", ">0": "is no condition", "failures>0": `unknown figure "failures": use changed,`,
		"failed>": "is no number", "failed>x": "is no number", "failed>-1": "is no number", "failed>0x1": "is no number", "failed>NaN": "is no number", "failed=>1": "is no number",
		"reply_p95>5": "no duration", "reply_p95>-5s": "no duration", "ended_rate<95": "no rate", "ended_rate<x%": "no rate", "failed!1": "use one of",
	} {
		_, err := report.ParseCondition(text, true)
		require.ErrorContains(t, err, want)
	}
	_, err := report.ParseCondition("regressions>0", false)
	require.ErrorContains(t, err, "give --baseline")
}

// No time is asserted: run with -v to read the figures.
func TestThousand(t *testing.T) {
	t.Parallel()
	at := time.Now()
	r := made(1000, nil)
	base, err := report.Read(strings.NewReader(written(t, made(1000, nil).JSON)))
	require.NoError(t, err)
	r.Compare(base, summary.DefaultTolerance)
	t.Logf("summary and comparison: %v", time.Since(at))
	for name, write := range map[string]func(io.Writer) error{"html": r.HTML, "markdown": r.Markdown, "json": r.JSON, "junit": r.JUnit} {
		at := time.Now()
		text := written(t, write)
		t.Logf("%s: %d bytes in %v", name, len(text), time.Since(at))
		if name == "html" {
			require.Equal(t, 1000, strings.Count(text, "<details "))
		}
	}
}
