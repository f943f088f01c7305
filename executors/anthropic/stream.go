package anthropic

import (
	"context"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// stream requests a streamed answer. On an error, a holds the part received.
func (e *Executor) stream(ctx context.Context, w *modelcall.Watch, params sdk.MessageNewParams, a *answer, onDelta func(string), opts ...option.RequestOption) error {
	s := e.service.NewStreaming(ctx, params, opts...)
	defer func() { _ = s.Close() }()
	if s.Err() == nil {
		a.Usage.Calls = 1
	}
	for s.Next() {
		event := s.Current()
		w.Alive(startsAnswer(event))
		text := ""
		switch event.Type {
		case "message_start":
			a.begin(&event.Message)
		case "content_block_start":
			text = a.start(event.Index, event.ContentBlock)
		case "content_block_delta":
			text = a.goOn(event.Index, event.Delta)
		case "message_delta":
			u := event.Usage
			a.count(tokens{u.InputTokens, u.CacheReadInputTokens, u.CacheCreationInputTokens, u.OutputTokens})
			a.end(event.Delta.StopReason, event.Delta.StopDetails)
		}
		a.Text.WriteString(text)
		if a.Size() > e.cfg.MaxReplyBytes {
			return modelcall.ErrTooLarge
		}
		if onDelta != nil && text != "" {
			onDelta(text)
		}
	}
	switch err := s.Err(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && a.Finish == "":
		return err
	case a.Finish == "":
		return modelcall.ErrCutOff
	}
	// The answer is complete: a later failure does not matter.
	return nil
}

// startsAnswer reports whether the model has begun to think or write: the server
// sends message_start before that, and a block may begin with hidden thinking.
func startsAnswer(event sdk.MessageStreamEventUnion) bool {
	return event.Type == "content_block_delta" || event.Type == "message_delta"
}
