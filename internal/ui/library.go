package ui

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/summary"
)

const (
	// readers is how many conversations are read at the same time in the background.
	readers = 4
	// maxTexts bounds the texts that are held for the search, in bytes.
	maxTexts = 96 << 20
	// maxCases bounds the figures of conversations that are held.
	maxCases = 50_000
	// maxQueue bounds the conversations that wait to be read.
	maxQueue = 20_000
	// retryRead is when a conversation that could not be read is read again.
	retryRead = time.Minute
)

// A library holds what has been read of conversations: their figures, and their texts for
// the search. It reads closed conversations in the background when a page wants them.
type library struct {
	source Source

	mu     sync.Mutex
	cases  map[string]summary.Case // by run ids
	texts  map[string]texts        // by run ids
	bytes  int
	failed map[string]time.Time // by run ids
	queue  []records.Conversation
	queued map[string]bool
	wake   chan struct{}
}

// texts are the messages of one conversation, and the same in lower case.
type texts struct{ plain, lower string }

func newLibrary(source Source) *library {
	return &library{
		source: source, cases: make(map[string]summary.Case), texts: make(map[string]texts), failed: make(map[string]time.Time),
		queued: make(map[string]bool), wake: make(chan struct{}, 1),
	}
}

// add takes over what a record says.
func (l *library) add(r records.Record) {
	var b strings.Builder
	for _, m := range r.Messages {
		b.WriteString(m.Text)
		for _, p := range m.Parts {
			if p.ToolCall != nil {
				b.WriteString("\n" + p.ToolCall.Name + " " + string(p.ToolCall.Arguments))
			}
			if p.ToolResult != nil {
				b.WriteString("\n" + p.ToolResult.Content)
			}
		}
		b.WriteByte('\n')
	}
	plain := b.String()
	t := texts{plain, strings.ToLower(plain)}
	figures := summary.CaseOf(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.cases[r.RunID]; ok || len(l.cases) < maxCases {
		l.cases[r.RunID] = figures
	}
	size := len(t.plain) + len(t.lower)
	if old, ok := l.texts[r.RunID]; ok {
		l.bytes -= len(old.plain) + len(old.lower)
		delete(l.texts, r.RunID)
	}
	if l.bytes+size <= maxTexts {
		l.texts[r.RunID] = t
		l.bytes += size
	}
}

// caseOf is what is known of a conversation: its figures if it has been read as it is now,
// or else what the list says. read says which.
func (l *library) caseOf(c *records.Conversation) (figures summary.Case, read bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.cases[c.RunID]; ok && known.Open == c.Open && (known.Turns == c.Turns || !c.Open) {
		return known, true
	}
	return summary.CaseOf(records.Record{Conversation: *c}), false
}

// find looks for a text in lower case in the messages of a conversation.
func (l *library) find(c *records.Conversation, text string) (excerpt string, found, read bool) {
	l.mu.Lock()
	t, ok := l.texts[c.RunID]
	l.mu.Unlock()
	if !ok {
		return "", false, false
	}
	i := strings.Index(t.lower, text)
	if i < 0 {
		return "", false, true
	}
	from := t.plain
	if len(t.plain) != len(t.lower) {
		from = t.lower // the places are not the same
	}
	return excerptAt(from, i, i+len(text)), true, true
}

// excerptAt is a piece of a text around a place, on one line.
func excerptAt(text string, from, to int) string {
	const around = 60
	start, end := max(from-around, 0), min(to+2*around, len(text))
	for start > 0 && text[start]&0xc0 == 0x80 {
		start--
	}
	for end < len(text) && text[end]&0xc0 == 0x80 {
		end++
	}
	out := line(text[start:end], 4*around)
	if start > 0 {
		out = printable.Cut + out
	}
	if end < len(text) {
		out += printable.Cut
	}
	return out
}

// want reads closed conversations in the background, unless they have been read.
func (l *library) want(all []*records.Conversation) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range all {
		if _, ok := l.cases[c.RunID]; ok || c.Open || l.queued[c.RunID] || len(l.queue) >= maxQueue || now.Sub(l.failed[c.RunID]) < retryRead {
			continue
		}
		l.queued[c.RunID] = true
		l.queue = append(l.queue, *c)
	}
	l.signal()
}

func (l *library) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take is the next conversation to read.
func (l *library) take() (records.Conversation, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return records.Conversation{}, false
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	return c, true
}

// run reads what pages want until ctx is done.
func (l *library) run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	for range readers {
		group.Go(func() {
			for {
				c, ok := l.take()
				if !ok {
					select {
					case <-ctx.Done():
						return
					case <-l.wake:
						continue
					}
				}
				l.signal() // there may be more, for the others
				l.read(ctx, c)
				if ctx.Err() != nil {
					return
				}
			}
		})
	}
}

func (l *library) read(ctx context.Context, c records.Conversation) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	r, err := l.source.Record(ctx, c.ID)
	l.mu.Lock()
	delete(l.queued, c.RunID)
	if err != nil {
		l.failed[c.RunID] = time.Now()
	}
	l.mu.Unlock()
	if err == nil {
		l.add(r)
	}
}
