package mcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/internal/foreign"
)

// The versions of the protocol that a connection is introduced with. A server may
// negotiate an older one.
const (
	// withSession begins with initialize. It is asked for first: most servers know
	// nothing else, and some end the connection at another request.
	withSession = "2025-11-25"
	// withoutSession knows no initialize: the SDK asks for server/discover, and for
	// initialize if that fails.
	withoutSession = "2026-07-28"
)

// introduce makes a link and starts the session on it. Its timeout is the connection's, not
// that of the call that waits for it. The link must be ended, with an error as well.
func (s *Set) introduce(life context.Context) (link, *sdk.ClientSession, error) {
	slow := fmt.Errorf("the server was not ready within %v (connect_timeout)", s.cfg.ConnectTimeout)
	ctx, cancel := context.WithTimeoutCause(s.ctx, s.cfg.ConnectTimeout, slow)
	defer cancel()
	modern := s.modern.Load()
	l := s.link(life)
	session, err := s.connect(ctx, l, modern)
	if err != nil && !modern && knowsNoSession(err) {
		l.end()
		l = s.link(life)
		if other, failed := s.connect(ctx, l, true); failed == nil {
			s.modern.Store(true)
			session, err = other, nil
		}
	}
	if err == nil {
		return l, session, nil
	}
	if ctx.Err() != nil {
		s.modern.Store(!modern) // a server that says nothing may know the other way
	}
	out := s.failed(ctx, s.op("connect"), err)
	out.Ambiguous, out.Answered = false, false
	return l, nil, out
}

func (s *Set) connect(ctx context.Context, l link, modern bool) (*sdk.ClientSession, error) {
	options := &sdk.ClientOptions{
		Capabilities:   &sdk.ClientCapabilities{}, // we answer no requests
		MultiRoundTrip: &sdk.MultiRoundTripOptions{Disabled: true},
	}
	version := withoutSession
	if !modern {
		version = withSession
		// Without a session the SDK would open a stream for such notifications.
		options.ToolListChangedHandler = func(context.Context, *sdk.ToolListChangedRequest) { s.version.Add(1) }
	}
	client := sdk.NewClient(&sdk.Implementation{Name: "parley", Version: s.cfg.Version}, options)
	session, err := client.Connect(ctx, l.transport, &sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		return nil, err
	}
	if l.parameters && isModern(session) {
		// The SDK learns from the list which arguments belong into headers. Without it
		// most tools can be called all the same.
		_, _ = pages(ctx, session)
	}
	return session, nil
}

// isModern reports whether a session is one in name only.
func isModern(session *sdk.ClientSession) bool {
	return session.InitializeResult().ProtocolVersion >= withoutSession
}

// knowsNoSession reports whether a server has answered initialize in a way that one
// without sessions may.
func knowsNoSession(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		if status.foreign != nil && status.foreign.What == foreign.Page {
			return false
		}
		switch status.status {
		case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnprocessableEntity, http.StatusNotImplemented:
			return true
		}
		return status.answer != nil && status.status >= http.StatusInternalServerError
	}
	return answerOf(err) != nil
}

// rejectsProtocol reports whether a server answers with an error about the protocol, before
// it reads what a call says.
func rejectsProtocol(code int64) bool {
	return code == sdk.CodeUnsupportedProtocolVersion || code == sdk.CodeHeaderMismatch
}

// notesProtocol makes the next connection use the other version, if the server rejects
// this one.
func (s *Set) notesProtocol(err error) {
	var said *jsonrpc.Error
	var status *statusError
	if errors.As(err, &status) {
		said = status.answer
	} else {
		said = answerOf(err)
	}
	if said != nil && said.Code == sdk.CodeUnsupportedProtocolVersion {
		s.modern.Store(!s.modern.Load())
	}
}
