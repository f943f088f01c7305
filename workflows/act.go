package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// An ActRecord is what an operator did where no update of the workflow concerned
// records it. It is the argument of SignalAct and the input of Act. Readers of histories
// use it; no workflow depends on it.
type ActRecord struct {
	// ID tells two acts from one that Temporal has repeated in a run that was reset.
	ID     string `json:"id"`
	Action string `json:"action"`
	// By is the operator. Empty: not known.
	By string `json:"by,omitempty"`
	// Conversation and Inbox are workflow ids, and Schedule is a name: one of them is set.
	Conversation string `json:"conversation,omitempty"`
	Inbox        string `json:"inbox,omitempty"`
	Schedule     string `json:"schedule,omitempty"`
	// Detail is for operators. That of an erasure has no text of a person.
	Detail string `json:"detail,omitempty"`
}

// Subject is what was acted on.
func (r ActRecord) Subject() string {
	switch {
	case r.Schedule != "":
		return "schedule/" + r.Schedule
	case r.Inbox != "":
		return r.Inbox
	}
	return r.Conversation
}

// Act keeps the record of an act on something that has no history, for the retention of
// the namespace: an erased conversation, or a schedule. The record is there once the
// workflow has started, also without a worker.
func Act(ctx workflow.Context, in ActRecord) error {
	by := in.By
	if by == "" {
		by = "unknown"
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s** `%s` by `%s`\n", in.Action, in.Subject(), strings.ReplaceAll(by, "`", "'")))
	return nil
}

// maxActSubject bounds the part of an Act's workflow id that names its subject: Temporal
// takes ids of 1000 bytes.
const maxActSubject = 900

// ActID is the workflow id of the record of one act.
func ActID(r ActRecord) string { return ActPrefix(r.Subject()) + r.Action + "/" + r.ID }

// ActPrefix is what the workflow ids of all records of acts on a subject begin with.
func ActPrefix(subject string) string {
	if len(subject) > maxActSubject || !conversation.ValidInWorkflowID(subject) {
		sum := sha256.Sum256([]byte(subject))
		subject = hex.EncodeToString(sum[:])
	}
	return "act/" + subject + "/"
}

// dropActs takes the records of acts that have arrived: they are in the history.
func dropActs(ctx workflow.Context) {
	var r ActRecord
	for workflow.GetSignalChannel(ctx, SignalAct).ReceiveAsync(&r) {
	}
}
