package operate

import "github.com/parley-run/parley/internal/records"

// An Operator acts on the conversations and inboxes of one namespace. Its methods are safe
// for concurrent use.
type Operator struct{ *records.Reader }
