// Package codecserver decrypts payloads for Temporal's web interface, which sends them to
// it from the browser: POST /decode with {"payloads": […]}. It does not encrypt.
package codecserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	common "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/parley-run/parley/internal/loopback"
	"github.com/parley-run/parley/secret"
)

const (
	// maxBody bounds a request: the web interface sends the payloads of a page of events.
	maxBody = 32 << 20
	// maxAnswer bounds what is decrypted for one request: compressed payloads, a thousand
	// times over, could become more than this machine has memory.
	maxAnswer = 64 << 20
)

// Config says who may have payloads decrypted.
type Config struct {
	Codec converter.PayloadCodec
	// Origin is that of the web interface, such as https://temporal.example.com. Pages of
	// others are refused. Empty: no page may ask, only programs.
	Origin string
	// Token is required, as "Authorization: Bearer <token>" or in the path
	// /token/<token>/decode, because the web interface cannot send one of its own. Empty:
	// none is.
	Token secret.String
}

// Handler serves the configuration.
func Handler(cfg Config) http.Handler {
	s := server{cfg}
	mux := http.NewServeMux()
	for _, path := range []string{"/decode", "/{namespace}/decode", "/token/{token}/decode"} {
		mux.HandleFunc("OPTIONS "+path, s.preflight)
		mux.HandleFunc("POST "+path, s.decode)
	}
	return loopback.Guard(s.origin(mux))
}

type server struct{ cfg Config }

// origin refuses pages of other origins, and lets the web interface read the answers.
func (s server) origin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Add("Vary", "Origin")
		if from := r.Header.Get("Origin"); from != "" {
			if s.cfg.Origin == "" || from != s.cfg.Origin {
				http.Error(w, "codec server: this page may not ask: start the server with --ui-origin set to the web interface's own", http.StatusForbidden)
				return
			}
			h.Set("Access-Control-Allow-Origin", from)
			h.Set("Access-Control-Allow-Credentials", "true")
		}
		next.ServeHTTP(w, r)
	})
}

// preflight answers what a browser asks before it sends payloads. It has no token yet.
func (s server) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Content-Type, X-Namespace, Authorization, Authorization-Extras")
	h.Set("Access-Control-Max-Age", "600")
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	w.WriteHeader(http.StatusNoContent)
}

// mayAsk compares tokens without telling how much of one is right.
func (s server) mayAsk(r *http.Request) bool {
	want := s.cfg.Token.Reveal()
	if want == "" {
		return true
	}
	given := r.PathValue("token")
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); given == "" && ok && strings.EqualFold(scheme, "Bearer") {
		given = token
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (s server) decode(w http.ResponseWriter, r *http.Request) {
	if !s.mayAsk(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "codec server: the token is missing or wrong", http.StatusUnauthorized)
		return
	}
	// A form of another page can be sent without a preflight, but not with this type.
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(strings.ToLower(kind)) != "application/json" {
		http.Error(w, "codec server: send application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		http.Error(w, "codec server: more than 32 MiB in one request", http.StatusRequestEntityTooLarge)
		return
	}
	var in common.Payloads
	if err == nil {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, &in)
	}
	if err != nil {
		http.Error(w, "codec server: the body is not a list of payloads", http.StatusBadRequest)
		return
	}
	answer, err := protojson.Marshal(&common.Payloads{Payloads: s.open(in.GetPayloads())})
	if err != nil {
		http.Error(w, "codec server: the answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

// open decrypts one by one: a payload without its key must not hide the others. In its
// place stands the reason.
func (s server) open(payloads []*common.Payload) []*common.Payload {
	out := make([]*common.Payload, len(payloads))
	left := maxAnswer
	for i, p := range payloads {
		if left <= 0 {
			out[i] = reason("more than 64 MiB in one request: ask for fewer payloads")
			continue
		}
		opened, err := s.cfg.Codec.Decode([]*common.Payload{p})
		if err == nil && len(opened) == 1 {
			out[i] = opened[0]
			left -= len(opened[0].GetData())
			continue
		}
		text := "the codec returned no payload"
		if err != nil {
			text = err.Error()
		}
		out[i] = reason(text)
	}
	return out
}

// reason is a payload that says why there is no other.
func reason(text string) *common.Payload {
	data, _ := json.Marshal("[" + text + "]") // a string can be written
	return &common.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: data}
}
