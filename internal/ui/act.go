package ui

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// maxForm bounds the form of an act in bytes.
const maxForm = 256 << 10

// act does what a button says. A page with its script gets the result as JSON, any other
// is sent back.
func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	script := r.Header.Get("Accept") == "application/json"
	answer := func(code int, text string) {
		if script {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(map[string]any{"ok": code == http.StatusOK, "text": text})
			return
		}
		http.Error(w, text, code)
	}
	switch {
	case s.config.Actor == nil:
		answer(http.StatusForbidden, "This page is for reading only: start it without --read-only to act.")
		return
	case !fromOwnPage(r):
		answer(http.StatusForbidden, "The request does not come from this page.")
		return
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		answer(http.StatusUnsupportedMediaType, "The request is not a form.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			answer(http.StatusRequestEntityTooLarge, "The text is too long.")
			return
		}
		answer(http.StatusBadRequest, "The form cannot be read.")
		return
	}
	if !same(r.PostForm.Get("csrf"), s.site.csrf) {
		answer(http.StatusForbidden, "This page is of an earlier start of the server: load it again.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.ActTimeout)
	defer cancel()
	done, err := s.do(ctx, r.PostForm)
	if err != nil {
		answer(statusOf(err), line(err.Error(), 600))
		return
	}
	if script {
		answer(http.StatusOK, done)
		return
	}
	http.Redirect(w, r, s.site.Conversation(r.PostForm.Get("id")), http.StatusSeeOther)
}

// fromOwnPage reports whether a request comes from a page of this server. Browsers say so
// in one of two headers, and no page can change these.
func fromOwnPage(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		return origin == "http://"+r.Host
	}
	return r.Header.Get("Sec-Fetch-Site") == "same-origin"
}

// do acts on one conversation, and says what was done.
func (s *Server) do(ctx context.Context, form url.Values) (string, error) {
	a, by, id := s.config.Actor, s.config.Operator, form.Get("id")
	if id == "" {
		return "", records.Faultf(records.Malformed, nil, "the form names no conversation")
	}
	var err error
	done := "Done."
	switch action := form.Get("action"); action {
	case "resume", "resume-new-reply":
		_, err = a.Resume(ctx, id, workflows.ResumeRequest{By: by, NewReply: action == "resume-new-reply"})
		done = "Resumed."
	case "pause":
		_, err = a.Pause(ctx, id, workflows.PauseRequest{By: by, Reason: form.Get("reason")})
		done = "Paused: it stops before its next step."
	case "takeover":
		text := strings.ReplaceAll(form.Get("text"), "\r\n", "\n")
		if strings.TrimSpace(text) == "" {
			return "", records.Faultf(records.Malformed, nil, "the message is empty")
		}
		_, err = a.Takeover(ctx, id, workflows.TakeoverRequest{By: by, Text: text, End: form.Get("end") != ""})
		done = "Sent in the agent's place."
	case "end":
		_, err = a.End(ctx, id, workflows.EndRequest{By: by, Reason: form.Get("reason")})
		done = "Ended."
	case "approve", "deny":
		req := workflows.ApproveRequest{CallID: form.Get("call"), Digest: form.Get("digest"), By: by, Deny: action == "deny", Reason: form.Get("reason")}
		if req.CallID == "" || req.Digest == "" {
			return "", records.Faultf(records.Malformed, nil, "the form names no tool call")
		}
		_, err = a.Approve(ctx, id, req)
		done = "Approved."
		if req.Deny {
			done = "Denied: the agent gets that as the result."
		}
	default:
		return "", records.Faultf(records.Malformed, nil, "the form names no action")
	}
	return done, err
}

func statusOf(err error) int {
	switch records.KindOf(err) {
	case records.NotFound:
		return http.StatusNotFound
	case records.Malformed:
		return http.StatusBadRequest
	case records.Rejected, records.Ended:
		return http.StatusConflict
	case records.NoWorker, records.Unreachable:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}
