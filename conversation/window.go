package conversation

// Window returns at most about limit messages: the first, and the newest. It cuts
// where the other side speaks, so that a tool call is never parted from its result
// nor a reply from what it answers; where there is no such place it keeps more.
// Zero or less: all of them.
func Window(messages []Message, limit int) []Message {
	if limit <= 0 || len(messages) <= limit {
		return messages
	}
	start := len(messages) - max(limit-1, 1)
	for start > 1 && messages[start].Role != RoleUser {
		start--
	}
	if start <= 1 {
		return messages
	}
	out := make([]Message, 0, len(messages)-start+1)
	return append(append(out, messages[0]), messages[start:]...)
}
