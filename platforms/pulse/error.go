package pulse

import (
	"fmt"
	"net/url"

	"github.com/parley-run/parley/platforms/internal/rest"
)

// An AnswerError is an answer whose status says failure.
type AnswerError = rest.AnswerError

// words are what Pulse and its settings are called.
func words() rest.Words {
	return rest.Words{
		Platform: "pulse", Service: "Pulse", API: "Pulse", Place: "Pulse",
		Setting: "url", Variable: "PULSE_SERVER_URL", Example: "http://localhost:8000",
		Key: "check api_key, or PULSE_API_KEY, against the server's API_KEY",
	}
}

// pageRemedy helps those who are somewhere else.
func pageRemedy(base *url.URL) string {
	return fmt.Sprintf("%s answers with a web page: set url to where Pulse is, in the stock set-up port 8000", base)
}
