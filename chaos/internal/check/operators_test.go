package check_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/chaos/internal/check"
)

func (r *record) operator(seconds float64, act, id string) {
	r.acts = append(r.acts, map[string]any{"at": at(seconds), "act": act, "conversation": id, "ok": true})
}

// terminate ends the platform's conversation in its first exchange.
func (r *record) terminate() {
	r.operator(3, "terminate", id)
	r.talk["status"], r.workflows[0]["status"] = "in_progress", "Terminated"
	r.items, r.effects = r.items[:3], nil
	h := &history{events: r.histories["h0.json"].events[:6]} // claim, read, reply
	h.add(3, "workflowExecutionTerminatedEventAttributes", map[string]any{"reason": "chaos"})
	r.histories["h0.json"] = h
}

// reset resets the direct conversation to before its reply, which is asked for again.
func (r *record) reset(message string) {
	r.operator(60, "reset", "direct/desk/d1")
	h := r.workflow("direct/desk/d1", "Conversation", "Running", "listening")
	r.workflows[len(r.workflows)-1]["started"] = at(60)
	h.add(60, "workflowTaskFailedEventAttributes", map[string]any{"cause": "WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW"})
	h.step(62, "conversation.Reply", map[string]any{"turn": 1, "new": []any{map[string]any{"role": "user", "parts": []any{map[string]any{"type": "text", "text": "message 1"}}}}},
		map[string]any{"message": map[string]any{"role": "assistant", "parts": []any{map[string]any{"type": "text", "text": message}}}})
}

func again(key string) map[string]any {
	return map[string]any{"at": at(61.8), "token": "00000000000000f1", "key": key, "digest": "d9"}
}

// What operators do who terminate and reset excuses what it must, and nothing else.
func TestTerminateAndReset(t *testing.T) {
	t.Parallel()
	for name, row := range operatorsAccounts() {
		t.Run(name, row.test)
	}
}

func operatorsAccounts() map[string]spoiled {
	return map[string]spoiled{
		"terminated, left behind":          {func(r *record) { r.terminate() }, nil},
		"terminated, and the message lost": {func(r *record) { r.terminate(); r.items = r.items[:1]; r.items[0]["texts"] = []string{"other"} }, []string{check.RuleTranscript}},
		"terminated, and more was said than was on its way": {func(r *record) {
			r.terminate()
			for i := range 6 {
				r.items = append(r.items, map[string]any{"id": fmt.Sprint("x", i), "conversation": "c1", "role": []string{"assistant", "user"}[i%2], "texts": []string{fmt.Sprint("more ", i)}})
			}
		}, []string{check.RuleTranscript}},
		"terminated, and not adopted": {func(r *record) {
			r.terminate()
			r.faults = append(r.faults, map[string]any{"at": at(0), "kind": "setting", "target": "adopt_after", "seconds": 60})
		}, []string{check.RuleOutcome}},
		"terminated without an act": {func(r *record) { r.terminate(); r.acts = nil }, []string{check.RuleOutcome, check.RuleTranscript}},
		"reset, asked again under another key": {func(r *record) {
			r.reset(said("00000000000000f1"))
			r.payments = append(r.payments, again("k11"))
		}, nil},
		"reset, asked again under the same key": {func(r *record) {
			r.reset(said("00000000000000f1"))
			r.payments = append(r.payments, again("k9"))
		}, []string{check.RulePaid}},
		"reset, and an answer that the platform has is paid again": {func(r *record) {
			r.operator(85, "reset", id)
			r.payments = append(r.payments, map[string]any{"at": at(90), "token": "00000000000000c1", "key": "other", "digest": "d3", "previous": call})
		}, []string{check.RulePaid}},
		"reset, and said again": {func(r *record) {
			r.operator(10, "reset", id)
			r.items = append(r.items, map[string]any{"id": "i8", "conversation": "c1", "role": "assistant", "texts": []string{said(last)}})
		}, []string{check.RuleOrder}},
		"reset, and the tool called again": {func(r *record) {
			r.operator(10, "reset", id)
			r.effects = append(r.effects, r.effects[0])
		}, []string{check.RuleTool}},
		"reset, and another answer calls a tool": {func(r *record) {
			r.reset("")
			h := r.histories[fmt.Sprintf("h%d.json", len(r.workflows)-1)]
			h.step(64, "conversation.Reply", map[string]any{"turn": 1, "round": 1}, map[string]any{"message": map[string]any{"role": "assistant", "parts": []any{
				map[string]any{"type": "tool_call", "tool_call": map[string]any{"id": "x", "name": "note", "arguments": map[string]any{"token": "00000000000000f1", "n": 0}}},
			}}})
			r.payments = append(r.payments, again("k11"))
			r.effects = append(r.effects, map[string]any{"at": at(63), "tool": "note", "token": "00000000000000f1", "n": 0})
		}, []string{check.RuleTool}},
	}
}

func TestTasksAndSchedules(t *testing.T) {
	t.Parallel()
	for name, row := range tasksAccounts() {
		t.Run(name, row.test)
	}
}

func tasksAccounts() map[string]spoiled {
	claim := func(worker string, seconds float64) map[string]any {
		return map[string]any{"claims": []any{map[string]any{"task": "t1", "worker": worker, "due": at(60), "at": at(seconds)}}}
	}
	return map[string]spoiled{
		"claimed early":    {func(r *record) { r.pulse[1] = claim("parley-1", 59) }, []string{check.RuleTask}},
		"claimed by two":   {func(r *record) { r.pulse = append(r.pulse, claim("parley-2", 62)) }, []string{check.RuleTask}},
		"claimed too late": {func(r *record) { r.pulse[1] = claim("parley-1", 90) }, []string{check.RuleOnTime}},
		"late in a fault": {func(r *record) {
			r.pulse[1] = claim("parley-1", 90)
			r.faults = append(r.faults, map[string]any{"at": at(65), "kind": "freeze", "target": "worker-0", "seconds": 5})
		}, nil},
		"expired without a fault": {func(r *record) {
			r.pulse = append(r.pulse, map[string]any{"tasks": []any{map[string]any{"id": "t2", "status": "expired", "history": []any{map[string]any{"status": "expired", "executed_at": at(90).Unix()}}}}})
		}, []string{check.RuleOnTime}},
		"reported twice": {func(r *record) { r.pulse = append(r.pulse, r.pulse[2]) }, []string{check.RuleTask}},
		"never reported": {func(r *record) { r.pulse = r.pulse[:2] }, []string{check.RuleTask}},
		"never claimed": {func(r *record) {
			r.pulse = append(r.pulse, map[string]any{"tasks": []any{map[string]any{"id": "t2", "status": "active", "next": at(70).Unix()}}})
		}, []string{check.RuleTask}},
		"completed without a claim": {func(r *record) {
			r.pulse = append(r.pulse, map[string]any{"tasks": []any{map[string]any{"id": "t2", "status": "completed"}}})
		}, []string{check.RuleTask}},
		"dropped by Pulse itself": {func(r *record) {
			r.pulse = append(r.pulse, map[string]any{"restarted": at(65), "dropped": []any{"t2"}},
				map[string]any{"tasks": []any{map[string]any{"id": "t2", "status": "completed"}}})
		}, nil},
		"claimed, and no workflow":    {func(r *record) { r.workflows[3]["id"] = "pulse//t9@1" }, []string{check.RuleTask}},
		"a time of a schedule missed": {func(r *record) { r.workflows[4]["id"] = "schedule/clockwork/other" }, []string{check.RuleSchedule}},
		"a time in between missed": {func(r *record) {
			r.workflows[5]["id"] = "schedule/clockwork/s-2026-11-29T00:02:00Z"
		}, []string{check.RuleSchedule}},
		"a run of a schedule stuck": {func(r *record) { r.workflows[4]["status"], r.workflows[4]["shown"] = "Running", "talking" }, []string{check.RuleSchedule}},
		"run twice": {func(r *record) {
			r.run("schedule/clockwork/s-2026-11-29T00:01:50Z", 130, "00000000000000e3")
		}, []string{check.RuleSchedule}},
	}
}

// With one worker and kills alone, the time to resume is judged.
func TestTimeToResume(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		seconds float64
		rules   []string
	}{"in time": {16, nil}, "too late": {19, []string{check.RuleResume}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := whole()
			r.faults = []map[string]any{
				{"at": at(0), "kind": "begin"}, {"at": at(0), "kind": "start", "target": "worker-0"},
				{"at": at(140), "kind": "kill", "target": "worker-0"}, {"at": at(141), "kind": "start", "target": "worker-0"},
				{"at": at(200), "kind": "end"},
			}
			h := r.histories["h1.json"]
			n := h.add(139, "activityTaskScheduledEventAttributes", map[string]any{"activityType": map[string]any{"name": "conversation.Reply"}, "heartbeatTimeout": "15s", "input": payloads(map[string]any{"turn": 2})})
			h.add(141+row.seconds, "activityTaskCompletedEventAttributes", map[string]any{"scheduledEventId": fmt.Sprint(n), "result": payloads(map[string]any{"handed_over": true})})
			report := r.check(t)
			require.ElementsMatch(t, row.rules, broken(report), "%v", report.Violations)
			require.Equal(t, 1, rule(report, check.RuleResume).Checked)
		})
	}
}

func rule(report *check.Report, name string) *check.Rule {
	for _, r := range report.Rules {
		if r.Name == name {
			return r
		}
	}
	return nil
}
