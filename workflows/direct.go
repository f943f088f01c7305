package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// Error types of UpdateSend, for callers to act on.
const (
	// ErrTypeBusy: the conversation takes no message for a moment. Send it again.
	ErrTypeBusy = "ConversationBusy"
	// ErrTypeOver: the conversation ended before the message had a reply.
	ErrTypeOver = "ConversationOver"
	// ErrTypeForgotten: the message was answered so long ago that only the
	// transcript has the reply.
	ErrTypeForgotten = "ReplyForgotten"
)

// Limits on what a direct conversation takes in.
const (
	maxSendBytes   = 256 << 10
	maxSendID      = 200
	maxQueued      = 100
	keptAnswers    = 2000      // message ids that are known
	keptIDBytes    = 256 << 10 // of them, as they are recorded
	keptReplyBytes = 64 << 10  // of replies that are had without the transcript
	// No platform has the messages that do not go along.
	directCarryBytes = 1 << 20
	// maxCarried is for messages and answers together: Temporal refuses payloads of
	// 2 MiB. The last message, which always goes along, may come on top.
	maxCarried = 1280 << 10
)

// mailbox holds what is said in a direct conversation. A nil one has nothing.
type mailbox struct {
	queue    []SendRequest // accepted, oldest first; the first may be being answered
	current  string        // the id of the message being answered
	answered []answer      // oldest first
	closed   bool          // nothing more is accepted
}

// An answer is what a message got. Reply is nil once it is old.
type answer struct {
	ID    string     `json:"id"`
	Turn  int        `json:"turn"`
	Reply *SendReply `json:"reply,omitempty"`
}

func (m *mailbox) waiting() int {
	if m == nil {
		return 0
	}
	return len(m.queue)
}

// busy: somebody waits for a reply.
func (m *mailbox) busy() bool { return m != nil && (len(m.queue) > 0 || m.current != "") }

func (m *mailbox) close() {
	if m != nil {
		m.closed = true
	}
}

func (m *mailbox) find(id string) *answer {
	for i := len(m.answered) - 1; i >= 0; i-- {
		if m.answered[i].ID == id {
			return &m.answered[i]
		}
	}
	return nil
}

func (m *mailbox) has(id string) bool {
	for _, req := range m.queue {
		if req.ID == id {
			return true
		}
	}
	return m.current == id
}

// keep records an answer, and forgets what is too much: the texts of old replies
// first, which the transcript has.
func (m *mailbox) keep(reply SendReply) {
	m.answered = append(m.answered, answer{ID: reply.ID, Turn: reply.Turn, Reply: &reply})
	if extra := len(m.answered) - keptAnswers; extra > 0 {
		m.answered = m.answered[extra:]
	}
	size := 0
	for i := len(m.answered) - 1; i >= 0; i-- {
		a := &m.answered[i]
		if a.Reply == nil {
			break
		}
		if size += a.Reply.Message.RecordedSize(); size > keptReplyBytes && i < len(m.answered)-1 {
			a.Reply = nil
		}
	}
}

// newest are the answers that go along when the conversation continues as new, and
// about what they take.
func (m *mailbox) newest() (kept []answer, size int) {
	if m == nil {
		return nil, 0
	}
	ids := 0
	for i := len(m.answered) - 1; i >= 0; i-- {
		a := m.answered[i]
		id := conversation.EscapedSize(a.ID) + 32
		if ids += id; ids > keptIDBytes {
			return m.answered[i+1:], size
		}
		if size += id; a.Reply != nil {
			size += a.Reply.Message.RecordedSize()
		}
	}
	return m.answered, size
}

// Validate reports what no conversation would take.
func (r SendRequest) Validate() error {
	switch {
	case r.ID == "" || len(r.ID) > maxSendID:
		return fmt.Errorf("the message needs an id of at most %d bytes", maxSendID)
	case !utf8.ValidString(r.ID):
		return fmt.Errorf("the message's id %q is not UTF-8", r.ID)
	case !utf8.ValidString(r.Text) || !utf8.Valid(r.Data):
		return errors.New("the message is not UTF-8")
	case strings.TrimSpace(r.Text) == "" && len(r.Data) == 0:
		return errors.New("the message is empty")
	case len(r.Data) > 0 && !json.Valid(r.Data):
		return errors.New("the message's data is not JSON")
	case len(r.Text)+len(r.Data) > maxSendBytes:
		return fmt.Errorf("the message has %d KiB; at most %d are possible", (len(r.Text)+len(r.Data))>>10, maxSendBytes>>10)
	}
	return nil
}

// Message is what is said, as a message of the conversation.
func (r SendRequest) Message(at time.Time) conversation.Message {
	m := conversation.Message{Role: conversation.RoleUser, Time: at}
	if r.Text != "" {
		m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartText, Text: r.Text})
	}
	if len(r.Data) > 0 {
		m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartData, Data: r.Data})
	}
	return m
}

// maySend refuses what could not be answered.
func (t *talk) maySend(_ workflow.Context, req SendRequest) error {
	switch {
	case t.direct == nil:
		return errors.New("this conversation is held on its platform: nobody can send it messages")
	case t.direct.find(req.ID) != nil || t.direct.has(req.ID):
		return nil // said before
	}
	if err := req.Validate(); err != nil {
		return err
	}
	if err := t.over(); err != nil {
		return temporal.NewApplicationError(err.Error(), ErrTypeOver)
	}
	switch {
	case t.direct.closed:
		return temporal.NewApplicationError("the conversation continues in a new run: send the message again", ErrTypeBusy)
	case len(t.direct.queue) >= maxQueued:
		return temporal.NewApplicationError(fmt.Sprintf("%d messages wait for their turn already: send it again later", maxQueued), ErrTypeBusy)
	}
	return nil
}

// onSend takes a message and waits for its reply.
func (t *talk) onSend(ctx workflow.Context, req SendRequest) (SendReply, error) {
	if t.direct.find(req.ID) == nil && !t.direct.has(req.ID) {
		t.direct.queue = append(t.direct.queue, req)
	}
	// Of a cancelled workflow too the messages get an answer, by its outcome.
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	err := workflow.Await(ctx, func() bool { return t.direct.find(req.ID) != nil || t.outcome != nil })
	if err != nil {
		return SendReply{}, err
	}
	a := t.direct.find(req.ID)
	switch {
	case a == nil:
		return SendReply{}, temporal.NewApplicationError(
			join("the conversation ended before this message had a reply: "+t.outcome.String(), t.outcome.Detail), ErrTypeOver)
	case a.Reply == nil:
		return SendReply{ID: a.ID, Turn: a.Turn}, temporal.NewApplicationError(
			fmt.Sprintf("this message was answered in turn %d: its reply is old, and to be had from the transcript", a.Turn), ErrTypeForgotten)
	}
	return *a.Reply, nil
}

// hear waits until somebody says something.
func (t *talk) hear(ctx workflow.Context) (*verdict, error) {
	ready := func() bool { return len(t.direct.queue) > 0 || t.endWanted() || t.paused != nil }
	if !ready() {
		t.step = ""
		t.setState(ctx, StateListening)
		inTime, err := t.awaitMessage(ctx, ready)
		if err != nil {
			return nil, err
		}
		if !inTime && !ready() {
			return &verdict{kind: conversation.OutcomeExpired, detail: fmt.Sprintf("nobody wrote for %s", t.in.Direct.idle())}, nil
		}
		if t.paused != nil || t.endWanted() {
			return nil, nil // the gate sees to it
		}
		t.setState(ctx, StateTalking)
	}
	if len(t.direct.queue) == 0 {
		return nil, nil
	}
	req := t.direct.queue[0]
	t.direct.queue, t.direct.current = t.direct.queue[1:], req.ID
	t.messages = append(t.messages, req.Message(workflow.Now(ctx).UTC()))
	t.count++
	t.unseen++
	return nil, nil
}

func (t *talk) awaitMessage(ctx workflow.Context, ready func() bool) (inTime bool, err error) {
	idle := t.in.Direct.idle()
	if idle < 0 {
		return true, workflow.Await(ctx, ready)
	}
	return workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      idle,
		TimerOptions: workflow.TimerOptions{Summary: "nobody writes"},
	}, ready)
}

// say gives the agent's message to whoever waits for it.
func (t *talk) say(message conversation.Message, end bool) *verdict {
	last := end || t.policy.MaxTurns > 0 && t.turn >= t.policy.MaxTurns
	if len(message.Parts) > 0 {
		t.take([]conversation.Message{message}, activities.ExchangeResult{Count: t.count + 1})
	}
	if t.direct.current != "" { // empty: the agent opened
		t.direct.keep(SendReply{ID: t.direct.current, Turn: t.turn, Message: message, Ended: last})
		t.direct.current = ""
	}
	if end {
		return &verdict{kind: conversation.OutcomeEnded, by: conversation.EndedByAgent}
	}
	return nil
}

func (d Direct) idle() time.Duration {
	if d.IdleTimeout == 0 {
		return DefaultIdleTimeout
	}
	return d.IdleTimeout
}
