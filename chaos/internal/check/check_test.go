package check_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/chaos/internal/check"
)

// The checker shares no code with what it checks.
func TestIndependent(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	require.Equal(t, []string{"github.com/parley-run/parley/chaos/internal/check"}, strings.Fields(string(out)))
}

const (
	id    = "sim/p/c1"
	first = "00000000000000a1"
	call  = "00000000000000a2"
	last  = "00000000000000a3"
)

var begin = time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }

func said(token string) string { return "Sorry. [#" + token + "]" }

func message(role, text string) map[string]any {
	return map[string]any{"role": role, "parts": []any{map[string]any{"type": "text", "text": text}}}
}

// A record is accounts of one conversation of the platform and one direct one, before
// they are written down. Tests break them.
type record struct {
	talk      map[string]any
	items     []map[string]any
	calls     []map[string]any
	payments  []map[string]any
	effects   []map[string]any
	sent      []map[string]any
	acts      []map[string]any
	doubled   []map[string]any
	faults    []map[string]any
	samples   []map[string]any
	workflows []map[string]any
	schedules []map[string]any
	pulse     []map[string]any // lines of its state file
	histories map[string]*history
}

// whole is a record without a violation.
func whole() *record {
	r := &record{
		talk: map[string]any{"id": "c1", "status": "ended", "end_reason": "persona_decided"},
		calls: []map[string]any{
			{"conversation": "c1", "at": at(1), "op": "start", "status": 200},
			{"conversation": "c1", "at": at(2), "op": "responses", "status": 200},
		},
		faults: []map[string]any{
			{"at": at(0), "kind": "begin"}, {"at": at(3), "kind": "kill", "target": "worker-0"}, {"at": at(200), "kind": "end"},
		},
		histories: map[string]*history{},
	}
	for i, text := range []string{"hello", said(first), "and?", said(last), "bye"} {
		role := "user"
		if i%2 == 1 {
			role = "assistant"
		}
		r.items = append(r.items, map[string]any{"id": fmt.Sprint("i", i), "conversation": "c1", "role": role, "texts": []string{text}, "created": at(float64(i))})
	}
	r.payments = []map[string]any{
		{"at": at(2), "token": first, "key": "k1", "digest": "d1"},
		{"at": at(4), "token": call, "key": "k2", "digest": "d2", "previous": first, "calls": []string{"note"}},
		{"at": at(6), "token": last, "key": "k3", "digest": "d3", "previous": call},
		{"at": at(50), "token": "00000000000000b1", "key": "k9", "digest": "d9"},
	}
	r.effects = []map[string]any{{"at": at(5), "tool": "note", "token": call, "n": 0}}
	h := r.workflow(id, "Conversation", "Completed", "closed")
	h.step(1, "conversation.Claim", nil, map[string]any{"claimed": true})
	h.step(2, "conversation.Exchange", map[string]any{}, map[string]any{"messages": []any{message("user", "hello")}})
	h.step(3, "conversation.Reply", map[string]any{"turn": 1}, map[string]any{"message": message("assistant", said(first))})
	h.step(4, "conversation.Exchange", map[string]any{"messages": []any{message("assistant", said(first))}},
		map[string]any{"taken": 1, "messages": []any{message("user", "and?")}})
	h.step(4.5, "conversation.Reply", map[string]any{"turn": 2}, map[string]any{"message": map[string]any{"role": "assistant", "parts": []any{
		map[string]any{"type": "tool_call", "tool_call": map[string]any{"id": "x", "name": "note", "arguments": map[string]any{"token": call, "n": 0}}},
	}}})
	h.step(5.5, "conversation.CallTool", map[string]any{"turn": 2, "call": map[string]any{"name": "note", "arguments": map[string]any{"token": call, "n": 0}}},
		map[string]any{"content": "note done"})
	h.step(7, "conversation.Reply", map[string]any{"turn": 2, "round": 1}, map[string]any{"message": message("assistant", said(last))})
	h.step(8, "conversation.Exchange", map[string]any{"messages": []any{message("assistant", said(last))}},
		map[string]any{"taken": 1, "messages": []any{message("user", "bye")}})
	h.complete(9, map[string]any{"outcome": "ended", "ended_by": "persona"})

	d := r.workflow("direct/desk/d1", "Conversation", "Running", "listening")
	d.step(51, "conversation.Reply", map[string]any{"turn": 1, "new": []any{message("user", "message 1")}}, map[string]any{"message": message("assistant", said("00000000000000b1"))})
	d.update(50, 52, "m1", said("00000000000000b1"))
	r.sent = []map[string]any{
		{"at": at(51), "conversation": "direct/desk/d1", "message": "m1", "text": "message 1", "code": 1},
		{"at": at(53), "conversation": "direct/desk/d1", "message": "m1", "text": "message 1", "code": 0, "reply": said("00000000000000b1"), "turn": 1},
		{"at": at(55), "conversation": "direct/desk/d1", "message": "m1", "text": "message 1", "code": 0, "reply": said("00000000000000b1"), "turn": 1},
	}
	r.workflow("inbox/sim/p/a", "Inbox", "Running", "")
	r.pulse = []map[string]any{
		{"tasks": []any{map[string]any{"id": "t1", "status": "active", "next": at(60).Unix()}}},
		{"claims": []any{map[string]any{"task": "t1", "worker": "parley-1", "due": at(60), "at": at(61)}}},
		{
			"acks":  []any{map[string]any{"task": "t1", "worker": "parley-1", "status": "success", "due": at(60), "at": at(64), "counted": true}},
			"tasks": []any{map[string]any{"id": "t1", "status": "completed", "history": []any{map[string]any{"status": "success"}}}},
		},
	}
	r.run(fmt.Sprintf("pulse//t1@%d", at(60).Unix()), 62, "00000000000000d1")
	r.schedules = []map[string]any{{"at": at(0), "name": "s", "agent": "clockwork", "seconds": 10, "times": 2}}
	r.run("schedule/clockwork/s-2026-11-29T00:01:40Z", 101, "00000000000000e1")
	r.run("schedule/clockwork/s-2026-11-29T00:01:50Z", 111, "00000000000000e2")
	r.workflows[2]["heartbeats"] = map[string]any{"inbox.Poll": at(195)}
	for s := range 60 {
		r.samples = append(r.samples, map[string]any{"at": at(float64(3 * s)), "name": "worker-0", "pid": 7, "rss": 100 << 20, "fds": 40, "goroutines": 300})
	}
	return r
}

// run is a workflow of one reply.
func (r *record) run(id string, seconds float64, token string) {
	h := r.workflow(id, "Conversation", "Completed", "closed")
	r.workflows[len(r.workflows)-1]["started"] = at(seconds - 1)
	h.step(seconds, "conversation.Reply", map[string]any{"turn": 1}, map[string]any{"message": message("assistant", said(token))})
	h.complete(seconds+1, map[string]any{"outcome": "ended"})
	r.payments = append(r.payments, map[string]any{"at": at(seconds - 0.2), "token": token, "key": "k-" + token, "digest": "d-" + token})
}

func (r *record) workflow(id, kind, status, shown string) *history {
	h := &history{}
	file := fmt.Sprintf("h%d.json", len(r.workflows))
	r.histories[file] = h
	r.workflows = append(r.workflows, map[string]any{"id": id, "run": "r1", "type": kind, "status": status, "shown": shown, "started": at(0), "file": file})
	return h
}

// A history is written event by event.
type history struct{ events []map[string]any }

func payloads(v any) map[string]any {
	data, _ := json.Marshal(v)
	return map[string]any{"payloads": []any{map[string]any{"data": data}}}
}

func (h *history) add(seconds float64, attributes string, value map[string]any) int {
	n := len(h.events) + 1
	h.events = append(h.events, map[string]any{"eventId": fmt.Sprint(n), "eventTime": at(seconds), attributes: value})
	return n
}

func (h *history) step(closed float64, name string, input, result any) {
	n := h.add(closed-0.5, "activityTaskScheduledEventAttributes", map[string]any{"activityType": map[string]any{"name": name}, "input": payloads(input)})
	h.add(closed, "activityTaskCompletedEventAttributes", map[string]any{"scheduledEventId": fmt.Sprint(n), "result": payloads(result)})
}

func (h *history) complete(seconds float64, outcome any) {
	h.add(seconds, "workflowExecutionCompletedEventAttributes", map[string]any{"result": payloads(outcome)})
}

func (h *history) update(accepted, completed float64, id, reply string) {
	n := h.add(accepted, "workflowExecutionUpdateAcceptedEventAttributes", map[string]any{"acceptedRequest": map[string]any{"input": map[string]any{
		"name": "send", "args": payloads(map[string]any{"id": id}),
	}}})
	if reply != "" {
		h.add(completed, "workflowExecutionUpdateCompletedEventAttributes", map[string]any{
			"acceptedEventId": fmt.Sprint(n), "outcome": map[string]any{"success": payloads(map[string]any{"message": message("assistant", reply)})},
		})
	}
}

// check writes the record down and checks it.
func (r *record) check(t *testing.T) *check.Report {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, lines ...any) {
		var text bytes.Buffer
		for _, line := range lines {
			data, err := json.Marshal(line)
			require.NoError(t, err)
			text.Write(append(data, '\n'))
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600))
	}
	each := func(all []map[string]any) []any {
		out := make([]any, len(all))
		for i, line := range all {
			out[i] = line
		}
		return out
	}
	put("platform.jsonl", map[string]any{"format": "parley-simulator"}, map[string]any{"conversations": []any{r.talk}, "items": r.items, "events": r.calls})
	put("model.jsonl", each(r.payments)...)
	put("tools.jsonl", each(r.effects)...)
	put("network.jsonl", each(r.doubled)...)
	put("senders.jsonl", each(r.sent)...)
	put("operators.jsonl", each(r.acts)...)
	put("faults.jsonl", each(r.faults)...)
	put("processes.jsonl", each(r.samples)...)
	put("workflows.jsonl", each(r.workflows)...)
	put("schedules.jsonl", each(r.schedules)...)
	put("pulse.jsonl", each(r.pulse)...)
	for name, h := range r.histories {
		put(name, map[string]any{"events": h.events})
	}
	accounts, err := check.Read(dir)
	require.NoError(t, err)
	return check.Check(accounts)
}

func broken(report *check.Report) []string {
	var out []string
	for _, r := range report.Rules {
		if r.Broken > 0 {
			out = append(out, r.Name)
		}
	}
	return out
}

func TestWholeAccountsHaveNoViolation(t *testing.T) {
	t.Parallel()
	report := whole().check(t)
	require.Empty(t, report.Violations)
	for _, r := range report.Rules {
		if r.Name == check.RuleResume {
			continue // of runs with one worker
		}
		require.NotZero(t, r.Checked, r.Name)
	}
	var text bytes.Buffer
	report.Print(&text)
	require.Contains(t, text.String(), "no violation")
}

// A spoiled record breaks these rules.
type spoiled struct {
	spoil func(*record)
	rules []string
}

func (s spoiled) test(t *testing.T) {
	t.Parallel()
	r := whole()
	s.spoil(r)
	report := r.check(t)
	require.ElementsMatch(t, s.rules, broken(report), "%v", report.Violations)
	var text bytes.Buffer
	report.Print(&text)
	require.Equal(t, len(s.rules) > 0, strings.Contains(text.String(), "VIOLATION"))
}

func TestBrokenAccounts(t *testing.T) {
	t.Parallel()
	for name, row := range brokenAccounts() {
		t.Run(name, row.test)
	}
}

// A rule without a broken account might never find anything.
func TestEachRuleHasABrokenAccount(t *testing.T) {
	t.Parallel()
	found := map[string]bool{check.RuleResume: true} // see TestTimeToResume
	for _, rows := range []map[string]spoiled{brokenAccounts(), operatorsAccounts(), tasksAccounts()} {
		for _, row := range rows {
			for _, name := range row.rules {
				found[name] = true
			}
		}
	}
	for _, r := range whole().check(t).Rules {
		require.True(t, found[r.Name], r.Name)
	}
}

func brokenAccounts() map[string]spoiled {
	return map[string]spoiled{
		"no workflow":                  {func(r *record) { r.talk["id"] = "c9" }, []string{check.RuleBegun}},
		"left in the queue":            {func(r *record) { r.talk["status"] = "queued" }, []string{check.RuleBegun}},
		"never ended on the platform":  {func(r *record) { r.talk["status"] = "in_progress" }, []string{check.RuleOutcome}},
		"stuck":                        {func(r *record) { r.workflows[0]["status"], r.workflows[0]["shown"] = "Running", "talking" }, []string{check.RuleOutcome}},
		"workflow failed":              {func(r *record) { r.workflows[0]["status"] = "Failed" }, []string{check.RuleOutcome}},
		"claimed twice":                {func(r *record) { r.calls = append(r.calls, r.calls[0]) }, []string{check.RuleClaim}},
		"lost claim":                   {func(r *record) { r.histories["h0.json"].complete(10, map[string]any{"outcome": "claim_lost"}) }, []string{check.RuleClaim}},
		"message lost on the platform": {func(r *record) { r.items = r.items[:3] }, []string{check.RuleTranscript}},
		"message doubled": {func(r *record) {
			r.items = append(r.items[:4:4], r.items[3], r.items[4])
		}, []string{check.RuleTranscript, check.RuleOrder}},
		"messages out of order": {func(r *record) { r.items[1], r.items[2] = r.items[2], r.items[1] }, []string{check.RuleTranscript, check.RuleOrder}},
		"another's message": {func(r *record) {
			r.items[3]["texts"] = []string{said("00000000000000b1")}
		}, []string{check.RuleTranscript, check.RuleOrder}},
		"message that Temporal does not have": {func(r *record) {
			r.items = append(r.items, map[string]any{"id": "i9", "conversation": "c1", "role": "assistant", "texts": []string{"more"}})
		}, []string{check.RuleTranscript}},
		"paid again after it was recorded": {func(r *record) {
			r.payments = append(r.payments, map[string]any{"at": at(30), "token": "00000000000000c1", "key": "k2", "digest": "d2", "previous": first})
		}, []string{check.RulePaid}},
		"paid again under another key": {func(r *record) {
			r.payments = append(r.payments, map[string]any{"at": at(30), "token": "00000000000000c1", "key": "other", "digest": "d2", "previous": first})
		}, []string{check.RulePaid}},
		"an answer that no model gave": {func(r *record) { r.payments = r.payments[1:] }, []string{check.RulePaid}},
		"tool called twice":            {func(r *record) { r.effects = append(r.effects, r.effects[0]) }, []string{check.RuleTool}},
		"tool called for nothing": {func(r *record) {
			r.effects = append(r.effects, map[string]any{"at": at(5), "tool": "note", "token": "00000000000000ff", "n": 0})
		}, []string{check.RuleTool}},
		"result without an effect": {func(r *record) { r.effects = nil }, []string{check.RuleTool}},
		"two replies to one id":    {func(r *record) { r.sent[2]["reply"] = said("00000000000000b2") }, []string{check.RuleSender}},
		"a reply from elsewhere":   {func(r *record) { r.sent[1]["reply"], r.sent[2]["reply"] = said(first), said(first) }, []string{check.RuleSender}},
		"two replies in the history": {func(r *record) {
			r.histories["h1.json"].update(60, 61, "m1", said("00000000000000b7"))
		}, []string{check.RuleSender}},
		"agent asked twice": {func(r *record) {
			r.payments = append(r.payments, map[string]any{"at": at(60), "token": "00000000000000b4", "key": "k10", "digest": "d10"})
			r.histories["h1.json"].step(61, "conversation.Reply", map[string]any{"turn": 2, "new": []any{message("user", "message 1")}},
				map[string]any{"message": message("assistant", said("00000000000000b4"))})
		}, []string{check.RuleSender}},
		"accepted and not answered": {func(r *record) {
			r.histories["h1.json"].update(60, 0, "m2", "")
			r.sent = append(r.sent, map[string]any{"at": at(61), "conversation": "direct/desk/d1", "message": "m2", "text": "message 2", "code": 1})
		}, []string{check.RuleAnswered}},
		"inbox does not poll": {func(r *record) { r.workflows[2]["heartbeats"] = map[string]any{"inbox.Poll": at(20)} }, []string{check.RuleInbox}},
		"inbox over":          {func(r *record) { r.workflows[2]["status"] = "Failed" }, []string{check.RuleInbox}},
		"memory grows": {func(r *record) {
			for i := range r.samples {
				r.samples[i]["rss"] = (100 + 10*i) << 20
			}
		}, []string{check.RuleProcess}},
		"descriptors grow": {func(r *record) {
			for i := range r.samples {
				r.samples[i]["fds"] = 40 + 10*i
			}
		}, []string{check.RuleProcess}},
		"goroutines grow": {func(r *record) {
			for i := range r.samples {
				r.samples[i]["goroutines"] = 300 + 30*i
			}
		}, []string{check.RuleProcess}},
		"worker ended by itself": {func(r *record) {
			r.faults = append(r.faults, map[string]any{"at": at(70), "kind": "exit", "target": "worker-1"})
		}, []string{check.RuleAlive}},
	}
}

// What an operator or the network did explains what would be a violation without it.
func TestExcuses(t *testing.T) {
	t.Parallel()
	for name, excuse := range map[string]func(*record){
		"an operator has ended it during an exchange": func(r *record) {
			r.items = append(r.items,
				map[string]any{"id": "i8", "conversation": "c1", "role": "assistant", "texts": []string{"more"}},
				map[string]any{"id": "i9", "conversation": "c1", "role": "user", "texts": []string{"yes"}})
			r.acts = []map[string]any{{"at": at(9), "act": "end", "conversation": id, "ok": true}}
		},
		"it waits visibly": func(r *record) {
			r.talk["status"], r.workflows[0]["status"], r.workflows[0]["shown"] = "in_progress", "Running", "needs_attention"
		},
		"the network has doubled a POST": func(r *record) {
			r.calls = append(r.calls, r.calls[0])
			r.doubled = []map[string]any{{"at": at(1), "link": "worker-0>platform", "target": "/v1/simulations/s/conversations/c1/start"}}
		},
		"the network has doubled a claim, and the second one is refused": func(r *record) {
			r.talk["status"], r.items, r.payments, r.effects = "in_progress", nil, r.payments[3:], nil
			h := &history{}
			h.step(1, "conversation.Claim", nil, map[string]any{"claimed": false})
			h.complete(2, map[string]any{"outcome": "claim_lost"})
			r.histories["h0.json"] = h
			r.doubled = []map[string]any{{"at": at(1), "link": "worker-0>platform", "target": "/v1/simulations/s/conversations/c1/start"}}
		},
		"the tool may be repeated": func(r *record) {
			r.effects = append(r.effects, map[string]any{"at": at(5), "tool": "look", "token": call, "n": 1}, map[string]any{"at": at(6), "tool": "look", "token": call, "n": 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := whole()
			excuse(r)
			require.Empty(t, r.check(t).Violations)
		})
	}
}

func TestStoryHasAllParties(t *testing.T) {
	t.Parallel()
	story := strings.Join(whole().check(t).Story(id), "\n")
	for _, want := range []string{"platform   start: 200", "platform   message 2, assistant", "model      answers [#" + first, "tools      note done", "fault      kill worker-0", "turn 2 CallTool completed"} {
		require.Contains(t, story, want)
	}
}
