package openai

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// maxID bounds ids of responses that are kept: the caller keeps little.
const maxID = 512

// A memory is what the conversation keeps of the last response.
type memory struct {
	Response string `json:"response"`
	// Calls stands for the ids of the tools' calls in it, if there are any.
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
	// id is the response's, once it is known.
	id string
	// background means that the response goes on without us.
	background bool
	// item is the last one that text came from.
	item int64
	// before is what OnDelta was told of a stream that broke off. Mute means that
	// the answer is another one now.
	before string
	mute   bool
}

// respond has the model answer through the Responses API.
func (e *Executor) respond(ctx context.Context, w *modelcall.Watch, req executors.Request, a *answer, tools []responses.ToolUnionParam, opts []option.RequestOption) (*exchange, error) {
	begin := func() *exchange {
		return &exchange{Executor: e, req: req, watch: w, a: a, tools: tools, opts: opts, item: -1, background: e.cfg.Background}
	}
	x := begin()
	if r, ok := recall(req.Attach); ok {
		if err := x.attach(ctx, r); !errors.Is(err, errGone) {
			return x, err
		}
		*a = answer{} // what it cost was counted when it ended
		said := x.before
		x = begin()
		x.before = said
	}
	previous, news := e.continues(req)
	err := x.create(ctx, previous, news)
	if previous != "" && forgotten(err) {
		err = x.create(ctx, "", modelcall.Window(req.Messages, e.cfg.MaxHistoryMessages))
	}
	return x, err
}

// continues returns the response that the request follows, and what is new since
// then. No response: everything is.
func (e *Executor) continues(req executors.Request) (previous string, news []conversation.Message) {
	all := modelcall.Window(req.Messages, e.cfg.MaxHistoryMessages)
	var m memory
	if !*e.cfg.Store || len(all) < len(req.Messages) || len(req.State) == 0 || json.Unmarshal(req.State, &m) != nil || m.Response == "" {
		return "", all
	}
	news = req.Messages[len(req.Messages)-min(max(req.New, 0), len(req.Messages)):]
	if m.Calls != "" {
		// The provider has the calls already, and waits for their results.
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

// state is what the next request needs to follow this answer. Nil: it has to
// carry the conversation.
func (x *exchange) state(m conversation.Message) json.RawMessage {
	if !*x.cfg.Store || x.id == "" || len(x.id) > maxID || x.a.cut {
		return nil
	}
	out, _ := json.Marshal(memory{Response: x.id, Calls: callsDigest(m)}) // strings: it cannot fail
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

// forgotten reports whether the provider does not know, or no longer, the response
// that the request follows. Nothing has been paid for then.
func forgotten(err error) bool {
	var said *statusError
	return errors.As(err, &said) && (said.status == http.StatusNotFound || said.status == http.StatusBadRequest) &&
		(said.code == "previous_response_not_found" || said.param == "previous_response_id")
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
	if x.cfg.Instructions != "" { // a previous response's do not carry over
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

// create asks for a new response.
func (x *exchange) create(ctx context.Context, previous string, news []conversation.Message) error {
	body, opts := x.params(previous, news), append(x.opts[:len(x.opts):len(x.opts)], x.limits(*x.cfg.Stream))
	if !*x.cfg.Stream {
		var r response
		if err := x.asking.Post(ctx, "responses", body, &r, opts...); err != nil {
			return err
		}
		x.created(r.ID, false)
		return x.settle(ctx, &r)
	}
	var raw *http.Response
	err := x.asking.Post(ctx, "responses", body, &raw, append(opts, option.WithJSONSet("stream", true), eventStream)...)
	return x.read(ctx, raw, err)
}

var eventStream = option.WithHeader("Accept", "text/event-stream")

// created notes the response's id, and has it written down if a later attempt can
// find the response by it.
func (x *exchange) created(id string, streamed bool) {
	if !x.background {
		x.a.Usage.Calls = 1
	}
	if id == "" || len(id) > maxID || x.id != "" {
		return
	}
	x.id = id
	if x.background && x.req.OnAttach != nil {
		token, _ := json.Marshal(run{Response: id, Streamed: streamed}) // a string and a bool: it cannot fail
		x.req.OnAttach(token)
	}
}

// read takes a response that comes piece by piece. A background run goes on when
// the stream breaks off, and is asked for.
func (x *exchange) read(ctx context.Context, raw *http.Response, err error) error {
	if err == nil {
		err = x.stream(ctx, raw)
	}
	var plain *plainAnswer // a whole answer although a stream was asked for
	if errors.As(err, &plain) {
		var r response
		if err := json.Unmarshal(plain.body, &r); err != nil {
			return err
		}
		x.created(r.ID, false)
		return x.settle(ctx, &r)
	}
	if err != nil && x.background && x.id != "" && ctx.Err() == nil && brokeOff(err) {
		return x.poll(ctx)
	}
	return err
}

func brokeOff(err error) bool {
	var (
		said     *statusError
		inStream *ssestream.StreamError
	)
	return !errors.As(err, &said) && !errors.As(err, &inStream) && !errors.Is(err, modelcall.ErrTooLarge) && !errors.Is(err, modelcall.ErrWebPage)
}

// stream reads events until the response has ended.
func (x *exchange) stream(ctx context.Context, raw *http.Response) error {
	s := ssestream.NewStream[event](ssestream.NewDecoder(raw), nil)
	defer func() { _ = s.Close() }()
	if !x.background {
		x.a.Usage.Calls = 1
	}
	for s.Next() {
		ev := s.Current()
		x.watch.Alive(ev.begins())
		done, err := x.take(&ev)
		if done || err != nil {
			return err
		}
		if x.a.length() > x.cfg.MaxReplyBytes {
			return modelcall.ErrTooLarge
		}
	}
	switch err := s.Err(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	}
	return modelcall.ErrCutOff
}

// take takes one event, and reports whether it was the last.
func (x *exchange) take(ev *event) (done bool, err error) {
	if ev.Response != nil {
		x.created(ev.Response.ID, true)
	}
	switch ev.Type {
	case "response.output_text.delta":
		x.say(ev.OutputIndex, ev.text())
	case "response.refusal.delta":
		x.a.refusal.WriteString(ev.text())
	case "response.function_call_arguments.delta":
		x.a.pending += len(ev.Delta)
	case "response.output_item.done":
		if ev.Item != nil && ev.Item.Type == "function_call" {
			x.a.pending = 0
			x.a.addCall(ev.OutputIndex, ev.Item.CallID, ev.Item.Name, ev.Item.Arguments)
		}
	case "error":
		return true, ev.fault()
	default:
		if ev.Response != nil && ev.Response.ended() {
			return true, x.fill(ev.Response)
		}
	}
	return false, nil
}

// say takes text of an item, with a blank line between items as between the parts
// of a message.
func (x *exchange) say(item int64, text string) {
	if text == "" {
		return
	}
	if x.item >= 0 && x.item != item {
		text = "\n\n" + text
	}
	x.item = item
	x.a.Text.WriteString(text)
	if x.req.OnDelta == nil || x.mute {
		return
	}
	if x.before != "" { // of an answer that is read anew, a part has been told
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

// settle takes a response that came in one piece; a background run may not have
// ended yet.
func (x *exchange) settle(ctx context.Context, r *response) error {
	if !r.ended() {
		if x.background && x.id != "" {
			return x.poll(ctx)
		}
		return modelcall.ErrCutOff
	}
	return x.fill(r)
}

// fill takes a response that has ended. What has come of it already stays.
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
	text, refusal, calls := a.Text.Len() == 0, a.refusal.Len() == 0, len(a.calls) == 0
	for i, it := range r.Output {
		switch it.Type {
		case "message":
			for _, c := range it.parts() {
				if c.Type == "output_text" && text {
					x.say(int64(i), c.Text)
				}
				if c.Type == "refusal" && refusal {
					a.refusal.WriteString(c.Refusal)
				}
			}
		case "function_call":
			if calls {
				a.addCall(int64(i), it.CallID, it.Name, it.Arguments)
			}
		}
	}
	a.Finish = executors.FinishStop
	if r.Status == "incomplete" {
		a.cut = true
		switch r.Incomplete.Reason {
		case "content_filter":
			a.Finish = executors.FinishContentFilter
		case "max_output_tokens", "":
			a.Finish = executors.FinishLength
		default:
			a.Finish = executors.FinishError
		}
	}
	return nil
}

func responsePath(id string, more ...string) string {
	return "responses/" + url.PathEscape(id) + strings.Join(more, "")
}

// repeated is what a response may hold beside the reply: the API repeats the
// instructions and the tools, and shows what the model thought.
const repeated = 1 << 20

// limits bounds what is read of a response.
func (x *exchange) limits(stream bool) option.RequestOption {
	n := repeated + len(x.cfg.Instructions)
	for _, t := range x.req.Tools {
		n += len(t.Schema) + len(t.Description) + len(t.Name)
	}
	return option.WithMiddleware(x.guard(stream, n))
}
