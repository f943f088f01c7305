package runagent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/internal/translate"
)

// errNoText is returned for an answer that a conversation cannot use.
var errNoText = errors.New("the agent's answer has no text")

// reply returns the message for a whole answer.
func (c *call) reply(v value) (conversation.Message, error) {
	if len(v.raw) > c.cfg.MaxReplyBytes {
		return conversation.Message{}, modelcall.ErrTooLarge
	}
	if c.talk {
		text, err := c.words(v)
		if err == nil && strings.TrimSpace(text) == "" {
			err = modelcall.ErrNoAnswer
		}
		return conversation.Text(conversation.RoleAssistant, text), err
	}
	if text, ok := v.text(); ok {
		return conversation.Text(conversation.RoleAssistant, text), nil
	}
	return dataMessage("", v.raw), nil
}

func dataMessage(text string, data json.RawMessage) conversation.Message {
	m := conversation.Message{Role: conversation.RoleAssistant}
	if text != "" {
		m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartText, Text: text})
	}
	m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartData, Data: data})
	return m
}

// words returns the text of a value.
func (c *call) words(v value) (string, error) {
	if text, ok := v.text(); ok {
		return text, nil
	}
	if v.isNull() {
		return "", nil
	}
	if c.cfg.ReplyPath == "" {
		return "", fmt.Errorf("%w: it is %s", errNoText, shape(v.raw))
	}
	found := gjson.GetBytes(v.raw, c.cfg.ReplyPath)
	text, err := translate.Text(found)
	if err != nil || text == "" && found.Type != gjson.String {
		return "", fmt.Errorf("%w at reply_path, %q", errNoText, c.cfg.ReplyPath)
	}
	return text, nil
}

func shape(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "true or false"
	}
	return "a number"
}
