package modelstandin

import "sync"

// An a2aTask is what an agent works on.
type a2aTask struct {
	id, context, text string
	polls             int
}

// done is how often a task is asked for until it is done.
const done = 2

// An a2aEvent is a message, a task or an update of one, in the words of version 0.3.
type a2aEvent struct {
	kind, context, id string
	text              string // a task has it in its artifact
	state             string
	more              bool // the text continues the artifact
}

// events are the task from its beginning to its end.
func (t a2aTask) events() []a2aEvent {
	ev := func(kind, state, text string, more bool) a2aEvent {
		return a2aEvent{kind: kind, context: t.context, id: t.id, state: state, text: text, more: more}
	}
	pieces := halves(t.text)
	return []a2aEvent{
		ev("task", "submitted", "", false), ev("status-update", "working", "", false),
		ev("artifact-update", "", pieces[0], false), ev("artifact-update", "", pieces[1], true),
		ev("status-update", "completed", "", false),
	}
}

// event is the task as it is.
func (t a2aTask) event() a2aEvent {
	out := a2aEvent{kind: "task", context: t.context, id: t.id, state: "working"}
	if t.polls >= done {
		out.state, out.text = "completed", t.text
	}
	return out
}

// fields are the event's, with its part, state and role in a version's words.
func (ev a2aEvent) fields(part fields, state, role string) fields {
	artifact := fields{"artifactId": "artifact_1", "parts": []any{part}}
	switch ev.kind {
	case "message":
		return fields{"messageId": ev.id, "contextId": ev.context, "role": role, "parts": []any{part}}
	case "task":
		out := fields{"id": ev.id, "contextId": ev.context, "status": fields{"state": state}}
		if ev.text != "" {
			out["artifacts"] = []any{artifact}
		}
		return out
	case "artifact-update":
		return fields{"taskId": ev.id, "contextId": ev.context, "append": ev.more, "lastChunk": ev.more, "artifact": artifact}
	}
	return fields{"taskId": ev.id, "contextId": ev.context, "status": fields{"state": state}}
}

// a2aTasks are an agent's tasks.
type a2aTasks struct {
	mu  sync.Mutex
	all map[string]*a2aTask
}

func (a *a2aTasks) put(t a2aTask) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[t.id] = &t
}

// poll returns a task that has been asked for once more.
func (a *a2aTasks) poll(id string) (a2aTask, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, known := a.all[id]
	if !known {
		return a2aTask{}, false
	}
	t.polls++
	return *t, true
}
