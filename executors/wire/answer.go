package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// MaxToken bounds states and attach tokens, because histories record them.
const MaxToken = 4 << 10

// maxTokens bounds the attach tokens of one answer: each is recorded.
const maxTokens = 100

// An Answer assembles the frames of one answer. Set the exported fields before the
// first frame.
type Answer struct {
	// MaxReplyBytes bounds the reply.
	MaxReplyBytes int
	// DropThoughts takes a model's thoughts out of the text. The contract's own texts are
	// what the agent means to say.
	DropThoughts bool
	// Provider and Model are used if the answer names none.
	Provider, Model string
	// OnDelta and OnAttach, if not nil, receive pieces and tokens as they arrive.
	OnDelta  func(string)
	OnAttach func(json.RawMessage)

	thoughts modelcall.Thoughts
	deltas   strings.Builder
	reply    *Reply
	state    json.RawMessage
	attach   json.RawMessage
	usage    *Usage
	finish   string
	end      bool
	begun    bool
	meter    modelcall.Meter
	tokens   int
}

// Usage returns the usage so far: one call, unless the agent reports another count.
func (a *Answer) Usage() conversation.Usage {
	if a.usage == nil {
		return conversation.Usage{Calls: 1}
	}
	u := conversation.Usage{
		InputTokens:  max(a.usage.InputTokens, 0),
		OutputTokens: max(a.usage.OutputTokens, 0),
		Calls:        1,
	}
	u.CachedInputTokens = min(max(a.usage.CachedInputTokens, 0), u.InputTokens)
	if n := a.usage.Calls; n != nil {
		u.Calls = max(*n, 0)
	}
	return u
}

// Add adds the next frame. It returns an error in the frame as an [*Error].
func (a *Answer) Add(f Frame) error {
	if f.Usage != nil {
		a.usage = f.Usage
	}
	if f.Error != nil {
		return f.Error
	}
	a.meter.MaxReplyBytes = a.MaxReplyBytes
	if err := a.meter.Event(f.size, f.brings()); err != nil {
		return err
	}
	if f.Attach != nil && !bytes.Equal(f.Attach, a.attach) {
		if len(f.Attach) > MaxToken {
			return fmt.Errorf("%w: attach has %d bytes; at most %d are allowed", ErrOffContract, len(f.Attach), MaxToken)
		}
		if a.tokens++; a.tokens > maxTokens {
			return fmt.Errorf("%w: attach changes more than %d times", ErrOffContract, maxTokens)
		}
		a.attach = f.Attach
		if a.OnAttach != nil {
			a.OnAttach(f.Attach)
		}
	}
	if f.State != nil {
		a.state = f.State
	}
	a.Provider, a.Model = cmp.Or(f.Provider, a.Provider), cmp.Or(f.Model, a.Model)
	a.finish = cmp.Or(f.FinishReason, a.finish)
	a.end = a.end || f.End != nil && *f.End
	if f.Message != nil {
		a.reply = f.Message
	}
	if f.Delta == nil {
		return nil
	}
	a.begun = true
	if a.deltas.Len()+len(*f.Delta) > a.MaxReplyBytes {
		return modelcall.ErrTooLarge
	}
	text := *f.Delta
	if a.DropThoughts {
		text = a.thoughts.Add(text)
	}
	a.add(text)
	return nil
}

func (a *Answer) add(text string) {
	a.deltas.WriteString(text)
	if a.OnDelta != nil && text != "" {
		a.OnDelta(text)
	}
}

// Faults of a complete answer.
var (
	errFiltered = errors.New("a content filter stopped the answer")
	errNoReply  = fmt.Errorf("%w: it has none of message, delta, end and error", ErrOffContract)
	errSum      = fmt.Errorf("%w: its deltas do not add up to its message", ErrOffContract)
)

// Result returns the result of a complete answer, or an error if it is unusable.
func (a *Answer) Result() (executors.Result, error) {
	message, err := a.message()
	if err != nil {
		return executors.Result{}, err
	}
	if a.finish == string(executors.FinishContentFilter) {
		return executors.Result{}, errFiltered
	}
	calls := slices.ContainsFunc(message.Parts, func(p conversation.Part) bool { return p.ToolCall != nil })
	data := slices.ContainsFunc(message.Parts, func(p conversation.Part) bool { return p.Type == conversation.PartData })
	if strings.TrimSpace(message.Text()) == "" && !calls && !data {
		switch {
		case a.end:
			message = conversation.Message{}
		case a.reply == nil && !a.begun:
			return executors.Result{}, errNoReply
		default:
			return executors.Result{}, modelcall.ErrNoAnswer
		}
	}
	state, err := a.compactState()
	if err != nil {
		return executors.Result{}, err
	}
	return executors.Result{
		Message:      message,
		State:        state,
		Usage:        a.Usage(),
		Provider:     a.Provider,
		Model:        a.Model,
		FinishReason: a.finishReason(calls),
		End:          a.end,
	}, nil
}

// message returns the message if there is one, else the deltas.
func (a *Answer) message() (conversation.Message, error) {
	if a.DropThoughts {
		a.add(a.thoughts.Rest())
	}
	deltas := a.deltas.String()
	if a.DropThoughts {
		deltas, _ = modelcall.WithoutOpening(deltas) // which OnDelta has received
	}
	if a.reply == nil {
		return conversation.Text(conversation.RoleAssistant, deltas), nil
	}
	r := a.reply
	if a.DropThoughts {
		var whole modelcall.Thoughts
		r = &Reply{Role: r.Role, Parts: r.Parts, Text: whole.Add(r.Text) + whole.Rest()}
		r.Text, _ = modelcall.WithoutOpening(r.Text)
	}
	message := conversation.Message{Role: cmp.Or(r.Role, conversation.RoleAssistant), Parts: r.Parts}
	if len(r.Parts) == 0 && r.Text != "" {
		message.Parts = conversation.Text("", r.Text).Parts
	}
	if message.Role != conversation.RoleAssistant {
		return message, fmt.Errorf("%w: its role is %s, and the agent speaks as the %q", ErrOffContract, conversation.Quote(string(message.Role)), conversation.RoleAssistant)
	}
	for i, p := range message.Parts {
		if err := checkPart(p); err != nil {
			return message, fmt.Errorf("%w: part %d %w", ErrOffContract, i+1, err)
		}
	}
	text := message.Text()
	if message.Size() > a.MaxReplyBytes+len(message.Parts)*64+64 {
		return message, modelcall.ErrTooLarge
	}
	// OnDelta has received the pieces: send it the rest of the message.
	rest, ok := strings.CutPrefix(text, deltas)
	switch {
	case deltas == "":
	case !ok:
		return message, errSum
	case rest != "" && a.OnDelta != nil:
		a.OnDelta(rest)
	}
	return message, nil
}

func checkPart(p conversation.Part) error {
	switch p.Type {
	case conversation.PartText:
		if !utf8.ValidString(p.Text) {
			return modelcall.ErrInvalidUTF8
		}
	case conversation.PartData:
		if len(p.Data) == 0 {
			return errors.New("has no data")
		}
	case conversation.PartToolCall:
		if p.ToolCall == nil || p.ToolCall.Name == "" {
			return errors.New("has no tool_call with a name")
		}
	case conversation.PartToolResult:
		return errors.New("is a tool_result, which only tools give")
	default:
		return fmt.Errorf("is of type %s, and not text, data or tool_call", conversation.Quote(string(p.Type)))
	}
	return nil
}

func (a *Answer) compactState() (json.RawMessage, error) {
	if a.state == nil {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, a.state); err != nil {
		return nil, ErrOffContract
	}
	if b.Len() > MaxToken {
		return nil, fmt.Errorf("%w: state has %d bytes; at most %d are allowed: keep it on the agent's side and hand out an id", ErrOffContract, b.Len(), MaxToken)
	}
	return b.Bytes(), nil
}

func (a *Answer) finishReason(calls bool) executors.FinishReason {
	switch reason := executors.FinishReason(a.finish); reason {
	case executors.FinishStop, executors.FinishLength, executors.FinishToolCall, executors.FinishError:
		return reason
	}
	if calls {
		return executors.FinishToolCall
	}
	return executors.FinishStop // agents use names of their own for a normal end
}
