package pulse

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/parley-run/parley/platforms/internal/rest"
)

// words are what Pulse and its settings are called.
func words() rest.Words {
	return rest.Words{
		Platform: "pulse", Service: "Pulse", API: "Pulse", Place: "Pulse",
		Setting: "url", Variable: "PULSE_SERVER_URL", Example: "http://localhost:8000",
		Key: "check api_key, or PULSE_API_KEY, against the server's API_KEY",
	}
}

// own reports whether an answer of failure is Pulse's own: FastAPI's shape, but not
// what any other server on FastAPI says of a path that it does not have. Pulse names
// the task that it does not know.
func own(a rest.Answer) bool {
	return rest.FastAPI(a) && !(a.Status == http.StatusNotFound && a.Detail() == http.StatusText(http.StatusNotFound))
}

// pageRemedy helps those who are somewhere else.
func pageRemedy(base *url.URL) string {
	return fmt.Sprintf("%s answers with a web page: set url to where Pulse is, in the stock set-up port 8000", base)
}
