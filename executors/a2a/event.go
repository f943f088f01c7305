package a2a

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	sdk "github.com/a2aproject/a2a-go/a2a"
)

// An event is a message, a task, or an update of one, in either version of the
// protocol. Unlike the SDK's types it keeps data unchanged, with numbers of any
// length, and skips parts of unknown kinds.
type event struct {
	Kind      string          `json:"kind"`
	ContextID string          `json:"contextId"`
	Metadata  json.RawMessage `json:"metadata"`

	// Fields of a message.
	MessageID string `json:"messageId"`
	Role      role   `json:"role"`
	Parts     []part `json:"parts"`

	// Fields of a task; an update has some of them.
	ID        string     `json:"id"`
	TaskID    string     `json:"taskId"`
	Status    *status    `json:"status"`
	Artifacts []artifact `json:"artifacts"`
	History   []event    `json:"history"`
	Artifact  *artifact  `json:"artifact"`
	Append    bool       `json:"append"`
	// Final ends the stream of an agent of version 0.3.
	Final bool `json:"final"`
}

type status struct {
	State   state  `json:"state"`
	Message *event `json:"message"`
	// Timestamp is compared only.
	Timestamp string `json:"timestamp"`
}

type artifact struct {
	ID    string `json:"artifactId"`
	Name  string `json:"name"`
	Index int    `json:"index"` // identifies an artifact before version 0.2.6
	Parts []part `json:"parts"`
}

// key identifies the artifact within its task.
func (a *artifact) key() string {
	if a.ID != "" {
		return a.ID
	}
	return a.Name + "#" + strconv.Itoa(a.Index)
}

// A result is what an agent answers. In version 0.3 it is the event. In 1.0 one of
// the fields below has it, except for tasks that were asked for by id.
type result struct {
	event
	Task           *event `json:"task"`
	Message        *event `json:"message"`
	Msg            *event `json:"msg"` // the name in early 1.0
	StatusUpdate   *event `json:"statusUpdate"`
	ArtifactUpdate *event `json:"artifactUpdate"`
}

// readEvent reads a result of either version.
func readEvent(data json.RawMessage) (*event, error) {
	var r result
	if err := parse(data, &r); err != nil {
		return nil, err
	}
	for _, wrapped := range []struct {
		kind string
		ev   *event
	}{
		{kindTask, r.Task}, {kindMessage, cmp.Or(r.Message, r.Msg)},
		{kindStatusUpdate, r.StatusUpdate}, {kindArtifactUpdate, r.ArtifactUpdate},
	} {
		if wrapped.ev != nil {
			wrapped.ev.Kind = wrapped.kind
			return wrapped.ev, nil
		}
	}
	return &r.event, nil
}

// Kinds of events.
const (
	kindMessage        = "message"
	kindTask           = "task"
	kindStatusUpdate   = "status-update"
	kindArtifactUpdate = "artifact-update"
)

// kind returns the event's kind, derived from its fields if it states none.
func (e *event) kind() string {
	switch {
	case e.Kind != "":
		return e.Kind
	case e.Artifact != nil:
		return kindArtifactUpdate
	case e.Status != nil && e.TaskID != "":
		return kindStatusUpdate
	case e.Status != nil:
		return kindTask
	case e.Parts != nil:
		return kindMessage
	}
	return ""
}

// task returns the id of the event's task, or "".
func (e *event) task() string {
	if e.kind() == kindTask {
		return e.ID
	}
	return e.TaskID
}

// begins reports whether the event is a piece of the answer.
func (e *event) begins() bool {
	switch e.kind() {
	case kindMessage, kindArtifactUpdate:
		return true
	case kindTask:
		return len(e.Artifacts) > 0
	}
	return false
}

// A state is a task's state, in the words of version 0.3. An unknown one stays as it
// is.
type state sdk.TaskState

// states are those of version 1.0, by their number there.
var states = []state{
	"unspecified", state(sdk.TaskStateSubmitted), state(sdk.TaskStateWorking), state(sdk.TaskStateCompleted),
	state(sdk.TaskStateFailed), state(sdk.TaskStateCanceled), state(sdk.TaskStateInputRequired),
	state(sdk.TaskStateRejected), state(sdk.TaskStateAuthRequired),
}

// UnmarshalJSON reads a state of either version.
func (s *state) UnmarshalJSON(data []byte) error {
	word, err := enum(data, states)
	word = strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(word), "_", "-"), "task-state-")
	if word == "cancelled" {
		word = string(sdk.TaskStateCanceled)
	}
	*s = state(word)
	return err
}

// A role is the sender of a message.
type role string

const (
	roleUser  role = "user"
	roleAgent role = "agent"
)

// UnmarshalJSON reads a role of either version.
func (r *role) UnmarshalJSON(data []byte) error {
	word, err := enum(data, []role{"", roleUser, roleAgent})
	*r = role(strings.TrimPrefix(strings.ToLower(word), "role_"))
	return err
}

// enum reads a word, or the number that stands for one.
func enum[T ~string](data []byte, words []T) (string, error) {
	if bytes.Equal(data, []byte("null")) {
		return "", nil
	}
	var word string
	if data[0] == '"' {
		err := json.Unmarshal(data, &word)
		return word, err
	}
	n, err := strconv.Atoi(string(data))
	if err != nil {
		return "", fmt.Errorf("a state or role is neither a word nor a number")
	}
	if n >= 0 && n < len(words) {
		word = string(words[n])
	}
	return word, nil
}
