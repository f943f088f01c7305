package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-run/parley/conversation"
)

// Limits on what a direct conversation accepts and keeps.
const (
	maxSendBytes   = 256 << 10
	maxSendJSON    = 2 * maxSendBytes // of the same as JSON, which writes some characters with six
	maxSendID      = 200
	keptAnswers    = 2000      // message ids that are known
	keptIDBytes    = 256 << 10 // of them, as they are recorded
	keptReplyBytes = 64 << 10  // of replies that are had without the transcript
)

// mailbox holds the messages of clients, and the replies to them.
type mailbox struct {
	queue    []SendRequest // accepted, oldest first
	current  string        // the id of the message being answered
	index    int           // its index in the conversation
	answered []answer      // oldest first
	closed   bool          // nothing more is accepted
}

// An answer is what a message got. Reply is nil once it is old.
type answer struct {
	ID    string     `json:"id"`
	Turn  int        `json:"turn"`
	Reply *SendReply `json:"reply,omitempty"`
}

// maxWaiting is how many messages may wait for their replies at once. Temporal holds at most
// ten updates of a workflow that are not answered: the others are for operators, who must be
// able to resume, approve or end while clients wait.
const maxWaiting = 7

// waiting is how many messages wait for their replies.
func (m *mailbox) waiting() int {
	if m.current == "" {
		return len(m.queue)
	}
	return len(m.queue) + 1
}

// busy reports that a client waits for a reply.
func (m *mailbox) busy() bool { return len(m.queue) > 0 || m.current != "" }

// take makes the oldest message the one being answered.
func (m *mailbox) take() (req SendRequest, ok bool) {
	if len(m.queue) == 0 {
		return req, false
	}
	req = m.queue[0]
	m.queue, m.current = m.queue[1:], req.ID
	return req, true
}

// answer replies to the message being answered. There is none where the agent opens the
// conversation.
func (m *mailbox) answer(r SendReply) {
	if m.current == "" {
		return
	}
	r.ID, r.MessageIndex = m.current, m.index
	m.keep(r)
	m.current = ""
}

func (m *mailbox) find(id string) *answer {
	for i := len(m.answered) - 1; i >= 0; i-- {
		if m.answered[i].ID == id {
			return &m.answered[i]
		}
	}
	return nil
}

// knows reports that the message was sent before.
func (m *mailbox) knows(id string) bool {
	for _, req := range m.queue {
		if req.ID == id {
			return true
		}
	}
	return id != "" && m.current == id || m.find(id) != nil
}

// keep records an answer, and drops what is too much: the texts of old replies first,
// which the transcript has.
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

// newest are the answers for the next run.
func (m *mailbox) newest() []answer {
	ids := 0
	for i := len(m.answered) - 1; i >= 0; i-- {
		if ids += m.answered[i].idSize(); ids > keptIDBytes {
			return m.answered[i+1:]
		}
	}
	return m.answered
}

func (a answer) idSize() int { return conversation.EscapedSize(a.ID) + 32 }

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
	case r.Message(time.Time{}).RecordedSize() > maxSendJSON+maxSendID:
		return fmt.Errorf("the message has %d KiB as JSON; at most %d are possible", r.Message(time.Time{}).RecordedSize()>>10, maxSendJSON>>10)
	}
	return nil
}

// Message is the request as a message of the conversation.
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
