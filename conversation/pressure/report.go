package pressure

import "time"

// DefaultWindow is the time over which calls are counted, and between two changes of a
// limit.
const DefaultWindow = 10 * time.Second

// MaxFailing is how many conversations or polls a Report names.
const MaxFailing = 8

// A Report is what one worker has seen of a platform since its last report.
type Report struct {
	// Window is how long a window is. Zero: [DefaultWindow].
	Window time.Duration `json:"window_ns,omitempty"`
	// Calls counts the calls that had an end, and Bad those of them that show that the
	// platform has too much to do.
	Calls int `json:"calls"`
	Bad   int `json:"bad,omitempty"`
	// Failing are the ids of conversations, or of polls, whose calls were bad, at most
	// [MaxFailing].
	Failing []string `json:"failing,omitempty"`
	// Reason describes one of the bad calls.
	Reason string `json:"reason,omitempty"`
	// Wait is the longest wait that the platform asked for.
	Wait time.Duration `json:"wait_ns,omitempty"`
	// Off: the worker is configured not to have the limit reduced.
	Off bool `json:"off,omitempty"`
}

// A Reduction says that fewer may be open than configured, and why.
type Reduction struct {
	// Limit is how many may be open now.
	Limit int `json:"limit"`
	// Since is when it was last lowered, and Reason why.
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}
