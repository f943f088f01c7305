package a2a

import "net/http"

// versionHeader states the version of a request. Without it, an agent assumes 0.3.
const versionHeader = "A2A-Version"

// version10 is version 1.0, in JSON as protobuf writes it.
type version10 struct {
	// tenant is the value of the card's interface, which each request repeats.
	tenant string
}

func (version10) version() string { return Protocol10 }

func (version10) header(h http.Header) { h.Set(versionHeader, Protocol10) }

func (version10) method(op operation) string {
	return [...]string{opSend: "SendMessage", opStream: "SendStreamingMessage", opGet: "GetTask", opCancel: "CancelTask"}[op]
}

type sendRequest10 struct {
	Tenant        string    `json:"tenant,omitempty"`
	Message       message10 `json:"message"`
	Configuration config10  `json:"configuration"`
}

type message10 struct {
	MessageID string   `json:"messageId"`
	ContextID string   `json:"contextId,omitempty"`
	TaskID    string   `json:"taskId,omitempty"`
	Role      string   `json:"role"`
	Parts     []part10 `json:"parts"`
}

// A part10 has no media type: one that the card does not name would be refused.
type part10 struct {
	Text string `json:"text,omitempty"`
	Data any    `json:"data,omitempty"`
}

type config10 struct {
	AcceptedOutputModes []string `json:"acceptedOutputModes,omitempty"`
	HistoryLength       int      `json:"historyLength"`
	// ReturnImmediately: to get the task's id before the task ends.
	ReturnImmediately bool `json:"returnImmediately"`
}

type taskRequest10 struct {
	Tenant        string `json:"tenant,omitempty"`
	ID            string `json:"id"`
	HistoryLength *int   `json:"historyLength,omitempty"`
}

func (v version10) send(m outgoing) any {
	out := sendRequest10{
		Tenant:        v.tenant,
		Message:       message10{MessageID: m.id, ContextID: m.context, TaskID: m.task, Role: "ROLE_USER"},
		Configuration: config10{AcceptedOutputModes: m.accept, HistoryLength: m.history, ReturnImmediately: true},
	}
	for _, p := range m.parts {
		if p.data != nil {
			out.Message.Parts = append(out.Message.Parts, part10{Data: p.data})
		} else {
			out.Message.Parts = append(out.Message.Parts, part10{Text: p.text})
		}
	}
	return out
}

func (v version10) get(task string, history int) any {
	q := taskRequest10{Tenant: v.tenant, ID: task}
	if history > 0 {
		q.HistoryLength = &history
	}
	return q
}

func (v version10) cancel(task string) any { return taskRequest10{Tenant: v.tenant, ID: task} }
