package gemini

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"google.golang.org/genai"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// errUnreadable replaces the SDK's error, which repeats the answer.
var errUnreadable = errors.New("the answer cannot be read")

// stream requests a streamed answer. On an error, a holds the part received.
func (e *Executor) stream(ctx context.Context, w *modelcall.Watch, contents []*genai.Content, config *genai.GenerateContentConfig, a *answer, onDelta func(string)) error {
	sent, _ := ctx.Value(exchangeKey{}).(*exchange)
	err := e.each(ctx, contents, config, func(piece *genai.GenerateContentResponse) error {
		w.Alive(startsAnswer(piece))
		text := a.add(piece)
		if a.Size() > e.cfg.MaxReplyBytes {
			return modelcall.ErrTooLarge
		}
		if onDelta != nil && text != "" {
			onDelta(text)
		}
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errWhole):
		return a.read(sent.whole)
	case known(err):
		return err
	case a.Finish != "":
		// The answer is complete: a later failure does not matter.
		return nil
	case sent.err != nil:
		return sent.err
	case err == nil:
		return modelcall.ErrCutOff
	case sent.answered && !errors.As(err, new(genai.APIError)):
		return errUnreadable
	}
	return err
}

// each calls f for every piece of the reply. The SDK panics on answers of an
// unexpected shape.
func (e *Executor) each(ctx context.Context, contents []*genai.Content, config *genai.GenerateContentConfig, f func(*genai.GenerateContentResponse) error) (err error) {
	inside := false // a panic of f is passed on
	defer func() {
		if !inside && recover() != nil {
			err = errUnreadable
		}
	}()
	for piece, err := range e.models.GenerateContentStream(ctx, e.cfg.Model, contents, config) {
		if err != nil {
			return err
		}
		inside = true
		err = f(piece)
		inside = false
		if err != nil {
			return err
		}
	}
	return nil
}

// known reports whether the transport ended the call.
func known(err error) bool {
	_, isForeign := modelcall.IsForeign(err)
	return isForeign || errors.Is(err, modelcall.ErrTooLarge) || errors.Is(err, modelcall.ErrInvalidUTF8)
}

// whole requests a whole answer.
func (e *Executor) whole(ctx context.Context, contents []*genai.Content, config *genai.GenerateContentConfig, a *answer) error {
	sent, _ := ctx.Value(exchangeKey{}).(*exchange)
	_, err := e.models.GenerateContent(ctx, e.cfg.Model, contents, config)
	if errors.Is(err, errWhole) {
		return a.read(sent.whole)
	}
	return err
}

// read reads a whole answer.
func (a *answer) read(data []byte) error {
	if failure := errorIn(data); failure != nil {
		return failure
	}
	if string(bytes.TrimSpace(data)) == "null" { // the SDK panics on it
		return modelcall.ErrNoAnswer
	}
	var r genai.GenerateContentResponse
	if err := json.Unmarshal(data, &r); err != nil {
		return errUnreadable
	}
	a.add(&r)
	return nil
}

// startsAnswer reports whether the model has begun to think or write.
func startsAnswer(r *genai.GenerateContentResponse) bool {
	for _, c := range r.Candidates {
		if c != nil && (c.FinishReason != "" || c.Content != nil && len(c.Content.Parts) > 0) {
			return true
		}
	}
	return r.PromptFeedback != nil
}
