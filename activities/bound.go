package activities

import (
	"fmt"
	"maps"
	"slices"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

// Temporal refuses payloads of 2 MiB. What comes from the other side is recorded as the result of the
// activity that brought it and in the input of the next reply, together with what else
// is new.
const (
	// maxTaken is for the messages of one exchange together.
	maxTaken = 1280 << 10
	// maxContext is for all texts of a context together.
	maxContext = 640 << 10
	// minMessage is what each message may have, however many there are.
	minMessage = 1 << 10
	// maxMessages is how many messages of one exchange can be recorded.
	maxMessages = 1000
	// maxListed is how many attributes and objectives a context may have.
	maxListed = 100
)

// A cutter cuts what is too large to be recorded.
type cutter struct {
	limit   int // of each message and text
	setting int // of MaxMessageBytes
	largest int // of what was cut, before
	what    string
	left    int // for all together
}

func newCutter(maxMessageBytes, all int) *cutter {
	if maxMessageBytes <= 0 {
		maxMessageBytes = conversation.DefaultMaxMessageBytes
	}
	return &cutter{limit: min(maxMessageBytes, all), setting: maxMessageBytes, left: all}
}

func (c *cutter) note(what string, size int) {
	if size > c.largest {
		c.what, c.largest = what, size
	}
}

// messages returns them cut; the newest ones have the most bytes left.
func (c *cutter) messages(messages []conversation.Message) []conversation.Message {
	out := make([]conversation.Message, len(messages))
	for i := len(messages) - 1; i >= 0; i-- {
		m := messages[i]
		kept, cut := m.Cut(max(minMessage, min(c.limit, c.left-i*minMessage)))
		if cut > 0 {
			c.note(fmt.Sprintf("a message of the %s", m.Role), m.RecordedSize())
		}
		c.left -= kept.RecordedSize()
		out[i] = kept
	}
	if len(messages) == 0 {
		return messages
	}
	return out
}

func (c *cutter) text(what string, to *string) {
	kept, cut := conversation.CutText(*to, max(minMessage, min(c.limit, c.left)))
	if cut > 0 {
		c.note(what, conversation.EscapedSize(*to))
	}
	c.left -= conversation.EscapedSize(kept)
	*to = kept
}

// attributes returns them cut, and no more than maxListed: each has at least minMessage.
func (c *cutter) attributes(given map[string]string) map[string]string {
	if given == nil {
		return nil
	}
	out := make(map[string]string, min(len(given), maxListed))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if len(out) == maxListed {
			c.note("the list of the persona's attributes", len(given)*minMessage)
			break
		}
		value := given[name]
		c.text("an attribute of the persona", &value)
		out[printable.Clip(name, printable.MaxName)] = value
	}
	return out
}

// finding is why the conversation parks, if it is to.
func (c *cutter) finding(on conversation.OnOversize) *Finding {
	if c.largest == 0 || on != conversation.ParkOversize {
		return nil
	}
	return &Finding{
		Kind:   conversation.Invalid,
		Reason: fmt.Sprintf("%s has %d KiB as JSON; max_message_bytes allows %d KiB, and %d KiB can be recorded at once", c.what, c.largest>>10, c.setting>>10, maxTaken>>10),
		Remedy: "starter resume continues with the message cut; starter end ends the conversation",
	}
}

// tooMany refuses more messages at once than can be recorded, each with minMessage.
func tooMany(messages []conversation.Message) error {
	if len(messages) <= maxMessages {
		return nil
	}
	return &conversation.Error{
		Kind: conversation.Invalid, Op: "exchange", Answered: true,
		Err: fmt.Errorf("the platform answered with %d messages at once; at most %d are possible", len(messages), maxMessages),
	}
}

// bound cuts what came back. A conversation that has ended does not park for it.
func (e *exchanging) bound(out *ExchangeResult) {
	c := newCutter(e.in.MaxMessageBytes, maxTaken)
	out.Messages = c.messages(out.Messages)
	if out.Park == nil && !out.Ended {
		out.Park = c.finding(e.in.OnOversize)
	}
}

// bound cuts the texts and messages of a context.
func (in ContextInput) bound(out *ContextResult) {
	c := newCutter(in.MaxMessageBytes, maxContext)
	about := &out.Context
	c.text("the scenario", &about.Scenario)
	c.text("the persona's story", &about.Persona.Story)
	c.text("the persona's summary", &about.Persona.Summary)
	c.text("the persona's purpose", &about.Persona.Purpose)
	c.text("the simulation's name", &about.Simulation)
	c.text("the agent's name", &about.AgentName)
	about.Persona.Attributes = c.attributes(about.Persona.Attributes)
	if n := len(about.Objectives); n > maxListed {
		c.note("the list of objectives", n*minMessage)
		about.Objectives = about.Objectives[:maxListed]
	}
	for i := range about.Objectives {
		c.text("an objective", &about.Objectives[i].Name)
		c.text("an objective", &about.Objectives[i].Criteria)
	}
	if len(about.Metadata) > min(c.limit, c.left) {
		c.note("the metadata", len(about.Metadata))
		about.Metadata = nil
	}
	m := newCutter(in.MaxMessageBytes, maxTaken-maxContext)
	out.Messages = m.messages(out.Messages)
	if m.largest > c.largest {
		c.note(m.what, m.largest)
	}
	if out.State != "ended" {
		out.Park = c.finding(in.OnOversize)
	}
}
