// Package tools is the seam to what an agent can do besides writing messages. Tools
// come in sets: an MCP server, or Go functions. Each kind of set is a package below
// this one.
//
// An answer that arrived is a [Result], readable or not: a tool's failure, and also an
// answer that breaks the set's own protocol. The model receives it, and the call is
// never made again. An error means that there is no answer. If it is
// [conversation.Error.Ambiguous], the call may have been made and its answer was lost:
// it is made again, with the same key, only if the tool is [Offered.Repeatable]. Otherwise
// the call was provably not made.
package tools

import (
	"context"
	"encoding/json"
	"time"

	"github.com/parley-run/parley/conversation"
)

// A Set is a source of tools. Its methods are safe for concurrent use, return
// promptly once ctx is done, and never retry. Errors are [conversation.Error]
// values with the kind that fits; those of Call are Ambiguous unless the tool was
// provably not called.
type Set interface {
	// List describes the current tools.
	List(ctx context.Context) ([]conversation.Tool, error)
	// Call runs one.
	Call(ctx context.Context, call Call) (Result, error)
}

// A Checker is a set that can check its availability without calling a tool.
type Checker interface {
	Check(ctx context.Context) error
}

// Call is one call of a tool.
type Call struct {
	Conversation conversation.Ref
	// Name is the set's own name of the tool.
	Name      string
	Arguments json.RawMessage
	// Key is the same for every attempt of this call and different for any other.
	// It is derived from the workflow id, the turn and the index of the call, not
	// from the model's output. Tools that take an idempotency key receive it.
	Key string
	// Attempt counts attempts, from 1.
	Attempt int
}

// Result is the result of a tool.
type Result struct {
	Content string
	// IsError means that the tool failed in a way the model should know.
	IsError bool
}

// Rules restrict how a set's tools may be used. The zero value allows all, without
// approval.
type Rules struct {
	// Allow names the tools that may be called. Nil: all.
	Allow []string `yaml:"allow"`
	// Ask names the tools whose calls require an operator's approval; "*" is all.
	// Empty: none.
	Ask []string `yaml:"ask"`
	// Retry says which calls may be made again after their answer was lost. Nil: those
	// of tools that are declared repeatable.
	Retry Retry `yaml:"retry"`
	// Timeout bounds one attempt. Zero: DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
}

// DefaultTimeout bounds one attempt at a tool call.
const DefaultTimeout = time.Minute
