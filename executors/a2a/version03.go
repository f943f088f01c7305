package a2a

import (
	"net/http"

	sdk "github.com/a2aproject/a2a-go/a2a"
)

// version03 is version 0.3. Its parts, messages and events have a kind, and its
// requests no header: an agent of a later version reads their lack as 0.3.
type version03 struct{}

func (version03) version() string { return Protocol03 }

func (version03) header(http.Header) {}

func (version03) method(op operation) string {
	return [...]string{opSend: "message/send", opStream: "message/stream", opGet: "tasks/get", opCancel: "tasks/cancel"}[op]
}

func (version03) send(m outgoing) any {
	var parts sdk.ContentParts
	for _, p := range m.parts {
		if p.data != nil {
			parts = append(parts, sdk.DataPart{Data: p.data})
		} else {
			parts = append(parts, sdk.TextPart{Text: p.text})
		}
	}
	blocking := false // to get the task's id before the task ends
	return &sdk.MessageSendParams{
		Message: &sdk.Message{
			ID: m.id, ContextID: m.context, TaskID: sdk.TaskID(m.task), Role: sdk.MessageRoleUser, Parts: parts,
		},
		Config: &sdk.MessageSendConfig{AcceptedOutputModes: m.accept, HistoryLength: &m.history, Blocking: &blocking},
	}
}

func (version03) get(task string, history int) any {
	q := sdk.TaskQueryParams{ID: sdk.TaskID(task)}
	if history > 0 {
		q.HistoryLength = &history
	}
	return q
}

func (version03) cancel(task string) any { return sdk.TaskIDParams{ID: sdk.TaskID(task)} }
