package openai

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// maxID bounds the ids of responses that are kept: the state is small.
const maxID = 512

// A memory is the executor's state: the last response.
type memory struct {
	Response string `json:"response"`
	// Calls is a digest of the ids of the tool calls in it; empty: none.
	Calls string `json:"calls,omitempty"`
}

// An exchange is one request through the Responses API.
type exchange struct {
	*Executor
	req   executors.Request
	watch *modelcall.Watch
	a     *answer
	opts  []option.RequestOption
	tools []responses.ToolUnionParam
	// id is the response's, once known.
	id string
	// background means that the provider continues the response if we disconnect.
	background bool
	// item is the last one with text.
	item int64
	// before is the text passed to OnDelta from a stream that broke off. Mute means
	// that the new answer differs from it, so OnDelta is not called.
	before string
	mute   bool
}

// respond calls the model through the Responses API.
func (e *Executor) respond(ctx context.Context, w *modelcall.Watch, req executors.Request, a *answer, tools []responses.ToolUnionParam, opts []option.RequestOption) (*exchange, error) {
	begin := func() *exchange {
		x := &exchange{Executor: e, req: req, watch: w, a: a, tools: tools, opts: opts, item: -1, background: e.cfg.Background}
		e.reset(a, req, x.deliver)
		return x
	}
	x := begin()
	if r, ok := recall(req.Attach); ok {
		if err := x.attach(ctx, r); !errors.Is(err, errGone) {
			return x, err
		}
		a.Usage = conversation.Usage{} // it was counted when the run ended
		failure := x.before
		x = begin()
		x.before = failure
	}
	previous, news := e.continues(req)
	err := x.create(ctx, previous, news)
	if previous != "" && forgotten(err) {
		all, _ := modelcall.Window(req, e.cfg.MaxHistoryMessages)
		err = x.create(ctx, "", conversation.Alternating(all))
	}
	return x, err
}

// continues returns the response that the request follows, and the messages after
// it. Without one it returns all messages.
func (e *Executor) continues(req executors.Request) (previous string, news []conversation.Message) {
	all, whole := modelcall.Window(req, e.cfg.MaxHistoryMessages)
	all = conversation.Alternating(all)
	var m memory
	if !*e.cfg.Store || !whole || len(req.State) == 0 || json.Unmarshal(req.State, &m) != nil || m.Response == "" {
		return "", all
	}
	news = req.Messages[len(req.Messages)-min(max(req.New, 0), len(req.Messages)):]
	if m.Calls != "" {
		// The provider has the calls and waits for their results.
		at := -1
		for i, message := range news {
			if callsDigest(message) == m.Calls {
				at = i
			}
		}
		if at < 0 {
			return "", all
		}
		news = news[at+1:]
	}
	if len(items(news)) == 0 {
		return "", all
	}
	return m.Response, news
}

// state returns what the next request needs to follow this answer. Nil: the next
// request carries the conversation.
func (x *exchange) state(m conversation.Message) json.RawMessage {
	if !*x.cfg.Store || x.id == "" || len(x.id) > maxID || x.a.cut {
		return nil
	}
	out, _ := json.Marshal(memory{Response: x.id, Calls: callsDigest(m)}) // cannot fail for strings
	return out
}

func callsDigest(m conversation.Message) string {
	calls := m.ToolCalls()
	if len(calls) == 0 {
		return ""
	}
	hash := sha256.New()
	for _, c := range calls {
		_, _ = hash.Write([]byte(c.ID + "\n"))
	}
	return hex.EncodeToString(hash.Sum(nil)[:12])
}

// forgotten reports whether the provider does not have the response that the
// request follows. Such a request costs nothing.
func forgotten(err error) bool {
	var failure *statusError
	return errors.As(err, &failure) && (failure.Status == http.StatusNotFound || failure.Status == http.StatusBadRequest) &&
		(failure.Report.Is("previous_response_not_found") || failure.Report.Param == "previous_response_id")
}

func (x *exchange) params(previous string, news []conversation.Message) responses.ResponseNewParams {
	input := items(news)
	if previous == "" {
		input = x.conversationItems(news)
	}
	p := responses.ResponseNewParams{
		Model: x.cfg.Model,
		Store: sdk.Bool(*x.cfg.Store),
		Input: responses.ResponseNewParamsInputUnion{OfInputItemList: input},
		Tools: x.tools,
	}
	if previous != "" {
		p.PreviousResponseID = sdk.String(previous)
	}
	if x.cfg.Instructions != "" { // a previous response's instructions do not carry over
		p.Instructions = sdk.String(x.cfg.Instructions)
	}
	if t := x.cfg.Temperature; t != nil {
		p.Temperature = sdk.Float(*t)
	}
	if n := int64(x.cfg.MaxOutputTokens); n > 0 {
		p.MaxOutputTokens = sdk.Int(n)
	}
	if x.cfg.Background {
		p.Background = sdk.Bool(true)
	}
	return p
}

// create requests a new response.
func (x *exchange) create(ctx context.Context, previous string, news []conversation.Message) error {
	body, opts := x.params(previous, news), x.opts[:len(x.opts):len(x.opts)]
	if *x.cfg.Stream {
		opts = append(opts, streamed...)
	}
	in, err := x.receive(*x.cfg.Stream, x.repeats(), func(res **http.Response, more ...option.RequestOption) error {
		return x.asking.Post(ctx, "responses", body, res, append(opts, more...)...)
	})
	return x.read(ctx, in, err)
}

// created records the response's id, and passes it to OnAttach if a later attempt
// can find the response by it.
func (x *exchange) created(id string, streamed bool) {
	if !x.background {
		x.a.Usage.Calls = 1
	}
	if id == "" || len(id) > maxID || x.id != "" {
		return
	}
	x.id = id
	if x.background && x.req.OnAttach != nil {
		token, _ := json.Marshal(run{Response: id, Streamed: streamed}) // cannot fail for a string and a bool
		x.req.OnAttach(token)
	}
}

// read reads a response, whole or streamed. If the stream of a background run breaks off,
// read polls the run.
func (x *exchange) read(ctx context.Context, in incoming, err error) error {
	switch {
	case err != nil:
	case in.events == nil:
		r, err := parseResponse(in.whole)
		if err != nil {
			return err
		}
		x.created(r.ID, false)
		return x.settle(ctx, r)
	default:
		err = x.stream(ctx, in.events)
	}
	if err != nil && x.background && x.id != "" && ctx.Err() == nil && brokeOff(err) {
		return x.poll(ctx)
	}
	return err
}

func brokeOff(err error) bool {
	var failure *statusError
	return !errors.As(err, &failure) && !errors.Is(err, modelcall.ErrTooLarge) && !errors.Is(err, modelcall.ErrWebPage)
}

// stream reads events until the response has ended.
func (x *exchange) stream(ctx context.Context, events *modelcall.Events) error {
	defer func() { _ = events.Close() }()
	if !x.background {
		x.a.Usage.Calls = 1
	}
	for {
		raw, err := events.Next()
		switch {
		case errors.Is(err, modelcall.ErrTooLarge):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF) && x.a.empty() && events.Stray() != "":
			return errorInside([]byte(events.Stray()))
		case errors.Is(err, io.EOF):
			return modelcall.ErrCutOff
		case err != nil:
			return err
		case raw.Done() && x.a.empty():
			return modelcall.ErrCutOff
		case raw.Done(): // some servers send no event for the end
			return nil
		}
		if len(raw.Data) == 0 || raw.Data[0] != '{' { // a sign of life
			if err := events.Progress(false); err != nil {
				return err
			}
			continue
		}
		ev, err := parseEvent(raw)
		if err != nil {
			return err
		}
		x.watch.Alive(ev.begins())
		done, err := x.take(ev)
		if done || err != nil {
			return err
		}
		if err := events.Progress(ev.begins()); err != nil {
			return err
		}
		if x.a.length() > x.cfg.MaxReplyBytes {
			return modelcall.ErrTooLarge
		}
	}
}

// take reads one event, and reports whether it is the last.
func (x *exchange) take(ev *event) (done bool, err error) {
	if ev.Response != nil {
		x.created(ev.Response.ID, true)
	}
	switch ev.Type {
	case "response.output_text.delta":
		x.appendText(ev.OutputIndex, ev.text())
	case "response.refusal.delta":
		x.a.refusal.WriteString(ev.text())
	case "response.function_call_arguments.delta":
		x.a.pending += len(ev.Delta)
	case "response.output_item.done":
		x.finished(ev.OutputIndex, ev.Item)
	case "response.created", "response.queued", "response.in_progress":
	default:
		if ev.Response != nil && ev.Response.ended() {
			return true, x.fill(ev.Response)
		}
	}
	return false, nil
}

// finished reads an item that is complete.
func (x *exchange) finished(at int64, it *item) {
	switch {
	case it == nil:
	case it.Type == "function_call":
		x.a.pending = 0
		x.a.Call(it.callID(), it.Name).Write(it.arguments())
	case it.Type == "reasoning":
		x.reason(it)
	case it.Type == "message" && x.item < 0 && x.a.refusal.Len() == 0: // it came without pieces
		x.message(at, it)
	}
}

// reason notes an item of reasoning, which the next request must have if the provider does
// not keep the response.
func (x *exchange) reason(it *item) {
	if it.Encrypted != "" {
		x.a.items = append(x.a.items, reasoning{Before: len(x.a.Calls), Item: it.raw})
	}
}

// message reads the content of a message.
func (x *exchange) message(at int64, it *item) {
	said, refusal := contentText(it.Content)
	x.appendText(at, said)
	x.a.refusal.WriteString(refusal)
}

// appendText appends the text of an item, with a blank line between items as between the
// parts of a message.
func (x *exchange) appendText(item int64, text string) {
	if text == "" {
		return
	}
	if x.item >= 0 && x.item != item {
		text = "\n\n" + text
	}
	x.item = item
	x.a.content.WriteString(text)
	x.a.Say(text)
}

// deliver passes text to OnDelta.
func (x *exchange) deliver(text string) {
	if x.req.OnDelta == nil || x.mute {
		return
	}
	if x.before != "" { // OnDelta has received a part of an answer that is read again
		all := x.a.Text.String()
		if len(all) <= len(x.before) {
			return
		}
		x.mute = !strings.HasPrefix(all, x.before)
		text = all[len(x.before):]
		x.before = ""
		if x.mute {
			return
		}
	}
	x.req.OnDelta(text)
}

// settle reads a whole response; a background run may not have ended yet.
func (x *exchange) settle(ctx context.Context, r *response) error {
	if !r.ended() {
		if x.background && x.id != "" {
			return x.poll(ctx)
		}
		return modelcall.ErrCutOff
	}
	return x.fill(r)
}

// fill reads a response that has ended. Text received earlier stays.
func (x *exchange) fill(r *response) error {
	a := x.a
	a.Usage.Calls = 1
	if r.Model != "" {
		a.Model = r.Model
	}
	if u := r.Usage; u != nil {
		a.Usage.InputTokens, a.Usage.OutputTokens = max(u.InputTokens, 0), max(u.OutputTokens, 0)
		a.Usage.CachedInputTokens = min(max(u.Details.CachedTokens, 0), a.Usage.InputTokens)
	}
	if r.Status == "failed" || r.Status == "cancelled" || r.hasError() {
		return r.fault()
	}
	text, calls, thoughts := x.item < 0 && a.refusal.Len() == 0, len(a.Calls) == 0, len(a.items) == 0
	for i, it := range r.Output {
		switch {
		case it.Type == "message" && text:
			x.message(int64(i), &it)
		case it.Type == "reasoning" && thoughts:
			x.reason(&it)
		case it.Type == "function_call" && calls:
			a.Call(it.callID(), it.Name).Write(it.arguments())
		}
	}
	a.Finish = executors.FinishStop
	if r.Status == "incomplete" {
		a.cut = true
		if a.End(r.Incomplete.Reason); r.Incomplete.Reason == "" {
			a.Finish = executors.FinishLength
		}
	}
	return nil
}

func responsePath(id string, more ...string) string {
	return "responses/" + url.PathEscape(id) + strings.Join(more, "")
}

// repeated bounds what a response may hold beside the reply: the API repeats the
// instructions and the tools, and includes reasoning.
const repeated = 1 << 20

// repeats returns how many bytes a response has beside the reply.
func (x *exchange) repeats() int {
	n := repeated + len(x.cfg.Instructions)
	for _, t := range x.req.Tools {
		n += len(t.Schema) + len(t.Description) + len(t.Name)
	}
	return n
}
