package a2a

import (
	"encoding/json"

	sdk "github.com/a2aproject/a2a-go/a2a"
)

// An event is a message, a task, or an update of one. Unlike the SDK's types it
// keeps data unchanged, with numbers of any length, and skips parts of unknown
// kinds.
type event struct {
	Kind      string          `json:"kind"`
	ContextID string          `json:"contextId"`
	Metadata  json.RawMessage `json:"metadata"`

	// Fields of a message.
	MessageID string `json:"messageId"`
	Role      string `json:"role"`
	Parts     []part `json:"parts"`

	// Fields of a task; an update has some of them.
	ID        string     `json:"id"`
	TaskID    string     `json:"taskId"`
	Status    *status    `json:"status"`
	Artifacts []artifact `json:"artifacts"`
	History   []event    `json:"history"`
	Artifact  *artifact  `json:"artifact"`
	Append    bool       `json:"append"`
}

type status struct {
	State   sdk.TaskState `json:"state"`
	Message *event        `json:"message"`
}

type artifact struct {
	ID    string `json:"artifactId"`
	Parts []part `json:"parts"`
}

type part struct {
	Kind string          `json:"kind"`
	Text string          `json:"text"`
	Data json.RawMessage `json:"data"`
	File *struct {
		URI string `json:"uri"`
	} `json:"file"`
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
