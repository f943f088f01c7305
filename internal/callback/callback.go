// Package callback sends the result of a task to an address: one POST of JSON, signed if
// a secret is set. The caller retries.
package callback

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/secret"
)

// Config says which addresses may receive callbacks, and how they are signed.
type Config struct {
	// Secret signs each callback. Empty: callbacks are not signed.
	Secret secret.String `yaml:"secret"`
	// AllowPrivate are the private and local addresses, as CIDR ("10.0.0.0/8"),
	// "host:port" or "all", that may be called. None: only public addresses are called,
	// and Receivers.
	AllowPrivate Addresses `yaml:"allow_private"`
	// Receivers are the callback receivers, as "host:port", of the configured platforms.
	// Their path [ReceiverPath] may be called at any address. Several names of this
	// machine count as one.
	Receivers []string `yaml:"-"`
}

// The headers of a callback besides Content-Type.
const (
	// SignatureHeader is "t=<unix seconds>,v1=<hex>": HMAC-SHA256, under the secret,
	// of "<unix seconds>.<body>".
	SignatureHeader = "Parley-Signature"
	// KeyHeader is the same for every attempt at one callback.
	KeyHeader = "Idempotency-Key"
)

// body has exactly the fields that Pulse's own worker sends.
type body struct {
	TaskID      string          `json:"task_id"`
	ExecutionID string          `json:"execution_id"`
	Status      string          `json:"status"`
	Result      json.RawMessage `json:"result"`
	TookMS      int64           `json:"execution_time_ms"`
	Timestamp   int64           `json:"timestamp"`
	Error       string          `json:"error,omitempty"`
}

// A Sender sends callbacks.
type Sender struct {
	Secret    secret.String // exported so that it is redacted under every verb
	client    *http.Client
	receivers receivers
	now       func() time.Time
}

// New reports every fault of the configuration at once.
func New(cfg Config) (*Sender, error) {
	guard, err := cfg.AllowPrivate.guard()
	if err != nil {
		return nil, err
	}
	return &Sender{
		Secret: cfg.Secret, now: time.Now, receivers: newReceivers(cfg.Receivers),
		client: httpclient.New(httpclient.Config{Guard: guard, IdleTimeout: idleTimeout, Untraced: true}),
	}, nil
}

// idleTimeout is below the five seconds after which many servers close an idle
// connection: a callback on a connection that is just being closed must be sent again.
const idleTimeout = 4 * time.Second

// Deliver implements activities.Callbacks.
func (s *Sender) Deliver(ctx context.Context, to, key string, result conversation.TaskResult) (status int, err error) {
	// The address may have a password or a token: errors name only its host.
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return 0, &conversation.Error{
			Kind: conversation.Invalid, Op: "callback", Err: errors.New("the address is no http or https URL"),
			Remedy: "give the task's callback_url as https://host/path",
		}
	}
	op := "callback to " + u.Host
	payload, err := json.Marshal(body{
		TaskID: result.TaskID, ExecutionID: result.ExecutionID, Status: string(result.Status), Result: orNull(result.Result),
		TookMS: result.Duration().Milliseconds(), Timestamp: result.Finished.Unix(), Error: result.Error,
	})
	if err != nil {
		return 0, &conversation.Error{Kind: conversation.Invalid, Op: op, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(payload))
	if err != nil {
		return 0, &conversation.Error{Kind: conversation.Invalid, Op: op, Err: errors.New("the address is not valid")}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "parley")
	req.Header.Set(KeyHeader, headerValue(key))
	if at := strconv.FormatInt(s.now().Unix(), 10); s.Secret.Reveal() != "" {
		req.Header.Set(SignatureHeader, "t="+at+",v1="+Sign(s.Secret.Reveal(), at, payload))
	}
	res, err := s.clientFor(u).Do(req)
	if err != nil {
		return 0, failed(ctx, op, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // also so that the connection can be kept
	if res.StatusCode/100 == 2 {
		return res.StatusCode, nil
	}
	return res.StatusCode, &conversation.Error{
		Kind: conversation.Unavailable, Op: op, Ambiguous: true, Answered: true,
		Err:        fmt.Errorf("it answered %s", res.Status),
		RetryAfter: min(httpclient.ResponseWait(res.StatusCode, res.Header, body), longestWait),
	}
}

// Sign is the signature of a callback. Receivers must compare it in constant time.
func Sign(key, unixSeconds string, payload []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write([]byte(unixSeconds + "."))
	_, _ = mac.Write(payload)
	return hex.EncodeToString(mac.Sum(nil))
}

func failed(ctx context.Context, op string, err error) error {
	var refused *httpclient.RefusedError
	if errors.As(err, &refused) {
		return private(refused)
	}
	if unsent := httpclient.Unsent(op, err); unsent != nil {
		return unsent
	}
	cause := httpclient.Reason(err)
	if ctx.Err() != nil {
		cause = fmt.Errorf("no answer in time: %w", ctx.Err())
	}
	return &conversation.Error{Kind: conversation.Unavailable, Op: op, Err: cause, Ambiguous: true}
}

func orNull(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("null")
	}
	return data
}

// longestWait bounds the wait between two attempts: the task is acknowledged after the
// last.
const longestWait = time.Minute
