package httpclient

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// WaitIn finds the wait that a body of JSON asks for in its fields, at any depth, within
// the bounds of [RetryAfter]: retry_after, retryAfterMs, retryDelay (of Google's
// RetryInfo), resets_in_seconds, reset_at and kin, and response headers that a gateway
// passes on. A field that says when to ask again counts before one that says when a limit
// is renewed; of several of a kind, the longest. Body is what [json.Unmarshal] makes of it.
func WaitIn(body any) (time.Duration, bool) { return waitIn(body, time.Now()) }

// ResponseWait is the wait that a response which is no success asks for: in its headers, as
// [RetryAfterOf] reads them, in the fields of its body if that is JSON, or in words. The
// longest counts.
func ResponseWait(status int, h http.Header, body []byte) time.Duration {
	return max(RetryAfterOf(status, h), BodyWait(body))
}

// BodyWait is the wait that a body asks for in its fields or in words. The longer counts.
func BodyWait(body []byte) time.Duration {
	body = body[:min(len(body), maxWaitBody)]
	var fields any
	if json.Unmarshal(body, &fields) != nil {
		words, _ := Wait(string(body))
		return words
	}
	if found, ok := WaitIn(fields); ok {
		return found
	}
	if text, ok := fields.(string); ok {
		body = []byte(text)
	}
	words, _ := Wait(string(body))
	return words
}

const maxWaitBody = 64 << 10

func waitIn(body any, now time.Time) (time.Duration, bool) {
	w := bodyWaits{now: now, left: maxNodes}
	w.walk(body, 0)
	for _, found := range []*time.Duration{w.again, w.renewed} {
		if found != nil {
			return *found, true
		}
	}
	return 0, false
}

// Bounds on the search.
const maxNodes, maxDepth = 2000, 8

type bodyWaits struct {
	now            time.Time
	left           int
	again, renewed *time.Duration
}

func (w *bodyWaits) walk(v any, depth int) {
	if w.left--; w.left < 0 || depth > maxDepth {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, each := range v {
			w.walk(each, depth+1)
		}
	case map[string]any:
		for name, each := range v {
			w.field(name, each)
			w.walk(each, depth+1)
		}
	}
}

// A waitField is a field that holds a wait.
type waitField struct {
	unit    time.Duration
	renewed bool
}

// waitFields are the names of such fields, in lower case without "_" and "-".
var waitFields = map[string]waitField{
	"retryafter": {unit: time.Second}, "retryafterseconds": {unit: time.Second}, "retryaftersecs": {unit: time.Second}, "retryaftersec": {unit: time.Second},
	"retryafters": {unit: time.Second}, "retryafterms": {unit: time.Millisecond}, "retryaftermillis": {unit: time.Millisecond}, "retryaftermilliseconds": {unit: time.Millisecond},
	"retryin": {unit: time.Second}, "retryinseconds": {unit: time.Second}, "retryinms": {unit: time.Millisecond}, "retrydelay": {unit: time.Second},
	"retrydelayseconds": {unit: time.Second}, "retrydelayms": {unit: time.Millisecond}, "retryat": {unit: time.Second}, "nextretryat": {unit: time.Second},
	"waitseconds": {unit: time.Second}, "waittime": {unit: time.Second}, "waitms": {unit: time.Millisecond}, "cooldownseconds": {unit: time.Second}, "cooldowntime": {unit: time.Second},
	"availableat": {unit: time.Second}, "availablein": {unit: time.Second}, "estimatedtime": {unit: time.Second}, // of a model that is being loaded, in seconds
	"resetsin": {time.Second, true}, "resetsinseconds": {time.Second, true}, "resetinseconds": {time.Second, true}, "resetin": {time.Second, true}, "resetinms": {time.Millisecond, true},
	"resetsat": {time.Second, true}, "resetat": {time.Second, true}, "resettime": {time.Second, true}, "resetafter": {time.Second, true}, "resetafterseconds": {time.Second, true},
	"resetseconds": {time.Second, true}, "ratelimitreset": {time.Second, true}, "quotaresettimestamp": {time.Second, true}, "quotaresetdelay": {time.Second, true},
}

var fieldName = strings.NewReplacer("_", "", "-", "")

func (w *bodyWaits) field(name string, v any) {
	name = fieldName.Replace(strings.ToLower(name))
	if name == "headers" {
		w.headers(v)
		return
	}
	f, known := waitFields[name]
	if !known {
		return
	}
	var (
		d  time.Duration
		ok bool
	)
	switch v := v.(type) {
	case float64:
		var seconds float64
		seconds, ok = number(v, f.unit, w.now)
		d = Delay(seconds, time.Second)
	case json.Number:
		d, ok = Value(v.String(), f.unit, w.now)
	case string:
		d, ok = Value(v, f.unit, w.now)
	case map[string]any: // a google.protobuf.Duration
		d, ok = protoDuration(v)
	}
	if !ok {
		return
	}
	found := &w.again
	if f.renewed {
		found = &w.renewed
	}
	if *found == nil || **found < d {
		*found = &d
	}
}

// headers reads response headers that a body repeats.
func (w *bodyWaits) headers(v any) {
	fields, _ := v.(map[string]any)
	h := http.Header{"Date": {w.now.UTC().Format(http.TimeFormat)}}
	for name, value := range fields {
		if s, ok := value.(string); ok && len(fields) <= 100 {
			h.Set(name, s)
		}
	}
	if d := RetryAfterOf(http.StatusTooManyRequests, h); d > 0 && (w.again == nil || *w.again < d) {
		w.again = &d
	}
}

func protoDuration(v map[string]any) (time.Duration, bool) {
	var seconds, nanos float64
	ok := false
	for name, to := range map[string]*float64{"seconds": &seconds, "nanos": &nanos} {
		switch n := v[name].(type) {
		case float64:
			*to, ok = n, true
		case string:
			*to, ok = count(n), true
		}
	}
	return Delay(seconds+nanos/1e9, time.Second), ok
}
