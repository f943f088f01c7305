package ui

import (
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// A mark is a short text with the class of its colour.
type mark struct {
	Text  string
	Class string // "good", "bad", "needs", "runs" or "quiet"
}

// label is the state of a conversation: how it ended, or else what it does.
func label(c *records.Conversation) mark {
	switch {
	case c.Outcome != "":
		return mark{visible(c.Result()), outcomeClass(c.Outcome)}
	case !c.Open && c.Status == string(workflows.StateClosed):
		return mark{"closed", "quiet"}
	case !c.Open:
		return mark{line(words(c.Status), 40), "bad"}
	}
	return mark{line(words(c.Status), 40), statusClass(c)}
}

func outcomeClass(kind conversation.OutcomeKind) string {
	switch kind {
	case conversation.OutcomeEnded:
		return "good"
	case conversation.OutcomeClaimLost:
		return "quiet"
	case conversation.OutcomeFailed:
		return "bad"
	}
	return "warn"
}

func statusClass(c *records.Conversation) string {
	switch {
	case c.Status == string(workflows.StatePaused):
		return "quiet"
	case waits(c):
		return "needs"
	case c.Status == string(workflows.StateWaiting):
		return "quiet"
	}
	return "runs"
}
