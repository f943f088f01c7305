package apierror

import (
	"regexp"
	"time"

	"github.com/parley-run/parley/internal/httpclient"
)

var retryIn = regexp.MustCompile(`(?i)(?:try again|retry|retry after|wait)(?: (?:in|after|for))? (\d{1,7}(?:\.\d{1,6})?) ?(ms|s\b|sec|second)`)

// waitIn is the wait that a message asks for.
func waitIn(message string) time.Duration {
	found := retryIn.FindStringSubmatch(message)
	if found == nil {
		return 0
	}
	unit := time.Second
	if found[2] == "ms" {
		unit = time.Millisecond
	}
	d, _ := httpclient.Number(found[1], unit)
	return d
}
