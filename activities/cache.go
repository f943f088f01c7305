package activities

import (
	"container/list"
	"sync"
	"unsafe"

	"github.com/parley-run/parley/conversation"
)

// transcriptCache keeps the transcripts of the conversations that this worker
// answered last, so that a reply needs only what is new. It is bounded by bytes; a
// transcript that is not in it is read from the workflow.
type transcriptCache struct {
	mu      sync.Mutex
	limit   int
	size    int
	order   *list.List // of *cached, newest in front
	entries map[string]*list.Element
}

type cached struct {
	workflowID string
	digest     string
	messages   []conversation.Message
	size       int
}

func newTranscriptCache(limit int) *transcriptCache {
	return &transcriptCache{limit: limit, order: list.New(), entries: make(map[string]*list.Element)}
}

// get returns the transcript whose digest is asked for, or false.
func (c *transcriptCache) get(workflowID, digest string) ([]conversation.Message, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[workflowID]
	if !ok {
		return nil, false
	}
	entry := element.Value.(*cached)
	if entry.digest != digest {
		return nil, false
	}
	c.order.MoveToFront(element)
	return entry.messages, true
}

// put keeps messages, which the caller must not change any more.
func (c *transcriptCache) put(workflowID, digest string, messages []conversation.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(workflowID)
	entry := &cached{workflowID: workflowID, digest: digest, messages: messages}
	entry.size = cacheOverhead + len(workflowID) + len(digest) + (cap(messages)-len(messages))*int(unsafe.Sizeof(conversation.Message{}))
	for _, m := range messages {
		entry.size += memoryOf(m)
	}
	c.entries[workflowID] = c.order.PushFront(entry)
	c.size += entry.size
	for c.size > c.limit && c.order.Len() > 0 {
		c.drop(c.order.Back().Value.(*cached).workflowID)
	}
}

// forget drops a conversation that is over.
func (c *transcriptCache) forget(workflowID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(workflowID)
}

// cacheOverhead is about what an entry takes besides its transcript.
const cacheOverhead = 512

// memoryOf is about how much memory a message takes.
func memoryOf(m conversation.Message) int {
	n := int(unsafe.Sizeof(m)) + cap(m.Parts)*int(unsafe.Sizeof(conversation.Part{}))
	if m.State != nil {
		n += int(unsafe.Sizeof(*m.State)) + len(m.State.Model) + cap(m.State.Data)
	}
	for _, p := range m.Parts {
		n += len(p.Text) + cap(p.Data)
		if p.ToolCall != nil {
			n += int(unsafe.Sizeof(*p.ToolCall)) + len(p.ToolCall.ID) + len(p.ToolCall.Name) + cap(p.ToolCall.Arguments)
		}
		if p.ToolResult != nil {
			n += int(unsafe.Sizeof(*p.ToolResult)) + len(p.ToolResult.CallID) + len(p.ToolResult.Content) + len(p.ToolResult.Decision)
		}
	}
	return n
}

func (c *transcriptCache) drop(workflowID string) {
	if element, ok := c.entries[workflowID]; ok {
		c.size -= element.Value.(*cached).size
		c.order.Remove(element)
		delete(c.entries, workflowID)
	}
}
