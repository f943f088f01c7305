package a2a

import (
	"encoding/json"
	"strings"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// content is the text and data of an artifact or a message.
type content struct {
	id   string
	text strings.Builder
	data []json.RawMessage
	file bool // it had a file that cannot be passed on
	size int
}

// contentSize is counted for each artifact in addition to its parts.
const contentSize = 16

// blank separates texts of different parts.
const blank = "\n\n"

// add appends parts. The texts of an artifact are pieces of one text, cut anywhere;
// those of a message are paragraphs.
func (c *content) add(parts []part, between string) {
	for _, p := range parts {
		kind := p.kind()
		switch {
		case p.internal():
		case kind == "text":
			c.write(p.Text, between)
		case kind == "data" && len(p.Data) > 0 && string(p.Data) != "null":
			c.data = append(c.data, p.Data)
			c.size += len(p.Data)
		case kind == "file":
			c.addFile(p.file())
		}
	}
}

// addFile names a file in the text. A file alone is no text: one that cannot be
// opened is named only beside others.
func (c *content) addFile(address, name string) {
	switch {
	case address != "" && name != "":
		c.write(name+": "+address, blank)
	case address != "":
		c.write(address, blank)
	case name != "" && c.text.Len() > 0:
		c.write("["+name+"]", blank)
	default:
		c.file = true
	}
}

func (c *content) write(text, between string) {
	if text == "" {
		return
	}
	if c.text.Len() > 0 {
		c.text.WriteString(between)
	}
	c.text.WriteString(text)
	c.size += len(text) + len(between)
}

func message(parts []part) *content {
	c := &content{}
	c.add(parts, blank)
	return c
}

func (c *content) empty() bool {
	return c == nil || strings.TrimSpace(c.text.String()) == "" && len(c.data) == 0
}

// An answer assembles a reply and passes its text to OnDelta as it grows.
type answer struct {
	limit   int
	onDelta func(string)

	artifacts []*content
	closing   *content // the message that is the answer, or the last status's
	progress  *content // the latest message while the task was working
	streamed  strings.Builder
	mute      bool // the text no longer continues the one passed to OnDelta
}

func (e *Executor) newAnswer(req executors.Request) *answer {
	return &answer{limit: e.cfg.MaxReplyBytes, onDelta: req.OnDelta}
}

// restart discards the answer, except the text passed to OnDelta.
func (a *answer) restart() { a.artifacts, a.closing, a.progress = nil, nil, nil }

// artifact adds an artifact or a piece of one.
func (a *answer) artifact(in *artifact, more bool) error {
	at, had := -1, len(a.artifacts)
	for i, have := range a.artifacts {
		if have.id == in.key() {
			at = i
		}
	}
	switch {
	case at < 0:
		at = len(a.artifacts)
		a.artifacts = append(a.artifacts, &content{id: in.key()})
	case !more:
		a.artifacts[at] = &content{id: in.key()}
	}
	c, grows := a.artifacts[at], more || at == had
	before := c.text.Len()
	c.add(in.Parts, "")
	if err := a.check(); err != nil {
		return err
	}
	piece := c.text.String()[before:]
	switch {
	case piece == "" && grows:
	case grows && at == len(a.artifacts)-1: // the whole text is assembled only where needed
		if before == 0 && a.streamed.Len() > 0 {
			piece = blank + piece
		}
		a.tell(piece)
	default:
		a.catchUp(a.text())
	}
	return nil
}

// snapshot replaces the artifacts by those of a task.
func (a *answer) snapshot(in []artifact) error {
	a.artifacts = nil
	for _, piece := range in {
		c := &content{id: piece.key()}
		c.add(piece.Parts, "")
		a.artifacts = append(a.artifacts, c)
	}
	if err := a.check(); err != nil {
		return err
	}
	a.catchUp(a.text())
	return nil
}

func (a *answer) check() error {
	n := 0
	for _, c := range append(a.artifacts[:len(a.artifacts):len(a.artifacts)], a.closing) {
		if c != nil {
			n += c.size
		}
		n += contentSize
	}
	if n > a.limit {
		return modelcall.ErrTooLarge
	}
	return nil
}

// text returns the text of the artifacts.
func (a *answer) text() string {
	var b strings.Builder
	for _, c := range a.artifacts {
		if c.text.Len() == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(blank)
		}
		b.WriteString(c.text.String())
	}
	return b.String()
}

func (a *answer) tell(piece string) {
	if a.onDelta == nil || a.mute || piece == "" {
		return
	}
	a.streamed.WriteString(piece)
	a.onDelta(piece)
}

// catchUp passes the part of the text to OnDelta that it has not received.
func (a *answer) catchUp(text string) {
	if a.onDelta == nil {
		return
	}
	streamed := a.streamed.String()
	if rest, ok := strings.CutPrefix(text, streamed); ok {
		a.tell(rest)
	} else if !strings.HasPrefix(streamed, text) {
		a.mute = true
	}
}

// reply returns the text and the data of the whole answer.
func (a *answer) reply() (string, []json.RawMessage, error) {
	if err := a.check(); err != nil {
		return "", nil, err
	}
	text, file := a.text(), false
	var data []json.RawMessage
	for _, c := range a.artifacts {
		data, file = append(data, c.data...), file || c.file
	}
	last := a.closing
	if last.empty() && strings.TrimSpace(text) == "" && len(data) == 0 && a.progress != nil {
		last = a.progress
	}
	if last != nil {
		data, file = append(data, last.data...), file || last.file
		// Many agents repeat the artifact in their last status.
		if failure := strings.TrimSpace(last.text.String()); failure != "" && !strings.Contains(text, failure) {
			if text != "" {
				text += blank
			}
			text += last.text.String()
		}
	}
	switch {
	case len(text) > a.limit:
		return "", nil, modelcall.ErrTooLarge
	case strings.TrimSpace(text) != "":
		a.catchUp(text)
		return text, data, nil
	case len(data) > 0:
		return "", data, nil
	case file:
		return "", nil, errOnlyFiles
	}
	return "", nil, modelcall.ErrNoAnswer
}
