package runagent

import (
	"bytes"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// chunks are the chunks received so far.
type chunks struct {
	*call
	text strings.Builder
	// list are the chunks of a task, whose result they may be; size is that of its JSON.
	list [][]byte
	size int
	// mixed means that not all chunks are texts.
	mixed bool
	// silent is why a chunk has no text.
	silent error
}

// add adds a chunk, and reports whether it is part of the reply. The reply is the texts,
// or the list in which not all are: whichever it is has at most MaxReplyBytes.
func (s *chunks) add(f frame) (brings bool, err error) {
	raw := f.Content
	if raw == nil {
		raw = f.Data
	}
	v := value{null}
	if raw != nil {
		v = unwrap(raw)
	}
	text, isText := v.text()
	if s.talk && !isText {
		if text, err = s.words(v); err != nil {
			s.silent = err // other chunks may have text
		}
		isText = text != ""
	}
	s.mixed = s.mixed || !isText
	if !s.talk {
		s.list = append(s.list, v.raw)
		s.size += len(v.raw) + len(",")
	}
	if s.text.Len()+len(text) > s.cfg.MaxReplyBytes || s.mixed && !s.talk && s.size+len("[") > s.cfg.MaxReplyBytes {
		return false, modelcall.ErrTooLarge
	}
	if text != "" {
		s.text.WriteString(text)
		if s.onDelta != nil {
			s.onDelta(text)
		}
	}
	return text != "" || !isText && !s.talk, nil
}

// message returns the reply: the text if all chunks are texts, or else a list of
// them. A stream without a chunk is an empty text.
func (s *chunks) message() (conversation.Message, error) {
	text := s.text.String()
	switch {
	case s.talk && strings.TrimSpace(text) == "" && s.silent != nil:
		return conversation.Message{}, s.silent
	case s.talk && strings.TrimSpace(text) == "":
		return conversation.Message{}, modelcall.ErrNoAnswer
	case s.talk || !s.mixed:
		return conversation.Text(conversation.RoleAssistant, text), nil
	}
	// OnDelta has received the texts among them.
	return dataMessage(text, append(append([]byte{'['}, bytes.Join(s.list, []byte{','})...), ']')), nil
}
