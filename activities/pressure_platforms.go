package activities

import (
	"context"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// measured counts one call for a conversation or an inbox.
func measured[T any](ctx context.Context, m *meter, call, subject string, do func() (T, error)) (T, error) {
	began := time.Now()
	out, err := do()
	m.note(ctx, call, subject, began, err)
	return out, err
}

func measuredCall(ctx context.Context, m *meter, call, subject string, do func() error) error {
	_, err := measured(ctx, m, call, subject, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// measuredConversations counts the calls on a platform of conversations.
type measuredConversations struct {
	platforms.Conversations
	m *meter
}

func (p measuredConversations) Claim(ctx context.Context, ref conversation.Ref) error {
	return measuredCall(ctx, p.m, "claim", ref.String(), func() error { return p.Conversations.Claim(ctx, ref) })
}

func (p measuredConversations) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	return measured(ctx, p.m, "context", ref.String(), func() (conversation.Context, error) { return p.Conversations.Context(ctx, ref) })
}

func (p measuredConversations) Transcript(ctx context.Context, ref conversation.Ref) (platforms.Transcript, error) {
	return measured(ctx, p.m, "transcript", ref.String(), func() (platforms.Transcript, error) { return p.Conversations.Transcript(ctx, ref) })
}

func (p measuredConversations) Send(ctx context.Context, ref conversation.Ref, in platforms.Send) (platforms.Reply, error) {
	return measured(ctx, p.m, callSend, ref.String(), func() (platforms.Reply, error) { return p.Conversations.Send(ctx, ref, in) })
}

func (p measuredConversations) End(ctx context.Context, ref conversation.Ref) error {
	return measuredCall(ctx, p.m, "end", ref.String(), func() error { return p.Conversations.End(ctx, ref) })
}

// measuredTasks counts the calls on a platform of tasks.
type measuredTasks struct {
	platforms.Tasks
	m *meter
}

func (p measuredTasks) Claim(ctx context.Context, ref conversation.Ref, claim platforms.Claim) (platforms.Receipt, error) {
	return measured(ctx, p.m, "claim", ref.String(), func() (platforms.Receipt, error) { return p.Tasks.Claim(ctx, ref, claim) })
}

func (p measuredTasks) FindClaim(ctx context.Context, ref conversation.Ref, claim platforms.Claim) (platforms.Receipt, error) {
	return measured(ctx, p.m, "find claim", ref.String(), func() (platforms.Receipt, error) { return p.Tasks.FindClaim(ctx, ref, claim) })
}

func (p measuredTasks) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	return measured(ctx, p.m, "context", ref.String(), func() (conversation.Context, error) { return p.Tasks.Context(ctx, ref) })
}

func (p measuredTasks) Cancelled(ctx context.Context, ref conversation.Ref, receipt platforms.Receipt) (bool, error) {
	return measured(ctx, p.m, "cancelled", ref.String(), func() (bool, error) { return p.Tasks.Cancelled(ctx, ref, receipt) })
}

func (p measuredTasks) Report(ctx context.Context, ref conversation.Ref, report platforms.Report) error {
	return measuredCall(ctx, p.m, "report", ref.String(), func() error { return p.Tasks.Report(ctx, ref, report) })
}

// measuredSource counts the listings of an inbox. The faults of single rows do not count:
// they may be old.
type measuredSource struct {
	platforms.Source
	m     *meter
	inbox string
}

func (p measuredSource) Assigned(ctx context.Context, project, agent string) ([]platforms.Assignment, error) {
	return p.list(ctx, "list", func() ([]platforms.Assignment, error) { return p.Source.Assigned(ctx, project, agent) })
}

func (p measuredSource) Open(ctx context.Context, project, agent string) ([]platforms.Assignment, error) {
	return p.list(ctx, "list open", func() ([]platforms.Assignment, error) { return p.Source.Open(ctx, project, agent) })
}

func (p measuredSource) list(ctx context.Context, call string, do func() ([]platforms.Assignment, error)) ([]platforms.Assignment, error) {
	began := time.Now()
	out, err := do()
	_, whole := platforms.RowErrors(err)
	p.m.note(ctx, call, p.inbox, began, whole)
	return out, err
}
