package iiitest

import (
	"slices"
	"strings"
)

// Access are the rules that a worker is subject to, as an engine from 0.10 on has them
// for its listeners.
type Access struct {
	// Expose are patterns of the functions that may be called and are listed; "*"
	// stands for any text. A few of the engine's own are always permitted.
	Expose []string
	// Prefix is put before the ids of functions that the worker announces, with "::",
	// and taken off when they are called.
	Prefix string
	// TriggerTypes that the worker may bind. Nil: all.
	TriggerTypes []string
	// NoFunctions: announcements of functions are dropped in silence.
	NoFunctions bool
}

// always are the functions that no rule forbids.
var always = []string{
	"engine::channels::create", "engine::workers::register",
	"engine::log::info", "engine::log::warn", "engine::log::error", "engine::log::debug", "engine::log::trace",
	"engine::baggage::get", "engine::baggage::set", "engine::baggage::get_all",
}

func (a *Access) permits(functionID string) bool {
	if a == nil || slices.Contains(always, functionID) {
		return true
	}
	return slices.ContainsFunc(a.Expose, func(pattern string) bool { return matches(pattern, functionID) })
}

func (a *Access) permitsTrigger(kind string) bool {
	return a == nil || a.TriggerTypes == nil || slices.Contains(a.TriggerTypes, kind)
}

// prefixed is the name that a function of the worker has for others.
func (a *Access) prefixed(functionID string) string {
	if a == nil || a.Prefix == "" {
		return functionID
	}
	return a.Prefix + "::" + functionID
}

// bare is the name that a function has for its worker.
func (a *Access) bare(functionID string) string {
	if a == nil || a.Prefix == "" {
		return functionID
	}
	return strings.TrimPrefix(functionID, a.Prefix+"::")
}

func matches(pattern, text string) bool {
	first, rest, any := strings.Cut(pattern, "*")
	if !any {
		return pattern == text
	}
	if !strings.HasPrefix(text, first) {
		return false
	}
	for text = text[len(first):]; ; text = text[1:] {
		if matches(rest, text) {
			return true
		}
		if text == "" {
			return false
		}
	}
}
