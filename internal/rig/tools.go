package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/tools"
)

// Toolbox is one tool set, which counts its calls by key.
type Toolbox struct {
	// Tools are offered to every agent that names the set.
	Tools []tools.Offered
	// OnCall answers. Nil: "<name> says <arguments>".
	OnCall func(ctx context.Context, call tools.Call) (tools.Result, error)

	mu    sync.Mutex
	calls map[string]int
}

// ToolSet is the toolbox's name.
const ToolSet = "box"

// NewToolbox offers tools of these names; those in ask wait for approval.
func NewToolbox(names []string, ask ...string) *Toolbox {
	b := &Toolbox{calls: map[string]int{}}
	asked := map[string]bool{}
	for _, name := range ask {
		asked[name] = true
	}
	for _, name := range names {
		b.Tools = append(b.Tools, tools.Offered{
			Tool: conversation.Tool{Name: name, Description: "test", Schema: json.RawMessage(`{"type":"object"}`)},
			Set:  ToolSet, Name: name, Ask: asked[name],
		})
	}
	return b
}

// Offer implements activities.Tools.
func (b *Toolbox) Offer(_ context.Context, sets []string) ([]tools.Offered, error) {
	if set, name, one := strings.Cut(strings.Join(sets, " "), "/"); set == ToolSet {
		return slices.DeleteFunc(slices.Clone(b.Tools), func(o tools.Offered) bool { return one && o.Name != name }), nil
	}
	return nil, fmt.Errorf("no such sets: %v", sets)
}

// Call implements activities.Tools.
func (b *Toolbox) Call(ctx context.Context, _ string, call tools.Call) (tools.Result, error) {
	b.mu.Lock()
	b.calls[call.Key]++
	b.mu.Unlock()
	if b.OnCall != nil {
		return b.OnCall(ctx, call)
	}
	return tools.Result{Content: fmt.Sprintf("%s says %s", call.Name, call.Arguments)}, nil
}

// Calls returns how often each key was called.
func (b *Toolbox) Calls() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]int{}
	for key, n := range b.calls {
		out[key] = n
	}
	return out
}

// CallsTools is a reply that calls tools of these names.
func CallsTools(names ...string) executors.Result {
	m := conversation.Message{Role: conversation.RoleAssistant}
	for i, name := range names {
		m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{
			ID: fmt.Sprintf("%s-%d", name, i), Name: name, Arguments: json.RawMessage(`{"n":1}`),
		}})
	}
	return executors.Result{Message: m, FinishReason: executors.FinishToolCall, Usage: conversation.Usage{Calls: 1}}
}
