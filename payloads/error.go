package payloads

import "fmt"

// A KeyError is a payload that was encrypted with a key that the ring lacks.
type KeyError struct {
	// Key is the key's name.
	Key string
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("payload is encrypted with key %q, which is not in the key ring: add it to encryption.keys", e.Key)
}

// A SealError is a payload that does not open: it was changed, moved from another
// workflow, or encrypted with another key of the same name.
type SealError struct {
	// Key is the key's name.
	Key string
	// Workflow is the id of the workflow that the payload says it belongs to. Empty: none.
	Workflow string
	// Read is the id of the workflow that it was read for, if that is another.
	Read string
}

func (e *SealError) Error() string {
	if e.Read != "" {
		return fmt.Sprintf("payload of workflow %q was read for workflow %q: it has been moved", e.Workflow, e.Read)
	}
	return fmt.Sprintf("payload does not open with key %q: it was changed, or encrypted with another key of that name (check encryption.keys)", e.Key)
}
