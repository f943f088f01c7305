package activities

import (
	"container/list"
	"sync"

	"github.com/parley-run/parley/conversation"
)

// transcriptCache keeps the transcripts of the conversations that this worker
// answered last, so that a reply needs only what is new. It is bounded by bytes;
// what falls out is read again from the workflow.
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
	for _, m := range messages {
		entry.size += m.Size()
	}
	c.entries[workflowID] = c.order.PushFront(entry)
	c.size += entry.size
	for c.size > c.limit && c.order.Len() > 0 {
		c.drop(c.order.Back().Value.(*cached).workflowID)
	}
}

func (c *transcriptCache) drop(workflowID string) {
	if element, ok := c.entries[workflowID]; ok {
		c.size -= element.Value.(*cached).size
		c.order.Remove(element)
		delete(c.entries, workflowID)
	}
}
