package onerun

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// An answerError is an answer whose status says failure.
type answerError = rest.AnswerError

// judge knows what an account is that has nothing left.
func judge(a rest.Answer, e *conversation.Error) {
	if a.Status != http.StatusPaymentRequired {
		return
	}
	e.Kind = conversation.QuotaExhausted
	e.Remedy = "see to the account's balance or limits"
	if e.RetryAfter = a.Wait(); e.RetryAfter > 0 {
		// A time to come back at means that it passes by itself.
		e.Kind, e.Remedy = conversation.RateLimited, ""
	}
}

// secrets are what must not show up in an error. Header values shorter than
// eight bytes are not taken for secrets: they would black out ordinary words.
func secrets(key string, headers []string) []string {
	all := []string{key, url.QueryEscape(key)}
	for _, value := range headers {
		if len(value) >= 8 {
			all = append(all, value)
			if _, token, found := strings.Cut(value, " "); found && len(token) >= 8 {
				all = append(all, token)
			}
		}
	}
	return all
}
