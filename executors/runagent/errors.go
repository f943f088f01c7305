package runagent

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/secret"
)

// RunAgent's codes that this package makes up itself.
const (
	codeValidation = "VALIDATION_ERROR"
	codePermission = "PERMISSION_ERROR"
	codeInternal   = "INTERNAL_ERROR" // the agent itself has failed
)

// codes are what RunAgent's codes mean. All others are the agent's own failure.
var codes = map[string]conversation.Kind{
	"AUTHENTICATION_ERROR":   conversation.Unauthorized,
	codePermission:           conversation.Unauthorized,
	codeValidation:           conversation.Invalid,
	"NOT_FOUND":              conversation.Invalid,
	"STREAM_ENTRYPOINT":      conversation.Invalid,
	"NON_STREAM_ENTRYPOINT":  conversation.Invalid,
	"ARCHITECTURE_MISSING":   conversation.Invalid,
	"AGENT_NOT_FOUND_LOCAL":  conversation.Invalid,
	"AGENT_NOT_FOUND_REMOTE": conversation.Invalid,
	"CONNECTION_ERROR":       conversation.Unavailable,
	"SERVER_ERROR":           conversation.Unavailable,
	"TIMEOUT":                conversation.Unavailable,
	"TIMEOUT_ERROR":          conversation.Unavailable,
}

// reported is a failure in RunAgent's words.
type reported struct {
	text, code, suggestion string
	// started is whether the agent may have run.
	started bool
}

func (r *reported) Error() string { return r.text }

// A statusError is an answer with a status other than success.
type statusError struct {
	said       *reported
	status     int
	retryAfter time.Duration
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// reported finds what an envelope says, where RunAgent's own clients look for it
// and in their order.
func (e envelope) reported() *reported {
	out := &reported{started: true}
	var object struct {
		Code       string          `json:"code"`
		Message    json.RawMessage `json:"message"`
		Suggestion string          `json:"suggestion"`
	}
	if json.Unmarshal(e.Error, &object) == nil {
		out.code, out.suggestion = object.Code, object.Suggestion
	}
	errorText := plain(e.Error)
	if present(object.Message) {
		errorText = plain(object.Message)
	}
	out.text = cmp.Or(plain(e.Detail), errorText, plain(e.Message))
	return out
}

// plain is a text, or the JSON of what is none. FastAPI's complaints about a
// request are a list, of which each has its place and a message.
func plain(raw json.RawMessage) string {
	var text string
	if !present(raw) || json.Unmarshal(raw, &text) == nil {
		return text
	}
	var list []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 && list[0].Msg != "" {
		var out []string
		for _, item := range list {
			where := make([]string, len(item.Loc))
			for i, part := range item.Loc {
				where[i] = fmt.Sprint(part)
			}
			out = append(out, strings.TrimPrefix(strings.Join(where, ".")+": "+item.Msg, ": "))
		}
		return strings.Join(out, "; ")
	}
	return string(bytes.TrimSpace(raw))
}

// reported is what an error frame says. A fault of the start comes as detail; any
// other may come after the agent has begun, and after the first frame it is the
// agent's own.
func (f frame) reported(begun bool) *reported {
	e := envelope{Error: f.Error, Detail: f.Detail}
	out := e.reported()
	out.text = cmp.Or(out.text, "the stream reports an error")
	switch {
	case begun:
		out.code = cmp.Or(out.code, codeInternal)
	case !present(f.Error) && present(f.Detail):
		out.started, out.code = false, cmp.Or(out.code, codeValidation)
	}
	return out
}

// refusal reads a response that is none of success.
func (c *call) refusal(res *http.Response) error {
	said, body := &reported{}, modelcall.ErrorBody(res)
	if err := modelcall.Foreign(res, body, func() bool { return foreign.Reports(res.StatusCode, body, "detail") }); err != nil && !c.turnsAway(res, body) {
		return err
	}
	var e envelope
	if json.Unmarshal(body, &e) == nil {
		said = e.reported()
	}
	return &statusError{said: said, status: res.StatusCode, retryAfter: modelcall.RetryAfter(res.Header, time.Now())}
}

// turnsAway reports whether a local server turns a stream away: it says 403, and no more.
func (c *call) turnsAway(res *http.Response, body []byte) bool {
	return c.local && c.streams() && res.StatusCode == http.StatusForbidden && len(body) == 0
}

// failed turns whatever went wrong into an error with a kind, and says whether
// the agent may have run.
func (c *call) failed(ctx context.Context, err error) error {
	var (
		own     *conversation.Error
		timeout *modelcall.TimeoutError
		status  *statusError
		said    *reported
	)
	if refused := c.refusedAddress(err); refused != nil {
		return refused
	}
	if unsent := httpclient.Unsent(c.op(), err); unsent != nil {
		return unsent
	}
	if errors.As(err, &own) && ctx.Err() == nil { // nothing has been asked yet
		return own
	}
	out := &conversation.Error{Kind: conversation.Unavailable, Op: c.op(), Ambiguous: c.asked.Load()}
	switch {
	case errors.As(context.Cause(ctx), &timeout):
		out.Err = timeout
	case ctx.Err() != nil:
		out.Err = ctx.Err()
	case errors.As(err, &status):
		c.refused(out, status)
	case errors.As(err, &said):
		c.judge(out, said)
	default:
		if e, ok := modelcall.IsForeign(err); ok {
			c.foreign(out, e)
			break
		}
		c.broken(out, err)
	}
	if c.asked.Load() {
		out.Usage = conversation.Usage{Calls: 1}
	}
	return out
}

// judge is for a failure that was reported with a status of success.
func (c *call) judge(out *conversation.Error, said *reported) {
	out.Err = errors.New(c.clean(cmp.Or(conversation.Quote(said.text), "the run failed, and nothing says why")))
	out.Answered = true
	kind, ok := codes[said.code]
	switch {
	case ok && kind != conversation.Unavailable: // it was turned away
		out.Ambiguous = false
		out.Kind, out.Remedy = kind, c.remedy(kind, said.code)
	case ok:
	case !c.local && said.code != codeInternal && speaksOfPermission(said.text):
		out.Kind, out.Remedy = conversation.Unauthorized, c.remedy(conversation.Unauthorized, "")
	case !c.cfg.RetryAgentErrors:
		out.Kind, out.Remedy = conversation.Invalid, "look at the agent's log; retry_agent_errors: true tries such runs again"
	}
	out.Ambiguous = out.Ambiguous && said.started
	out.Remedy = cmp.Or(c.clean(conversation.Quote(said.suggestion)), out.Remedy)
}

// refused is for a status other than success.
func (c *call) refused(out *conversation.Error, e *statusError) {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", e.status, http.StatusText(e.status)))
	if e.said.text != "" {
		text += ": " + conversation.Quote(e.said.text)
	}
	out.Err = errors.New(c.clean(text))
	out.RetryAfter = e.retryAfter
	out.Kind = wire.StatusKind(e.status, e.retryAfter)
	// What a server, or a gateway before it, says of itself may come after the
	// agent has begun; but not before a stream was asked for.
	out.Ambiguous = out.Ambiguous && (e.status >= 500 || e.status == http.StatusRequestTimeout)
	out.Answered = e.status < 500 || e.status == http.StatusInternalServerError
	switch {
	case !c.local && e.status >= 500 && speaksOfPermission(e.said.text):
		out.Kind = conversation.Unauthorized
	case c.local && (e.status == http.StatusUnauthorized || e.status == http.StatusForbidden):
		// FastAPI turns a WebSocket to an unknown path away with 403. A local server
		// knows no keys.
		out.Kind = conversation.Invalid
		out.Remedy = c.remedy(out.Kind, "AGENT_NOT_FOUND_LOCAL")
		return
	}
	switch {
	case e.status == http.StatusNotFound && c.local && e.said.code == "":
		out.Remedy = c.remedy(out.Kind, "AGENT_NOT_FOUND_LOCAL")
	case out.Kind == conversation.QuotaExhausted:
		out.Remedy = "raise the limit of your RunAgent account"
	case out.Kind == conversation.Unauthorized, out.Kind == conversation.Invalid:
		out.Remedy = c.remedy(out.Kind, e.said.code)
	}
	out.Remedy = cmp.Or(c.clean(conversation.Quote(e.said.suggestion)), out.Remedy)
}

// remedy says what to look at.
func (c *call) remedy(kind conversation.Kind, code string) string {
	switch {
	case kind == conversation.Unauthorized:
		return "check api_key, and that it may run this agent"
	case c.local && (code == "AGENT_NOT_FOUND_LOCAL" || code == "AGENT_NOT_FOUND_REMOTE"):
		return "check agent_id: another agent is served there; start yours with runagent serve"
	case code == "NOT_FOUND" && c.local:
		return "check entrypoint_tag, and the entrypoints in the agent's runagent.config.json"
	case code == "NOT_FOUND", code == "AGENT_NOT_FOUND_REMOTE", code == "":
		return "check agent_id and entrypoint_tag, and that the agent is deployed and started"
	case strings.HasSuffix(code, "STREAM_ENTRYPOINT"):
		return "check entrypoint_tag: only those that end in _stream are streamed"
	}
	return "check entrypoint_tag, args and params"
}

const remedyAddress = "check that url, or host and port, lead to RunAgent"

// foreign is for an answer of something in front of RunAgent. It has not passed on what
// it refuses; behind a page that says success, the agent may have run.
func (c *call) foreign(out *conversation.Error, e *foreign.Error) {
	out.Err, out.RetryAfter, out.Remedy = e.Clean(c.clean), e.RetryAfter, remedyAddress
	out.Ambiguous = out.Ambiguous && e.Status < 300
	if e.Redirects() {
		out.Remedy = "set url to where the server redirects: keys do not follow by themselves"
	}
}

// broken is for an answer that did not get through or cannot be used.
func (c *call) broken(out *conversation.Error, err error) {
	var (
		untrusted *tls.CertificateVerificationError
		dns       *net.DNSError
		urlErr    *url.Error
	)
	switch {
	case errors.Is(err, modelcall.ErrTooLarge):
		out.Kind, out.Remedy = conversation.Invalid, "have the agent answer with less"
	case errors.Is(err, errNoText):
		out.Kind, out.Remedy = conversation.Invalid, "set reply_path to where the text of the reply is"
	case errors.Is(err, wire.ErrNotJSON):
		out.Kind, out.Remedy = conversation.Invalid, remedyAddress
	case errors.As(err, &untrusted):
		out.Kind, out.Remedy = conversation.Invalid, "check url, and that this machine trusts the server's certificate"
		out.Ambiguous = false // a connection nobody trusts carries no request
		err = untrusted
	}
	if errors.As(err, &urlErr) {
		err = modelcall.Unanswered(urlErr)
	}
	if errors.As(err, &dns) && dns.IsNotFound || errors.Is(err, syscall.ECONNREFUSED) {
		out.Ambiguous = false
		if out.Remedy = "check url"; c.local {
			out.Remedy = "start the agent with runagent serve, or check host and port"
		}
	}
	out.Err = errors.New(c.clean(err.Error()))
}

// permissionText is how the cloud's failures of permission read, whatever their
// status.
var permissionText = regexp.MustCompile(`(?i)\b403\b|permission|access denied`)

func speaksOfPermission(text string) bool { return permissionText.MatchString(text) }

// cleaner returns a function that makes others' words fit for an error. The key
// also goes into an address.
func cleaner(key secret.String) func(string) string {
	return modelcall.NewCleaner(key, map[string]secret.String{"token": secret.String(url.QueryEscape(key.Reveal()))})
}
