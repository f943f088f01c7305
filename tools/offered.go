package tools

import (
	"time"

	"github.com/parley-run/parley/conversation"
)

// Offered is a tool as one agent is offered it.
type Offered struct {
	// Tool is what the model is told. Its name is fit for every vendor, and unique
	// among what the agent is offered.
	Tool conversation.Tool
	// Set and Name are where the tool is found.
	Set  string
	Name string
	// Ask means that a person must approve each call.
	Ask bool
	// Timeout bounds one attempt.
	Timeout time.Duration
}
