package apierror

import (
	"regexp"
	"strings"
)

// name matches the name of a parameter.
const name = "[\"'`]?([A-Za-z_][A-Za-z0-9_.\\[\\]]{0,60})[\"'`]?"

// unsupported matches refusals of a parameter or of its value.
var unsupported = alternatives(
	`(unsupported|unknown|unrecognized|unexpected|invalid|extra|additional|unpermitted) (request )?(parameter|argument|field|property|key|keyword argument|name)s?\b`,
	`extra (inputs|fields) (are )?not permitted`, `(parameter|argument|field|option)s?\b.{0,60}(is|are) (not|no longer) (supported|allowed|permitted|recognized)`, `unsupported value`, `does not support (the )?(parameters?|setting)`,
	`is not supported (with|by|for) (this|the) model|cannot both be specified|must be (between|one of|less|greater|at least|at most)|is (deprecated|not allowed) for this model`,
)

// paramPatterns find the parameter that a message names.
var paramPatterns = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(?:unsupported|unknown|unrecognized|unexpected|unpermitted|invalid) (?:request )?(?:parameter|argument|field|property|keyword argument|name)s?(?: supplied| provided)?:? ` + name),
	regexp.MustCompile(`(?i)(?:unsupported value|invalid value(?: for)?|invalid):? ` + name),
	regexp.MustCompile(`(?i)does not support (?:parameters?|the parameters?):? \[?` + name),
	regexp.MustCompile(`(?i)(?:parameter|argument|field) ` + name + ` (?:is|are|was) (?:not|no longer)`),
	regexp.MustCompile("[\"'`]([A-Za-z_][A-Za-z0-9_.]{0,60})[\"'`] (?:is|are) (?:not|no longer|deprecated)"),
	regexp.MustCompile(`^([a-z][a-z0-9_]{0,60}(?:\.[a-z0-9_]{1,60}){0,4}): `), // as Anthropic and FastAPI write it
	regexp.MustCompile(`(?i)^\*? ?[A-Za-z]{0,40}\.?generation_?config\.([a-z_]{1,60})`),
}

// replacementPatterns find the parameter to use in place of that one.
var replacementPatterns = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(?:use|set|try|pass|specify) ` + name + ` (?:instead|in place|rather)`),
	regexp.MustCompile(`(?i)instead,? (?:use|set|pass) ` + name),
	regexp.MustCompile(`(?i)did you mean:? ` + name),
	regexp.MustCompile("(?i)(?:replaced by|renamed to|in favou?r of) " + name),
	regexp.MustCompile("(?i)^use (max_completion_tokens|max_output_tokens|max_tokens)$"),
}

// paramIn is the parameter that a message names.
func paramIn(message string) string { return find(paramPatterns, message) }

// Replacement is the parameter that the message names in place of the one at fault.
func (e Error) Replacement() string {
	found := find(replacementPatterns, e.Message)
	if found == e.Param {
		return ""
	}
	return found
}

func find(patterns []*regexp.Regexp, message string) string {
	for _, p := range patterns {
		if found := p.FindStringSubmatch(message); found != nil {
			return strings.TrimRight(found[1], ".")
		}
	}
	return ""
}
