package onerun

import (
	"encoding/json"
	"strings"
	"time"
)

// A Timestamp is a point in time as OneRun writes it: without a zone, meaning
// UTC, and with six fraction digits or none. Timestamps with a zone are
// understood too. Null, and whatever is no point in time, is the zero time: no
// conversation is lost over it.
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
	*t = Timestamp{}
	var s string
	if json.Unmarshal(data, &s) != nil {
		return nil
	}
	text := strings.Replace(s, " ", "T", 1)
	for _, layout := range timestampLayouts {
		if parsed, err := time.Parse(layout, text); err == nil {
			t.Time = parsed.UTC()
			return nil
		}
	}
	return nil
}
