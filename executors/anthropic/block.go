package anthropic

import (
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// The types of blocks that are read. Blocks of other types are sent back as they came.
const (
	textBlock     = "text"
	thinkingBlock = "thinking"
	redactedBlock = "redacted_thinking"
	toolUse       = "tool_use"
)

// A contentBlock is a block of an answer.
type contentBlock struct {
	kind            string
	fields          lenient.Object // at its beginning
	text, signature strings.Builder
	input           strings.Builder // of a tool of the server
	call            *modelcall.Call // of a tool_use
	closed          bool
}

func newBlock(fields lenient.Object) *contentBlock {
	b := &contentBlock{kind: fields.Text("type"), fields: fields}
	if b.kind == "" {
		b.kind = untyped(fields)
	}
	switch b.kind {
	case textBlock:
		b.text.WriteString(fields.Text("text"))
	case thinkingBlock:
		b.text.WriteString(fields.Text("thinking"))
		b.signature.WriteString(fields.Text("signature"))
	}
	return b
}

// untyped returns the type of a block without one.
func untyped(fields lenient.Object) string {
	switch {
	case fields.Get("text") != nil:
		return textBlock
	case fields.Get("thinking") != nil:
		return thinkingBlock
	case fields.Get("name") != nil && fields.Get("id", "input") != nil:
		return toolUse
	}
	return ""
}

// deltaType returns the type of a piece without its suffix, also if it has none.
func deltaType(delta lenient.Object) string {
	if kind := delta.Text("type"); kind != "" {
		return strings.TrimSuffix(kind, "_delta")
	}
	for field, kind := range map[string]string{
		"text": "text", "thinking": "thinking", "signature": "signature", "partial_json": "input_json",
	} {
		if delta.Get(field) != nil {
			return kind
		}
	}
	return ""
}

// none is the index of a block without one.
const none = -1

// index returns the index of an event's block.
func index(event lenient.Object) int64 {
	if event.Get("index") == nil {
		return none
	}
	return event.Count("index")
}

// blocks are those of an answer, in order. Servers repeat indexes, skip some, or leave
// them out: a piece then belongs to the newest block that it fits.
type blocks struct {
	all     []*contentBlock
	byIndex map[int64]*contentBlock // the newest with this index
	size    int
}

// blockSize is counted for each block in addition to its texts.
const blockSize = 64

func (s *blocks) open(index int64, b *contentBlock) {
	if s.byIndex == nil {
		s.byIndex = map[int64]*contentBlock{}
	}
	s.byIndex[index] = b
	s.size += blockSize
	for _, value := range b.fields {
		s.size += len(value)
	}
	if !s.lost() || b.call != nil {
		s.all = append(s.all, b)
	}
}

// write adds a piece to a text of a block.
func (s *blocks) write(to *strings.Builder, piece string) {
	if s.size += len(piece); !s.lost() {
		to.WriteString(piece)
	}
}

// lost reports whether the blocks are too large to be recorded, and no longer complete.
func (s *blocks) lost() bool { return s.size > conversation.MaxProviderState }

func (s *blocks) close(index int64) {
	b := s.byIndex[index]
	if b == nil && index == none && len(s.all) > 0 {
		b = s.all[len(s.all)-1]
	}
	if b != nil {
		b.closed = true
	}
}

// repeats reports whether a block begins a call that has begun already.
func (s *blocks) repeats(index int64, b *contentBlock) bool {
	before := s.byIndex[index]
	id := b.fields.Text("id")
	return id != "" && index != none && before != nil && before.kind == toolUse && !before.closed &&
		before.call.ID == id && before.call.Name == b.fields.Text("name") && before.call.Empty()
}

// find returns the open block that a piece belongs to, or nil.
func (s *blocks) find(index int64, fits func(*contentBlock) bool) *contentBlock {
	if b := s.byIndex[index]; b != nil && !b.closed && fits(b) {
		return b
	}
	for i := len(s.all) - 1; i >= 0; i-- {
		if b := s.all[i]; !b.closed && fits(b) {
			return b
		}
	}
	return nil
}

// at returns the block of this type that a piece belongs to. If its beginning is
// missing, the piece begins it.
func (s *blocks) at(index int64, kind string) *contentBlock {
	b := s.find(index, func(b *contentBlock) bool { return b.kind == kind })
	if b == nil {
		b = &contentBlock{kind: kind}
		s.open(index, b)
	}
	return b
}

// taking returns the block that takes a piece of arguments, or nil.
func (s *blocks) taking(index int64) *contentBlock {
	return s.find(index, func(b *contentBlock) bool {
		return b.kind == toolUse || b.fields.Get("input") != nil
	})
}

// complete gives the calls the arguments that came at the beginning of their blocks, if
// no others came: usually there are none, but some servers send them all there.
func (s *blocks) complete() {
	for _, b := range s.all {
		if raw := string(b.fields.Get("input")); b.call != nil && b.call.Empty() && raw != "{}" {
			b.call.Write(raw)
		}
	}
}
