package assemble

import (
	"context"
	"log/slog"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/platforms"
)

// rotatingPlatform is a platform whose keys are replaced, of the shape and with the powers
// of the first one. Transports keep a connection of their own and are left as they
// are.
func rotatingPlatform(name string, log *slog.Logger, from config.Settings, first platforms.Platform, remake func(config.Settings) (platforms.Platform, error)) platforms.Platform {
	is, err := platforms.ShapeOf(first)
	if err != nil || is.Transport != nil {
		return first
	}
	r := rotate("platform "+name, log, from, first, remake)
	if r == nil {
		return first
	}
	base := rotatingBase{r}
	source, listener := has[platforms.Source](first), has[platforms.Listener](first)
	if !source || listener { // the wrapper would lose or add a power
		return first
	}
	if is.Tasks != nil {
		return rotatingTasks{base}
	}
	return rotatingConversations{base}
}

func has[T any](p platforms.Platform) bool {
	_, ok := platforms.As[T](p)
	return ok
}

type rotatingConversations struct{ rotatingBase }

var _ platforms.Conversations = rotatingConversations{}

// onConversations makes a call on the current platform.
func onConversations[R any](p rotatingConversations, call func(platforms.Conversations) (R, error)) (R, error) {
	return withKey(p.r, func(x platforms.Platform) (R, error) {
		is, err := platforms.ShapeOf(x)
		if err != nil {
			var none R
			return none, err
		}
		return call(is.Conversations)
	})
}

func (p rotatingConversations) Claim(ctx context.Context, ref conversation.Ref) error {
	_, err := onConversations(p, func(c platforms.Conversations) (struct{}, error) { return struct{}{}, c.Claim(ctx, ref) })
	return err
}

func (p rotatingConversations) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	return onConversations(p, func(c platforms.Conversations) (conversation.Context, error) { return c.Context(ctx, ref) })
}

func (p rotatingConversations) Transcript(ctx context.Context, ref conversation.Ref) (platforms.Transcript, error) {
	return onConversations(p, func(c platforms.Conversations) (platforms.Transcript, error) { return c.Transcript(ctx, ref) })
}

func (p rotatingConversations) Send(ctx context.Context, ref conversation.Ref, in platforms.Send) (platforms.Reply, error) {
	return onConversations(p, func(c platforms.Conversations) (platforms.Reply, error) { return c.Send(ctx, ref, in) })
}

func (p rotatingConversations) End(ctx context.Context, ref conversation.Ref) error {
	_, err := onConversations(p, func(c platforms.Conversations) (struct{}, error) { return struct{}{}, c.End(ctx, ref) })
	return err
}

type rotatingTasks struct{ rotatingBase }

var _ platforms.Tasks = rotatingTasks{}

func onTasks[R any](p rotatingTasks, call func(platforms.Tasks) (R, error)) (R, error) {
	return withKey(p.r, func(x platforms.Platform) (R, error) {
		is, err := platforms.ShapeOf(x)
		if err != nil {
			var none R
			return none, err
		}
		return call(is.Tasks)
	})
}

func (p rotatingTasks) Claim(ctx context.Context, ref conversation.Ref, claim platforms.Claim) (platforms.Receipt, error) {
	return onTasks(p, func(t platforms.Tasks) (platforms.Receipt, error) { return t.Claim(ctx, ref, claim) })
}

func (p rotatingTasks) FindClaim(ctx context.Context, ref conversation.Ref, claim platforms.Claim) (platforms.Receipt, error) {
	return onTasks(p, func(t platforms.Tasks) (platforms.Receipt, error) { return t.FindClaim(ctx, ref, claim) })
}

func (p rotatingTasks) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	return onTasks(p, func(t platforms.Tasks) (conversation.Context, error) { return t.Context(ctx, ref) })
}

func (p rotatingTasks) Cancelled(ctx context.Context, ref conversation.Ref, receipt platforms.Receipt) (bool, error) {
	return onTasks(p, func(t platforms.Tasks) (bool, error) { return t.Cancelled(ctx, ref, receipt) })
}

func (p rotatingTasks) Report(ctx context.Context, ref conversation.Ref, report platforms.Report) error {
	_, err := onTasks(p, func(t platforms.Tasks) (struct{}, error) { return struct{}{}, t.Report(ctx, ref, report) })
	return err
}
