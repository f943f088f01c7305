package openai

import (
	"context"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// stream requests a streamed answer. On an error, a holds the part received.
func (e *Executor) stream(ctx context.Context, w *modelcall.Watch, params sdk.ChatCompletionNewParams, a *answer, onDelta func(string), opts ...option.RequestOption) error {
	s := e.chat.NewStreaming(ctx, params, opts...)
	defer func() { _ = s.Close() }()
	if s.Err() == nil {
		a.Usage.Calls = 1
	}
	for s.Next() {
		chunk := s.Current()
		if chunk.Model != "" {
			a.Model = chunk.Model
		}
		a.count(chunk.Usage)
		w.Alive(startsAnswer(chunk))
		if len(chunk.Choices) == 0 {
			continue
		}
		choice := chunk.Choices[0]
		a.Text.WriteString(choice.Delta.Content)
		a.refusal.WriteString(choice.Delta.Refusal)
		for _, c := range choice.Delta.ToolCalls {
			a.addCall(c.Index, c.ID, c.Function.Name, c.Function.Arguments)
		}
		if a.length() > e.cfg.MaxReplyBytes {
			return modelcall.ErrTooLarge
		}
		if choice.FinishReason != "" {
			a.Finish = finishReason(choice.FinishReason)
		}
		if onDelta != nil && choice.Delta.Content != "" {
			onDelta(choice.Delta.Content)
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
	// The answer is complete: a later failure loses at most the usage.
	return nil
}

// startsAnswer reports whether the model has begun to think or write: servers send
// a chunk with only the role when the request arrives.
func startsAnswer(chunk sdk.ChatCompletionChunk) bool {
	for _, c := range chunk.Choices {
		if c.Delta.Content != "" || c.Delta.Refusal != "" || c.FinishReason != "" || len(c.Delta.ToolCalls) > 0 {
			return true
		}
		for _, f := range c.Delta.JSON.ExtraFields { // servers name reasoning fields differently
			if raw := f.Raw(); raw != "null" && raw != `""` && raw != "" {
				return true
			}
		}
	}
	return false
}
