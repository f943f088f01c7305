package replaycheck

import (
	"regexp"
	"strings"

	"github.com/parley-run/parley/internal/printable"
)

// maxReason bounds what a report says about one workflow.
const maxReason = 300

// The SDK's texts about a history that other code wrote quote the whole event.
var (
	mismatch     = regexp.MustCompile(`(?s)history event is (.*), replay command is (.*)$`)
	missing      = regexp.MustCompile(`(?s)missing replay command for (.*)$`)
	extra        = regexp.MustCompile(`(?s)extra replay command for (.*)$`)
	activityType = regexp.MustCompile(`ActivityType:\(Name:([\w.]+)`)
	word         = regexp.MustCompile(`^\w+`)
)

// reason says why a history cannot be replayed, without the texts in it.
func reason(err error) string {
	text := err.Error()
	if m := mismatch.FindStringSubmatch(text); m != nil {
		return "this build does something else: the history has " + kind(m[1]) + ", this build has " + kind(m[2])
	}
	if m := missing.FindStringSubmatch(text); m != nil {
		return "this build does less: the history has " + kind(m[1]) + ", this build has nothing there"
	}
	if m := extra.FindStringSubmatch(text); m != nil {
		return "this build does more: the history has nothing where this build has " + kind(m[1])
	}
	if _, rest, found := strings.Cut(text, "[TMPRL1100] "); found { // such as an activity that it has not scheduled
		return oneLine("this build does something else: " + rest)
	}
	return oneLine(text)
}

// kind is an event's or command's kind, with the activity that it concerns.
func kind(quoted string) string {
	name := word.FindString(quoted)
	if name == "" {
		name = "an event"
	}
	if m := activityType.FindStringSubmatch(quoted); m != nil {
		name += " (" + m[1] + ")"
	}
	return name
}

// oneLine is the beginning of a text.
func oneLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return printable.ClipLetters(printable.Line(text), maxReason)
}
