package a2a

import (
	"encoding/json"
	"fmt"
	"strings"

	sdk "github.com/a2aproject/a2a-go/a2a"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/wire"
)

// take handles an event, and reports whether the answer is complete.
func (x *exchange) take(ev *event) (bool, error) {
	kind := ev.kind()
	if kind == kindTask && ev.ID == "" {
		return false, fmt.Errorf("%w: a task has no id", errOffProtocol)
	}
	x.note(ev)
	x.heard = true
	switch kind {
	case kindMessage:
		if x.echoed(ev) {
			return false, nil
		}
		x.running = false
		x.answer.closing = x.answer.message(ev.Parts)
		return true, nil
	case kindTask:
		return x.snapshot(ev)
	case kindStatusUpdate:
		if ev.Status == nil {
			return false, nil
		}
		done, err := x.settle(ev.Status, ev.Metadata)
		if !done && err == nil && ev.Final {
			err = errEnded
		}
		return done, err
	case kindArtifactUpdate:
		if ev.Artifact == nil {
			return false, nil
		}
		return false, x.answer.artifact(ev.Artifact, ev.Append)
	case "":
		return false, fmt.Errorf("%w: the event is neither a message nor a task", errOffProtocol)
	}
	return false, nil // an unknown kind
}

// maxMoves bounds how often an answer may continue in another task.
const maxMoves = 4

// note keeps the ids, and passes a task's id to OnAttach as soon as it is known.
func (x *exchange) note(ev *event) {
	if ev.ContextID != "" {
		x.context = ev.ContextID
	}
	id := ev.task()
	switch {
	case id == "", ev.kind() == kindMessage:
	case x.task == "":
		x.task, x.running = id, true
	case ev.kind() == kindTask && id != x.task && x.moves < maxMoves: // the agent continues in another task
		x.task, x.recorded = id, false
		x.moves++
	}
	if x.recorded || !x.running || len(x.task) > maxID || len(x.context) > maxID || x.req.OnAttach == nil {
		return
	}
	x.recorded = true
	token, _ := json.Marshal(place{Task: x.task, Context: x.context}) // cannot fail for strings
	if len(token) <= wire.MaxToken {
		x.req.OnAttach(token)
	}
}

// snapshot reads a whole task.
func (x *exchange) snapshot(ev *event) (bool, error) {
	if ev.Status == nil {
		return false, fmt.Errorf("%w: a task has no status", errOffProtocol)
	}
	x.total = len(ev.Artifacts)
	old := 0
	if ev.ID == x.memory.Task {
		old = min(x.memory.Artifacts, len(ev.Artifacts))
	}
	if err := x.answer.snapshot(ev.Artifacts[old:]); err != nil {
		return false, err
	}
	if x.stale(ev, len(ev.Artifacts) > old) {
		return false, nil // the agent has not processed the answer yet
	}
	for _, m := range x.since(ev.History) {
		if m.Role == roleAgent && (x.memory.Question == "" || m.MessageID != x.memory.Question) {
			x.answer.progress = x.answer.message(m.Parts)
		}
	}
	return x.settle(ev.Status, ev.Metadata)
}

// since returns the messages of a history after the one that was sent, or all if it
// is not among them.
func (x *exchange) since(history []event) []event {
	id := x.messageID()
	for i := len(history) - 1; i >= 0; i-- {
		if history[i].MessageID == id {
			return history[i+1:]
		}
	}
	return history
}

// echoed reports whether a message is the one that was sent.
func (x *exchange) echoed(m *event) bool {
	return m != nil && m.Role == roleUser && (m.MessageID == x.messageID() || texts(m.Parts) == x.sent)
}

func texts(parts []part) string {
	var all []string
	for _, p := range parts {
		if p.kind() == "text" {
			all = append(all, p.Text)
		}
	}
	return strings.Join(all, blank)
}

// stale reports whether the task is still in the state before the answer that it
// was just sent. Agents drop the question from that state, and add artifacts before
// they change it: the state's time tells, or else whether there are any.
func (x *exchange) stale(ev *event, added bool) bool {
	if ev.ID != x.memory.Task || ev.Status.State != state(sdk.TaskStateInputRequired) {
		return false
	}
	if m := ev.Status.Message; m != nil && (m.MessageID == "" || m.MessageID != x.memory.Question) {
		return false
	}
	if x.memory.Asked != "" && ev.Status.Timestamp != "" {
		return x.memory.Asked == ev.Status.Timestamp
	}
	return !added
}

// settle handles a task's state, and reports whether the answer is complete.
func (x *exchange) settle(s *status, metadata json.RawMessage) (bool, error) {
	var failure *content
	if s.Message != nil && !x.echoed(s.Message) {
		failure = x.answer.message(s.Message.Parts)
	}
	switch sdk.TaskState(s.State) {
	case sdk.TaskStateCompleted:
		x.running, x.answer.closing = false, failure
		return true, nil
	case sdk.TaskStateInputRequired:
		x.running, x.answer.closing, x.asks, x.asked = false, failure, true, s.Timestamp
		if s.Message != nil {
			x.question = s.Message.MessageID
		}
		return true, nil
	case sdk.TaskStateFailed, sdk.TaskStateRejected, sdk.TaskStateCanceled, sdk.TaskStateAuthRequired:
		x.running = false
		return false, newStateError(s, failure, metadata)
	}
	if !failure.empty() {
		x.answer.progress = failure
	}
	return false, nil // submitted, working, or an unknown state
}

// A stateError is a task that ended without an answer, or that waits for something
// the executor cannot give.
type stateError struct {
	state   sdk.TaskState
	failure string
	// reason is the machine-readable cause.
	reason reason
}

func (e *stateError) Error() string {
	text := "the task has failed"
	switch e.state {
	case sdk.TaskStateRejected:
		text = "the agent has rejected the task"
	case sdk.TaskStateCanceled:
		text = "the task was cancelled"
	case sdk.TaskStateAuthRequired:
		text = "the task requires a login"
	}
	if e.failure != "" {
		text += ": " + conversation.Quote(e.failure)
	}
	return text
}

func newStateError(s *status, failure *content, metadata json.RawMessage) *stateError {
	e := &stateError{state: sdk.TaskState(s.State)}
	if failure != nil {
		e.failure = strings.TrimSpace(failure.text.String())
		e.reason.read(s.Message.Metadata)
		for _, d := range failure.data {
			e.reason.read(d)
		}
	}
	e.reason.read(metadata)
	return e
}
