package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	// renderGap is the shortest time between two renderings for one page.
	renderGap = 300 * time.Millisecond
	// pingEvery shows a silent connection that it is alive.
	pingEvery = 15 * time.Second
	// writeTimeout ends the stream of a browser that does not read.
	writeTimeout = 10 * time.Second
)

// events streams the changes of one page: the parts that are new or have changed.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	of, err := url.Parse(r.URL.Query().Get("of"))
	if err != nil || of.IsAbs() || of.Host != "" {
		http.Error(w, "The address names no page.", http.StatusBadRequest)
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		http.Error(w, "Too many pages follow changes: close some.", http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Connection", "close") // its deadline for writing would outlast the stream
	out := stream{w: w, control: http.NewResponseController(w)}
	has := r.URL.Query().Get("version")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		has = last
	}
	var known state
	first := true
	for {
		changed := s.config.Source.Changed()
		v, err := s.site.view(r.Context(), of.Path, of.Query())
		if r.Context().Err() != nil {
			return
		}
		refresh := time.Second
		switch {
		case err != nil:
			var none errNoPage
			gone := errors.As(err, &none)
			if err := out.send("", "fault", map[string]any{"text": line(err.Error(), 400), "gone": gone}); err != nil || gone {
				return
			}
			refresh = 3 * time.Second
		default:
			now := v.state()
			p := v.since(known)
			if first && has == now.version() {
				p = nil // the page was just rendered
			}
			if p != nil {
				err = out.send(now.version(), "patch", p)
			} else if first {
				err = out.send(now.version(), "ready", struct{}{})
			}
			if err != nil {
				return
			}
			known, first, refresh = now, false, v.refresh
		}
		if !s.wait(r, out, changed, refresh) {
			return
		}
	}
}

// wait returns when the page may have changed. False: the stream is over.
func (s *Server) wait(r *http.Request, out stream, changed <-chan struct{}, refresh time.Duration) bool {
	var tick <-chan time.Time
	if refresh > 0 {
		timer := time.NewTimer(refresh)
		defer timer.Stop()
		tick = timer.C
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case <-r.Context().Done():
			return false
		case <-s.stopping:
			return false
		case <-ping.C:
			if out.comment() != nil {
				return false
			}
			continue
		case <-tick:
		case <-changed:
		}
		break
	}
	gap := time.NewTimer(renderGap)
	defer gap.Stop()
	select {
	case <-r.Context().Done():
		return false
	case <-s.stopping:
		return false
	case <-gap.C:
		return true
	}
}

// A stream writes server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s stream) send(id, event string, data any) error {
	body, err := json.Marshal(data) // one line
	if err != nil {
		return err
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return s.write(fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, event, body))
}

func (s stream) comment() error { return s.write(":\n\n") }

func (s stream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
