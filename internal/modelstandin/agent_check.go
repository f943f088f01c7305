package modelstandin

import (
	"io"
	"net/http"
)

// checkAgent is what a custom agent requires. Known is whether it knows the state.
func checkAgent(req AgentRequest, known bool) *refusal {
	reason := ""
	switch {
	case req.Conversation.ID == "":
		reason = "conversation is required"
	case !known:
		reason = "no such session"
	default:
		return nil
	}
	return &refusal{reason, Write(http.StatusUnprocessableEntity, JSON(fields{"detail": reason}))}
}

// page is the answer of a proxy that does not know the protocol behind it.
func page(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><body><h1>"+http.StatusText(status)+"</h1></body></html>\n")
	}
}

func (Agent) limited() http.HandlerFunc    { return page(http.StatusTooManyRequests, "Retry-After", "1") }
func (Agent) overloaded() http.HandlerFunc { return page(http.StatusServiceUnavailable) }
func (A2A) limited() http.HandlerFunc      { return page(http.StatusTooManyRequests, "Retry-After", "1") }
func (A2A) overloaded() http.HandlerFunc   { return page(http.StatusServiceUnavailable) }
