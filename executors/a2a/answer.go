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
	// thoughts takes the agent's thoughts out of the text.
	thoughts modelcall.Thoughts
	keep     bool // thoughts are kept
	data     []json.RawMessage
	begun    bool // it had a text
	file     bool // it had a file that cannot be passed on
	size     int
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
	if c.begun {
		text = between + text
	}
	c.begun = true
	c.size += len(text)
	c.text.WriteString(c.thoughts.Add(text))
}

// end adds the text that waits for more, and returns the whole.
func (c *content) end() string {
	c.text.WriteString(c.thoughts.Rest())
	text := c.text.String()
	if !c.keep {
		text, _ = modelcall.WithoutOpening(text)
	}
	return text
}

func (a *answer) content(id string) *content {
	return &content{id: id, keep: a.thoughts == executors.KeepThoughts, thoughts: modelcall.NewThoughts(a.thoughts)}
}

func (a *answer) message(parts []part) *content {
	c := a.content("")
	c.add(parts, blank)
	text := c.end()
	c.text.Reset()
	c.text.WriteString(text)
	return c
}

func (c *content) empty() bool {
	return c == nil || strings.TrimSpace(c.text.String()) == "" && len(c.data) == 0
}

// An answer assembles a reply and passes its text to OnDelta as it grows.
type answer struct {
	limit    int
	thoughts executors.Thoughts
	onDelta  func(string)

	artifacts []*content
	closing   *content // the message that is the answer, or the last status's
	progress  *content // the latest message while the task was working
	streamed  strings.Builder
	mute      bool // the text no longer continues the one passed to OnDelta
}

func (e *Executor) newAnswer(req executors.Request) *answer {
	return &answer{limit: e.cfg.MaxReplyBytes, thoughts: e.cfg.Thoughts, onDelta: req.OnDelta}
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
		a.artifacts = append(a.artifacts, a.content(in.key()))
	case !more:
		a.artifacts[at] = a.content(in.key())
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
		c := a.content(piece.key())
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

// text returns the text of the artifacts so far.
func (a *answer) text() string {
	return a.join(func(c *content) string { return c.text.String() })
}

// whole returns the text of the artifacts at the end of the answer.
func (a *answer) whole() string { return a.join((*content).end) }

func (a *answer) join(of func(*content) string) string {
	var b strings.Builder
	for _, c := range a.artifacts {
		text := of(c)
		if text == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(blank)
		}
		b.WriteString(text)
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
	text, file := a.whole(), false
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
