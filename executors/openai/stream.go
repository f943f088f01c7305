package openai

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

var errCutOff = errors.New("the stream ended before the answer did")

// stream asks for the reply piece by piece. What has come is in a even if an
// error is returned.
func (e *Executor) stream(ctx context.Context, w *watch, params sdk.ChatCompletionNewParams, a *answer, onDelta func(string), opts ...option.RequestOption) error {
	s := e.chat.NewStreaming(ctx, params, opts...)
	defer func() { _ = s.Close() }()
	if s.Err() == nil {
		a.usage.Calls = 1
	}
	for s.Next() {
		chunk := s.Current()
		if chunk.Model != "" {
			a.model = chunk.Model
		}
		a.count(chunk.Usage)
		w.alive(startsAnswer(chunk))
		if len(chunk.Choices) == 0 {
			continue
		}
		choice := chunk.Choices[0]
		a.text.WriteString(choice.Delta.Content)
		a.refusal.WriteString(choice.Delta.Refusal)
		if a.text.Len()+a.refusal.Len() > e.cfg.MaxReplyBytes {
			return errTooLarge
		}
		if choice.FinishReason != "" {
			a.finish = choice.FinishReason
		}
		if onDelta != nil && choice.Delta.Content != "" {
			onDelta(choice.Delta.Content)
		}
	}
	switch err := s.Err(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && a.finish == "":
		return err
	case a.finish == "":
		return errCutOff
	}
	// The answer is complete. What went wrong after it, if anything did, has
	// cost no more than the count of tokens.
	return nil
}

// startsAnswer reports whether the model has begun to think or speak: servers
// send a chunk with no more than the role as soon as the request has arrived.
func startsAnswer(chunk sdk.ChatCompletionChunk) bool {
	for _, c := range chunk.Choices {
		if c.Delta.Content != "" || c.Delta.Refusal != "" || c.FinishReason != "" || len(c.Delta.ToolCalls) > 0 {
			return true
		}
		for _, f := range c.Delta.JSON.ExtraFields { // reasoning goes by several names
			if raw := f.Raw(); raw != "null" && raw != `""` && raw != "" {
				return true
			}
		}
	}
	return false
}

// A timeoutError says which of the timers ran out.
type timeoutError struct {
	key   string
	what  string
	limit time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("%s within %v (%s)", e.what, e.limit, e.key)
}

// A watch cancels a call's context, with a timeoutError as its cause, when one
// of the timers runs out.
type watch struct {
	cancel context.CancelCauseFunc
	total  *time.Timer
	gap    time.Duration

	mu      sync.Mutex
	started bool
	next    *time.Timer // nil: not streaming
}

func newWatch(ctx context.Context, cfg Config) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel, gap: cfg.GapTimeout}
	w.total = time.AfterFunc(cfg.Timeout, func() {
		cancel(&timeoutError{"timeout", "the answer was not complete", cfg.Timeout})
	})
	if *cfg.Stream {
		w.mu.Lock() // the timer may fire before it is stored
		defer w.mu.Unlock()
		w.next = time.AfterFunc(cfg.FirstTokenTimeout, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.started {
				cancel(&timeoutError{"gap_timeout", "the answer did not go on", cfg.GapTimeout})
			} else {
				cancel(&timeoutError{"first_token_timeout", "the answer did not begin", cfg.FirstTokenTimeout})
			}
		})
	}
	return ctx, w
}

// alive notes a sign of life. The gap counts once the answer has begun.
func (w *watch) alive(begins bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started = w.started || begins
	if w.started && w.next != nil {
		w.next.Reset(w.gap)
	}
}

func (w *watch) stop() {
	w.total.Stop()
	w.mu.Lock()
	if w.next != nil {
		w.next.Stop()
	}
	w.mu.Unlock()
	w.cancel(nil)
}
