package activities

import (
	"fmt"
	"hash/fnv"

	"github.com/parley-run/parley/conversation"
)

// Digest names a transcript: it extends prev, the digest of the messages before,
// by one message after the other. It distinguishes a worker's cached transcript from
// another one (a retry that was answered differently, an operator's answer). It protects
// against no attack. The digest of nothing is empty.
//
// The workflow records it: the function must not change.
func Digest(prev string, messages ...conversation.Message) string {
	for _, m := range messages {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s\x00%s\x00", prev, m.Role)
		for _, p := range m.Parts {
			fmt.Fprintf(h, "%s\x00%s\x00%s\x00", p.Type, p.Text, p.Data)
			if p.ToolCall != nil {
				fmt.Fprintf(h, "%s\x00%s\x00%s\x00", p.ToolCall.ID, p.ToolCall.Name, p.ToolCall.Arguments)
			}
			if p.ToolResult != nil {
				fmt.Fprintf(h, "%s\x00%s\x00%t\x00", p.ToolResult.CallID, p.ToolResult.Content, p.ToolResult.IsError)
			}
		}
		prev = fmt.Sprintf("%016x", h.Sum64())
	}
	return prev
}
