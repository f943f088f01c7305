package onerun

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/parley-run/parley/platforms/internal/rest"
)

// A Timestamp is a point in time as OneRun writes it: without a zone, meaning
// UTC, and with six fraction digits or none. Timestamps with a zone are
// understood too. Null and the empty string are the zero time.
type Timestamp struct{ time.Time }

// The layouts; a fraction of a second is read by each of them.
var timestampLayouts = []string{
	"2006-01-02T15:04:05",
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04",
	time.DateOnly,
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	var s *string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("timestamp %s is not a string", rest.Clip(string(data)))
	}
	*t = Timestamp{}
	if s == nil || *s == "" {
		return nil
	}
	text := strings.Replace(*s, " ", "T", 1)
	for _, layout := range timestampLayouts {
		if parsed, err := time.Parse(layout, text); err == nil {
			t.Time = parsed.UTC()
			return nil
		}
	}
	return fmt.Errorf("timestamp %q is not in ISO 8601", rest.Clip(*s))
}
