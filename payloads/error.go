package payloads

import (
	"fmt"
	"regexp"
)

// Types of the failures that say that a payload could not be read. Histories have them.
const (
	// ErrTypeMissingKey is that of a payload whose key the worker lacks.
	ErrTypeMissingKey = "MissingKey"
	// ErrTypeUnreadable is that of a payload that does not open with its key.
	ErrTypeUnreadable = "UnreadablePayload"
)

// A KeyError is a payload that was encrypted with a key that the ring lacks.
type KeyError struct {
	// Key is the key's name.
	Key string
	// Workflow is the id of the workflow that the payload says it belongs to. Empty: none.
	Workflow string
}

func (e *KeyError) Error() string {
	text := fmt.Sprintf("payload is encrypted with key %q, which is not in the key ring: add it to encryption.keys", e.Key)
	if e.Workflow != "" {
		text += fmt.Sprintf(" (workflow %q)", e.Workflow)
	}
	return text
}

// A SealError is a payload that does not open: it was changed, moved from another
// workflow, or encrypted with another key of the same name.
type SealError struct {
	// Key is the key's name. Empty: the payload names none.
	Key string
	// Workflow is the id of the workflow that the payload says it belongs to. Empty: none.
	Workflow string
	// Read is the id of the workflow that it was read for, if that is another.
	Read string
}

func (e *SealError) Error() string {
	if e.Key == "" {
		return "payload does not say with which key it is encrypted: it was changed"
	}
	if e.Read != "" {
		return fmt.Sprintf("payload of workflow %q was read for workflow %q: it has been moved", e.Workflow, e.Read)
	}
	return fmt.Sprintf("payload does not open with key %q: it was changed, or encrypted with another key of that name (check encryption.keys)", e.Key)
}

// keyText finds the key's name in the text of a [KeyError], which is all that is left of
// one where the SDK recovers from a panic, or where a failure was read.
var keyText = regexp.MustCompile(`payload is encrypted with key "([A-Za-z0-9][A-Za-z0-9._-]{0,63})", which is not in the key ring`)

// MissingKey is the name of the key that a [KeyError]'s text has. Empty: it is none.
func MissingKey(text string) string {
	if found := keyText.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}
