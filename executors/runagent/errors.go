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
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/secret"
)

// Codes of RunAgent that this package sets itself.
const (
	codeValidation = "VALIDATION_ERROR"
	codePermission = "PERMISSION_ERROR"
	codeInternal   = "INTERNAL_ERROR" // the agent failed
)

// codes are the kinds of RunAgent's codes. Any other code is a failure of the
// agent.
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

// reported is a failure that RunAgent reports.
type reported struct {
	text, code, suggestion string
	// started means that the agent may have run.
	started bool
}

func (r *reported) Error() string { return r.text }

// A statusError is an answer with a status other than 2xx.
type statusError struct {
	failure    *reported
	status     int
	retryAfter time.Duration
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// reported returns the failure in an envelope, read from the fields that RunAgent's
// own clients read, in their order.
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

// plain returns a string, or the JSON of another value. FastAPI reports faults of a
// request as a list of places and messages.
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

// reported returns the failure in an error frame. Detail is a fault of the start;
// Error may come after the agent has begun, and after the first frame it is the
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

// refusal reads a response other than 2xx.
func (c *call) refusal(res *http.Response) error {
	failure, body := &reported{}, modelcall.ErrorBody(res)
	if err := modelcall.Foreign(res, body, func() bool { return apierror.Own(res.StatusCode, body, "detail") }); err != nil && !c.turnsAway(res, body) {
		return err
	}
	var e envelope
	if json.Unmarshal(body, &e) == nil {
		failure = e.reported()
	}
	return &statusError{failure: failure, status: res.StatusCode, retryAfter: httpclient.ResponseWait(res.StatusCode, res.Header, body)}
}

// turnsAway reports whether a local server rejects a stream: with 403 and no
// details.
func (c *call) turnsAway(res *http.Response, body []byte) bool {
	return c.local && c.streams() && res.StatusCode == http.StatusForbidden && len(body) == 0
}

// failed turns any failure into an error with a kind, and reports whether the agent
// may have run.
func (c *call) failed(ctx context.Context, err error) error {
	var (
		own     *conversation.Error
		timeout *modelcall.TimeoutError
		status  *statusError
		failure *reported
	)
	if refused := c.refusedAddress(err); refused != nil {
		return refused
	}
	if unsent := httpclient.Unsent(c.op(), err); unsent != nil {
		return unsent
	}
	if errors.As(err, &own) && ctx.Err() == nil { // no request was sent
		return own
	}
	out := &conversation.Error{Kind: conversation.Unavailable, Op: c.op(), Ambiguous: c.connected.Load()}
	switch {
	case errors.As(context.Cause(ctx), &timeout):
		out.Err = timeout
	case ctx.Err() != nil:
		out.Err = ctx.Err()
	case errors.As(err, &status):
		c.refused(out, status)
	case errors.As(err, &failure):
		c.judge(out, failure)
	default:
		if e, ok := modelcall.IsForeign(err); ok {
			c.foreign(out, e)
			break
		}
		c.broken(out, err)
	}
	if c.connected.Load() {
		out.Usage = conversation.Usage{Calls: 1}
	}
	return out
}

// judge handles a failure reported with status 2xx.
func (c *call) judge(out *conversation.Error, failure *reported) {
	out.Err = errors.New(c.clean(cmp.Or(conversation.Quote(failure.text), "the run failed without a reason")))
	out.Answered = true
	kind, ok := codes[failure.code]
	switch {
	case ok && kind != conversation.Unavailable: // the run was rejected
		out.Ambiguous = false
		out.Kind, out.Remedy = kind, c.remedy(kind, failure.code)
	case ok:
	case !c.local && failure.code != codeInternal && speaksOfPermission(failure.text):
		out.Kind, out.Remedy = conversation.Unauthorized, c.remedy(conversation.Unauthorized, "")
	case !c.cfg.RetryAgentErrors:
		out.Kind, out.Remedy = conversation.Invalid, "read the agent's log; retry_agent_errors: true retries such runs"
	}
	out.Ambiguous = out.Ambiguous && failure.started
	out.Remedy = cmp.Or(c.clean(conversation.Quote(failure.suggestion)), out.Remedy)
}

// refused handles a status other than 2xx.
func (c *call) refused(out *conversation.Error, e *statusError) {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", e.status, http.StatusText(e.status)))
	if e.failure.text != "" {
		text += ": " + conversation.Quote(e.failure.text)
	}
	out.Err = errors.New(c.clean(text))
	report := apierror.OfText(e.failure.text)
	out.RetryAfter = max(e.retryAfter, report.RetryAfter)
	out.Kind = report.Kind(e.status, out.RetryAfter, apierror.Table{}) // an agent's error may be its model's
	// An error of a server, or of a gateway before it, may follow the agent's
	// start; but not before a stream is requested.
	out.Ambiguous = out.Ambiguous && (e.status >= 500 || e.status == http.StatusRequestTimeout)
	out.Answered = e.status < 500 || e.status == http.StatusInternalServerError
	switch {
	case !c.local && e.status >= 500 && speaksOfPermission(e.failure.text):
		out.Kind = conversation.Unauthorized
	case c.local && (e.status == http.StatusUnauthorized || e.status == http.StatusForbidden):
		// FastAPI rejects a WebSocket to an unknown path with 403. A local server
		// has no keys.
		out.Kind = conversation.Invalid
		out.Remedy = c.remedy(out.Kind, "AGENT_NOT_FOUND_LOCAL")
		return
	}
	switch {
	case e.status == http.StatusNotFound && c.local && e.failure.code == "":
		out.Remedy = c.remedy(out.Kind, "AGENT_NOT_FOUND_LOCAL")
	case out.Kind == conversation.QuotaExhausted:
		out.Remedy = "raise the limit of your RunAgent account"
	case out.Kind == conversation.Unauthorized, out.Kind == conversation.Invalid:
		out.Remedy = c.remedy(out.Kind, e.failure.code)
	}
	out.Remedy = cmp.Or(c.clean(conversation.Quote(e.failure.suggestion)), out.Remedy)
}

// remedy returns what to check.
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

// foreign handles an answer of a server in front of RunAgent. It has not passed on
// what it rejects; if it answers 2xx with a web page, the agent may have run.
func (c *call) foreign(out *conversation.Error, e *foreign.Error) {
	out.Err, out.RetryAfter, out.Remedy = e.Clean(c.clean), e.RetryAfter, remedyAddress
	out.Ambiguous = out.Ambiguous && e.Status < 300
	if e.Redirects() {
		out.Remedy = "set url to where the server redirects: keys do not follow by themselves"
	}
}

// broken handles an answer that is lost or unusable.
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
		out.Ambiguous = false // without trust no request is sent
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

// permissionText matches the cloud's failures of permission, which have various
// statuses.
var permissionText = regexp.MustCompile(`(?i)\b403\b|permission|access denied`)

func speaksOfPermission(text string) bool { return permissionText.MatchString(text) }

// cleaner returns a function that prepares foreign text for an error. The key is
// also part of an address.
func cleaner(key secret.String) func(string) string {
	return modelcall.NewCleaner(key, map[string]secret.String{"token": secret.String(url.QueryEscape(key.Reveal()))})
}
