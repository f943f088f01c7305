package iii

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// An HTTPInvocation is a request by which the engine itself runs a function, without a
// worker. The engine sends the data as JSON, with the headers x-iii-Function-Path,
// x-iii-Invocation-ID and x-iii-Timestamp. JSON in an answer below 400 is the result;
// {"error":{"code","message"}} in any other answer is the error.
//
// The engine must have its worker iii-http-functions loaded, which by default refuses
// http and private addresses. The value prints without the parts that may be secret.
type HTTPInvocation struct {
	// URL of the request, http or https. Required.
	URL string
	// Method is GET, POST, PUT, PATCH or DELETE. Default POST.
	Method string
	// Timeout of the request. Default: the engine's, 30 s.
	Timeout time.Duration
	// Headers of each request. The engine stores them, so they must not hold secrets:
	// use Auth. Default: none.
	Headers map[string]string
	// Auth authenticates the engine to the server. Zero: no authentication.
	Auth HTTPAuth
}

// HTTPAuth is made by [HMACAuth], [BearerAuth] or [APIKeyAuth]. It holds names of
// environment variables of the engine, never a secret. The zero value does not
// authenticate.
type HTTPAuth struct{ kind, header, variable string }

// HMACAuth signs each request with the secret in this variable of the engine's
// environment: x-iii-Signature is "sha256=" and the hexadecimal HMAC-SHA256 of the
// timestamp, a colon and the body in base64.
func HMACAuth(variable string) HTTPAuth { return HTTPAuth{kind: "hmac", variable: variable} }

// BearerAuth sends the token in this variable of the engine's environment.
func BearerAuth(variable string) HTTPAuth { return HTTPAuth{kind: "bearer", variable: variable} }

// APIKeyAuth sends, as this header, the key in this variable of the engine's
// environment.
func APIKeyAuth(header, variable string) HTTPAuth {
	return HTTPAuth{kind: "api_key", header: header, variable: variable}
}

// httpInvocation is an HTTPInvocation on the wire.
type httpInvocation struct {
	URL       string            `json:"url"`
	Method    string            `json:"method,omitempty"`
	TimeoutMS int64             `json:"timeout_ms,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Auth      *httpAuth         `json:"auth,omitempty"`
}

type httpAuth struct {
	Type      string `json:"type"`
	SecretKey string `json:"secret_key,omitempty"`
	TokenKey  string `json:"token_key,omitempty"`
	Header    string `json:"header,omitempty"`
	ValueKey  string `json:"value_key,omitempty"`
}

// String omits the headers and the parts of the address that may hold a secret.
func (h HTTPInvocation) String() string {
	method := h.Method
	if method == "" {
		method = http.MethodPost
	}
	u, err := url.Parse(h.URL)
	if err != nil {
		return method
	}
	return method + " " + (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// GoString is [HTTPInvocation.String] for %#v.
func (h HTTPInvocation) GoString() string { return "iii.HTTPInvocation(" + h.String() + ")" }

// wire validates h. Its error quotes nothing that may hold a secret.
func (h HTTPInvocation) wire() (*httpInvocation, error) {
	var faults []error
	if u, err := url.Parse(h.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		faults = append(faults, errors.New("the URL must be an http or https address"))
	}
	if !slices.Contains([]string{"", "GET", "POST", "PUT", "PATCH", "DELETE"}, h.Method) {
		faults = append(faults, fmt.Errorf("the Method is %q, must be GET, POST, PUT, PATCH or DELETE", h.Method))
	}
	if h.Timeout < 0 || h.Timeout > 0 && h.Timeout < time.Millisecond {
		faults = append(faults, fmt.Errorf("the Timeout is %s, must be 1ms or more", h.Timeout))
	}
	i := &httpInvocation{URL: h.URL, Method: h.Method, TimeoutMS: h.Timeout.Milliseconds(), Headers: h.Headers}
	if a := h.Auth; a.kind != "" {
		if a.variable == "" || a.kind == "api_key" && a.header == "" {
			faults = append(faults, errors.New("the Auth has no name of a variable or header"))
		}
		i.Auth = &httpAuth{Type: a.kind, Header: a.header}
		switch a.kind {
		case "hmac":
			i.Auth.SecretKey = a.variable
		case "bearer":
			i.Auth.TokenKey = a.variable
		case "api_key":
			i.Auth.ValueKey = a.variable
		}
	}
	return i, errors.Join(faults...)
}
