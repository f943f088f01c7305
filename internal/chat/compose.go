package chat

import "strings"

// fence opens and closes a message of several lines.
const fence = `"""`

// A Composer builds messages from lines. The zero value waits for a first line.
type Composer struct {
	lines  []string
	begun  bool
	fenced bool
	pasted bool
}

// A Composed is a whole message.
type Composed struct {
	Text string
	// Plain is a single typed line: it may be a command.
	Plain bool
}

// Add adds a line. Pasted says that its line ending was pasted, not typed: the message
// continues. It also continues after a backslash at the end of the line, and until the
// closing fence.
func (c *Composer) Add(line string, pasted bool) (message Composed, whole bool) {
	first := !c.begun
	c.begun = true
	switch {
	case c.fenced:
		before, closed := strings.CutSuffix(strings.TrimRight(line, " \t"), fence)
		if !closed || pasted {
			c.lines = append(c.lines, line)
			return Composed{}, false
		}
		if before != "" {
			c.lines = append(c.lines, before)
		}
		return c.finish(false), true
	case pasted:
		c.pasted = true
		c.lines = append(c.lines, line)
		return Composed{}, false
	case first && strings.HasPrefix(line, fence):
		rest := strings.TrimPrefix(line, fence)
		if inside, closed := strings.CutSuffix(strings.TrimRight(rest, " \t"), fence); closed {
			c.lines = append(c.lines, inside)
			return c.finish(false), true
		}
		c.fenced = true
		if strings.TrimSpace(rest) != "" {
			c.lines = append(c.lines, rest)
		}
		return Composed{}, false
	case !c.pasted && strings.HasSuffix(line, `\`):
		c.lines = append(c.lines, strings.TrimSuffix(line, `\`))
		return Composed{}, false
	}
	c.lines = append(c.lines, line)
	return c.finish(first), true
}

// Begun reports whether an incomplete message is held.
func (c *Composer) Begun() bool { return c.begun }

// Drop discards the incomplete message.
func (c *Composer) Drop() { *c = Composer{} }

func (c *Composer) finish(plain bool) Composed {
	text := strings.Join(c.lines, "\n")
	c.Drop()
	return Composed{Text: strings.TrimRight(text, "\n"), Plain: plain}
}
