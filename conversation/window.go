package conversation

import (
	"slices"
	"strings"
)

// Bounds are what a request may hold of a conversation. Zero values bound nothing.
type Bounds struct {
	// Messages is how many messages there may be.
	Messages int
	// Bytes is what they may have together, as [Message.Size] counts them.
	Bytes int
	// Marker, if not empty, is added to the first message where earlier ones are left out.
	Marker string
}

// A Window is the part of a conversation that fits [Bounds].
type Window struct {
	Messages []Message
	// Whole means that nothing was left out or shortened.
	Whole bool
	// Least means that nothing more can be left out: the newest message, and what the agent
	// and its tools did since, is all that is left.
	Least bool
}

// Size is what the messages have together.
func (w Window) Size() int { return sizeOf(w.Messages) }

// Window returns what of a conversation goes out. That is the newest message, everything
// since, and as much as fits of what came before: the first message, if the user wrote
// it, and the newest ones. The first message is the user's, and the cut is made so that
// the roles alternate and no tool call loses its results. Where the newest message and
// what follows it do not fit alone, results of its tools are left out or cut, the oldest
// first. The given messages are not changed.
func (b Bounds) Window(messages []Message) Window {
	turn, first := newestTurn(messages), firstDialogue(messages)
	if b.fits(len(messages), sizeOf(messages)) {
		return Window{Messages: messages, Whole: true, Least: turn == first && leastResults(messages)}
	}
	from := sizesFrom(messages)
	if kept, ok := b.withFirst(messages, from, first, turn); ok {
		return Window{Messages: kept}
	}
	system := from[0] - from[first]
	start := turn
	for i := first + 1; i < turn; i++ {
		if messages[i].Role == RoleUser && b.fits(first+len(messages)-i, system+from[i]) {
			start = i
			break
		}
	}
	w := Window{Whole: start == first, Least: start == turn}
	rest := messages[start:]
	if w.Least && b.Bytes > 0 && system+from[start] > b.Bytes {
		var shortened bool
		rest, shortened = fitResults(rest, b.Bytes-system)
		w.Whole = w.Whole && !shortened
	}
	w.Least = w.Least && leastResults(rest)
	if start > first && len(rest) > 0 {
		rest = marked(rest, b.Marker, false)
	}
	w.Messages = slices.Concat(messages[:first], rest)
	return w
}

// withFirst is the window that keeps the conversation's first message. A reply must
// follow it, so that the roles alternate. A first message that takes most of the window
// is not kept.
func (b Bounds) withFirst(messages []Message, from []int, first, turn int) ([]Message, bool) {
	if first >= turn || messages[first].Role != RoleUser || b.Bytes > 0 && messages[first].Size() > b.Bytes/2 {
		return nil, false
	}
	head := from[0] - from[first+1]
	for i := first + 2; i < turn; i++ {
		if messages[i].Role == RoleAssistant && messages[i-1].Role != RoleAssistant && b.fits(first+1+len(messages)-i, head+from[i]) {
			return slices.Concat(messages[:first], marked(messages[first:first+1], b.Marker, true), messages[i:]), true
		}
	}
	return nil, false
}

func (b Bounds) fits(count, size int) bool {
	return (b.Messages <= 0 || count <= b.Messages) && (b.Bytes <= 0 || size <= b.Bytes)
}

// sizesFrom are the sizes of the messages from each index on.
func sizesFrom(messages []Message) []int {
	from := make([]int, len(messages)+1)
	for i := len(messages) - 1; i >= 0; i-- {
		from[i] = from[i+1] + messages[i].Size()
	}
	return from
}

func sizeOf(messages []Message) int {
	n := 0
	for _, m := range messages {
		n += m.Size()
	}
	return n
}

// firstDialogue is the index of the first message that is not the system's.
func firstDialogue(messages []Message) int {
	for i, m := range messages {
		if m.Role != RoleSystem {
			return i
		}
	}
	return len(messages)
}

// newestTurn is the index of the newest message of the user. Without one it is that of
// the first message.
func newestTurn(messages []Message) int {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == RoleUser {
			return i
		}
	}
	return firstDialogue(messages)
}

// marked adds a text to the first message, behind or before what it says.
func marked(messages []Message, text string, behind bool) []Message {
	if text == "" {
		return messages
	}
	out, mark := slices.Clone(messages), Part{Type: PartText, Text: text}
	if behind {
		out[0].Parts = append(slices.Clone(out[0].Parts), mark)
	} else {
		out[0].Parts = append([]Part{mark}, out[0].Parts...)
	}
	return out
}

// resultOmitted stands for a tool's result that is left out, and minResult is what a
// result keeps at least of its bytes when it is cut instead.
const (
	resultOmitted = "[this result was left out: the conversation is too long for the model]"
	minResult     = 512
)

// fitResults leaves out results of tools, the oldest first, until the messages of a turn
// fit. Those of the newest round are cut, for the model has not read them yet, and are
// left out only if next to nothing of them would remain.
func fitResults(turn []Message, budget int) (out []Message, changed bool) {
	out = slices.Clone(turn)
	size, newest := sizeOf(out), len(out)
	for newest > 0 && out[newest-1].Role == RoleTool {
		newest--
	}
	for i := 0; i < newest && size > budget; i++ {
		size, changed = replaceResults(out, i, size, changed, func(string) string { return resultOmitted })
	}
	results, content := 0, 0
	for _, m := range out[newest:] {
		for _, p := range m.Parts {
			if p.ToolResult != nil {
				results, content = results+1, content+len(p.ToolResult.Content)
			}
		}
	}
	if results == 0 || size <= budget {
		return out, changed
	}
	share := (budget - (size - content)) / results
	for i := newest; i < len(out); i++ {
		size, changed = replaceResults(out, i, size, changed, func(content string) string {
			if share < minResult {
				return resultOmitted
			}
			kept, _ := CutText(content, share)
			return kept
		})
	}
	return out, changed
}

// replaceResults changes the results in one message where that makes them shorter.
func replaceResults(messages []Message, i, size int, changed bool, with func(string) string) (int, bool) {
	cloned := false
	for n, p := range messages[i].Parts {
		if p.ToolResult == nil {
			continue
		}
		text := with(p.ToolResult.Content)
		if len(text) >= len(p.ToolResult.Content) {
			continue
		}
		if !cloned {
			messages[i].Parts, cloned = slices.Clone(messages[i].Parts), true
		}
		result := *p.ToolResult
		size -= len(result.Content) - len(text)
		result.Content = text
		messages[i].Parts[n].ToolResult = &result
		changed = true
	}
	return size, changed
}

// leastResults reports that no result can be made shorter.
func leastResults(messages []Message) bool {
	for _, m := range messages {
		for _, p := range m.Parts {
			if p.ToolResult != nil && len(p.ToolResult.Content) > len(resultOmitted) {
				return false
			}
		}
	}
	return true
}

// Alternating joins neighbouring messages of one role, and leaves out those that say
// nothing: APIs with strict templates reject them. A message with tool calls or results ends what is joined, for the calls must be
// followed by their results. The given messages are not changed.
func Alternating(messages []Message) []Message {
	out := make([]Message, 0, len(messages))
	for _, m := range messages {
		if saysNothing(m) {
			continue
		}
		last := len(out) - 1
		if last < 0 || out[last].Role != m.Role || m.Role == RoleTool || out[last].Internal() || hasResult(out[last]) || hasResult(m) {
			out = append(out, m)
			continue
		}
		joined := m // with its calls and the provider's state
		joined.Parts = slices.Concat(out[last].Parts, m.Parts)
		out[last] = joined
	}
	return out
}

func saysNothing(m Message) bool {
	return !slices.ContainsFunc(m.Parts, func(p Part) bool { return p.Type != PartText || strings.TrimSpace(p.Text) != "" })
}

func hasResult(m Message) bool {
	return slices.ContainsFunc(m.Parts, func(p Part) bool { return p.ToolResult != nil })
}
