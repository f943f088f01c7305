package ui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
)

// hostile is text that would run, hide or reorder something on a page.
const hostile = "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>\" onfocus=alert(1) x='\u202e\x1b[31m\x00{{.}}javascript:alert(1)"

// hostileRecord has it in every field that others fill.
func hostileRecord(r records.Record) records.Record {
	r.ID = "main/p/" + hostile
	r.Persona, r.Agent, r.Simulation, r.Scenario, r.Executor, r.Model, r.Currency, r.Detail, r.Step = hostile, hostile, hostile, hostile, hostile, hostile, hostile, hostile, hostile
	r.Executors, r.Models, r.UI, r.Incomplete, r.Unreadable = []string{hostile}, []string{hostile}, "javascript:alert(1)", hostile, hostile
	if r.Open {
		r.Status = "needs_attention"
	}
	if r.Attention != nil {
		r.Attention.Reason, r.Attention.Remedy, r.Attention.Step = hostile, hostile, hostile
	}
	for i := range r.Approvals {
		a := &r.Approvals[i]
		a.CallID, a.Tool, a.Set, a.Name, a.Digest, a.Lost, a.Arguments = hostile, hostile, hostile, hostile, hostile, hostile, json.RawMessage(`"`+`\u202e</pre><script>alert(1)</script>"`)
	}
	arguments, _ := json.Marshal(hostile)
	r.Messages = []records.Message{
		{Index: 0, Role: conversation.Role(hostile), Text: hostile},
		{Index: 1, Role: conversation.RoleTool, Parts: []conversation.Part{
			{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: hostile, Name: hostile, Arguments: arguments}},
			{Type: conversation.PartToolResult, ToolResult: &conversation.ToolResult{CallID: hostile, Content: hostile, Decisions: []conversation.Decision{{By: hostile, Reason: hostile}}}},
			{Type: conversation.PartData, Data: json.RawMessage("</script>\u202e")},
		}},
	}
	r.Timeline = []records.Turn{{Number: 1, Began: began, Executor: hostile, Model: hostile, Reply: 1, Steps: []records.Step{{
		Kind: records.StepKind(hostile), Detail: hostile, Failure: &records.StepFailure{Kind: conversation.Kind(hostile), Reason: hostile, Remedy: hostile},
		Tool: &records.StepToolInfo{Tool: hostile, Decision: hostile}, Reply: &records.StepReplyInfo{Model: hostile, FinishReason: hostile},
	}}}}
	return r
}

// values are attributes that are not shown.
var values = regexp.MustCompile(` (value|data-[a-z]+)="[^"]*"`)

// requireHarmless fails if a page has a hostile text as anything but text.
func requireHarmless(t *testing.T, where, page string) {
	t.Helper()
	require.NotContains(t, page, "<script>alert", where)
	require.NotContains(t, page, "<img", where)
	require.NotContains(t, page, `" onfocus`, where)
	require.NotContains(t, page, `="javascript:`, where)
	page = values.ReplaceAllString(page, "") // not shown: forms return them as they are
	for _, r := range "\u202e\x1b\x00" {
		i := strings.IndexRune(page, r)
		require.Negative(t, i, "%s: %U in %q", where, r, page[max(i-200, 0):max(i, 0)])
	}
	require.Equal(t, 1, strings.Count(page, "<script"), where)
}

func TestNothingThatOthersSayReachesAPageUnescaped(t *testing.T) {
	t.Parallel()
	closed, open := hostileRecord(ended("", "")), hostileRecord(parked(""))
	open.ID += "2"
	waiting := hostileRecord(approving(""))
	waiting.ID += "3"
	f := newFake(closed, open, waiting)
	r := serve(t, f, func(c *Config) { c.Where = hostile })
	background(t, r)
	h := url.QueryEscape(hostile)
	eventually(t, r, "/run?simulation="+h, "95 %")
	for _, path := range []string{
		"/", "/?q=" + h, "/?agent=" + h + "&status=" + h, "/?executor=" + h, "/waiting", "/runs", "/run?agent=" + h, "/compare?a=simulation:" + h + "&b=agent:" + h,
		"/conversation?id=" + url.QueryEscape(closed.ID), "/conversation?id=" + url.QueryEscape(open.ID), "/conversation?id=" + url.QueryEscape(waiting.ID),
		"/conversation?id=" + h, "/run?agent=x" + h, "/" + url.PathEscape(hostile),
	} {
		_, text := r.do(t, http.MethodGet, path, "")
		requireHarmless(t, path, text)
	}
	f.fail(records.Faultf(records.Failed, nil, "%s", hostile))
	requireHarmless(t, "fault", r.get(t, "/"))
}
