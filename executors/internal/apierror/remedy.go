package apierror

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/parley-run/parley/conversation"
)

// An Extra says how the executor's setting extra sets a parameter and removes one. The
// zero value: the executor has no such setting.
type Extra struct {
	// Set is a format with the name, such as "extra: {%s: …}".
	Set string
	// Remove is a format with the name, such as "extra: {%s: null}".
	Remove string
}

// Remedies for a model vendor's errors.
const (
	RemedyTooLong  = "lower max_history_messages, shorten instructions, or set a model with a larger context"
	RemedySettings = "check model, extra and the other settings of this executor"
)

// Remedy is what an operator can do about an error of that kind, with the status of the
// response. It names the parameter at fault and what leads to it.
func (e Error) Remedy(kind conversation.Kind, status int, t Table) string {
	if kind != conversation.Invalid {
		switch {
		case kind == conversation.Unavailable && unloaded.MatchString(e.Message):
			return "load the model on its server, or check model"
		case kind == conversation.Unavailable && unknownModel.MatchString(e.words()):
			return "check model"
		}
		return t.Remedies[kind]
	}
	switch {
	case e.Is("model_not_found"), e.Is("not_found_error"), e.Param == "model", e.Param == "" && unknownModel.MatchString(e.words()) && status != http.StatusNotFound:
		return "check " + firstOf(t.Settings["model"], "the model's name")
	case status == http.StatusNotFound && t.NotFound != "":
		return t.NotFound
	}
	if remedy := e.parameter(t); remedy != "" {
		return remedy
	}
	return t.Remedies[kind]
}

var unloaded = alternatives(`no models? (is |are )?(currently )?loaded`, `model .{0,60}(is )?not loaded`, `please load (a|the) model`, `model (was |has been )?unloaded`, `failed to load (the )?model`)

// parameter is the remedy for a parameter at fault.
func (e Error) parameter(t Table) string {
	param := last(e.Param)
	setting, wanted := e.setting(t), last(e.Replacement())
	switch {
	case wanted != "" && t.Extra.Set != "" && param != wanted && plainName.MatchString(wanted):
		return leave(setting) + "set " + fmt.Sprintf(t.Extra.Set, wanted)
	case setting != "":
		return "check " + setting
	case !plainName.MatchString(param), t.Extra.Remove == "", !unsupported.MatchString(e.Message):
		return ""
	}
	return fmt.Sprintf("take %s out of extra, or out of the request with "+t.Extra.Remove, param, param)
}

// setting is the setting that leads to the parameter at fault, or else to one that the
// message names.
func (e Error) setting(t Table) string {
	path := strings.FieldsFunc(e.Param, func(c rune) bool { return c == '.' || c == '[' || c == ']' })
	slices.Reverse(path)
	for _, part := range path {
		if setting := t.Settings[part]; setting != "" {
			return setting
		}
	}
	words := strings.FieldsFunc(e.words(), func(c rune) bool { return c != '_' && !unicode.IsLetter(c) })
	for _, word := range words {
		if setting := t.Settings[word]; setting != "" && (e.Param == "" || strings.Contains(word, "_")) {
			return setting
		}
	}
	return ""
}

// leave says to leave a setting out, if there is one.
func leave(setting string) string {
	if setting == "" {
		return ""
	}
	return "leave out " + setting + ", and "
}

// last is the last part of a path of a parameter.
func last(param string) string {
	param = strings.TrimRight(param, ".]0123456789[")
	return param[strings.LastIndexAny(param, ".]")+1:]
}

var plainName = alternatives(`^[a-z_][a-z0-9_]{0,60}$`)
