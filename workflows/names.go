package workflows

import (
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/spending"
)

// Names recorded in histories. Renaming one strands open runs.
const (
	ConversationName = "Conversation"
	InboxName        = "Inbox"
	LedgerName       = "Ledger"
	ActName          = "Act"

	// Queries.
	QueryTranscript = "transcript" // Conversation: TranscriptQuery -> Transcript
	QueryStatus     = "status"     // Conversation: Status; Inbox: InboxStatus

	// Updates of Conversation: EndRequest, PauseRequest, ResumeRequest,
	// TakeoverRequest, ApproveRequest, each answering with Status. Inbox has pause, resume and
	// stop, answering with InboxStatus.
	UpdateEnd      = "end"
	UpdatePause    = "pause"
	UpdateResume   = "resume"
	UpdateTakeover = "takeover"
	UpdateApprove  = "approve"
	UpdateSend     = "send" // SendRequest -> SendReply
	UpdateStop     = "stop"

	// SignalAttempt reports to a Conversation that an attempt at one of its steps has failed
	// and is followed by another: activities.AttemptReport.
	SignalAttempt = "attempt"

	// SignalAct records an act of an operator in the history of a Conversation or an Inbox:
	// ActRecord.
	SignalAct = "act"

	// A signal to Inbox: InboxSettings.
	SignalConfigure = "configure"

	// Ledger: a signal with []spending.Entry, and a query for the spending.Amount.
	SignalEntries = "entries"
	QueryTotal    = "total"
)

// DefaultTaskQueue is where workflows and activities meet unless configured
// otherwise.
const DefaultTaskQueue = "parley"

// ConversationID is the workflow id of a conversation. There is one function for
// it, so that two starters meet on one execution.
func ConversationID(ref conversation.Ref) string { return ref.String() }

// InboxID is the workflow id of the inbox of one agent.
func InboxID(platform, project, agent string) string {
	return strings.Join([]string{"inbox", platform, project, agent}, "/")
}

// LedgerID is the workflow id of what a budget has spent in a day.
func LedgerID(account spending.Account) string { return "budget/" + account.String() }
