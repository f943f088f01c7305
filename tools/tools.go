// Package tools is the seam to what an agent can do beside talking. Tools come in
// sets: an MCP server, or Go functions. Each kind is a package below this one.
//
// A tool's own failure is a [Result] that the model is shown; an error means that
// nobody knows what the tool would have said, and the call is tried again with
// the same key.
package tools

import (
	"context"
	"encoding/json"
	"time"

	"github.com/parley-run/parley/conversation"
)

// A Set is a source of tools. Its methods are safe for concurrent use, return
// promptly once ctx is done, and never retry. Errors are [conversation.Error]
// values with the kind that fits.
type Set interface {
	// List describes the tools there are now.
	List(ctx context.Context) ([]conversation.Tool, error)
	// Call runs one.
	Call(ctx context.Context, call Call) (Result, error)
}

// A Checker is a set that can tell cheaply whether it could work now.
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
	// It is made of the workflow id, the turn and the place of the call, not of
	// what the model wrote. Tools that take an idempotency key are given it.
	Key string
	// Attempt counts tries, from 1.
	Attempt int
}

// Result is what a tool gave.
type Result struct {
	Content string
	// IsError means that the tool failed in a way the model should know of.
	IsError bool
}

// Rules say how a set's tools may be used.
type Rules struct {
	// Allow names the tools that may be called. Nil: all.
	Allow []string `yaml:"allow"`
	// Ask names the tools whose calls wait for a person's approval; "*" is all.
	Ask []string `yaml:"ask"`
	// Timeout bounds one attempt. Zero: a minute.
	Timeout time.Duration `yaml:"timeout"`
}

// DefaultTimeout bounds one attempt at a tool call.
const DefaultTimeout = time.Minute
