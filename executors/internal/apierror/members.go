package apierror

import (
	"cmp"
	"strings"
)

// Members of an object that are the error's message, by preference, and its codes.
var (
	messages = []string{
		"message", "Message", "msg", "Msg", "error_msg", "errmsg", "err_msg", "errorMessage", "error_message", "ErrorMessage",
		"errMsg", "status_msg", "statusMessage", "faultstring", "error_description", "description", "reason", "title",
	}
	codeNames = []string{"code", "Code", "error_code", "errcode", "errorCode", "ErrorCode", "err_code", "errCode", "status_code", "__type", "errorcode"}
	typeNames = []string{"type", "error_type", "errorType", "exception"}
	statuses  = []string{"status", "http_code", "http_status", "httpStatus", "statusCode", "status_code", "code"}
	params    = []string{"param", "parameter", "field", "property"}
)

// own reads what an object says about an error by its own members.
func (r *reader) own(m object, depth int) Error {
	e := Error{Code: m.text(codeNames...), Type: m.text(typeNames...), Param: m.text(params...)}
	if _, name, found := strings.Cut(e.Code, "#"); found { // a namespace of AWS
		e.Code = name
	}
	if m.text("error_code") != "" {
		e.scheme = "error_code"
	}
	for _, name := range statuses {
		e = e.withStatus(m.text(name))
	}
	if s, _ := m["status"].(string); s != "" && strings.ToUpper(s) == s && isCode(s) && e.Code == "" {
		e = e.named(s)
	}
	switch e.Code {
	case "0", "200":
		e.Code = ""
	}
	if e.Type == "error" {
		e.Type = ""
	}
	if e.Param == "None" || e.Param == "null" { // LiteLLM
		e.Param = ""
	}
	e.Message = m.message()
	if path, name := place(m["loc"]); path != "" {
		e.Message, e.Param = joined(path, ": ", e.Message), cmp.Or(e.Param, name)
	}
	e = r.details(m, e, depth)
	return r.metadata(m, e, depth)
}

// named sets a code that is a word. A number is a status.
func (e Error) named(code string) Error {
	if strings.ContainsFunc(code, func(c rune) bool { return c < '0' || c > '9' }) {
		e.Code = code
	}
	return e
}

// message is the error's message among an object's members.
func (m object) message() string {
	for _, name := range messages {
		switch v := m[name].(type) {
		case string:
			if v = strings.TrimSpace(v); v != "" {
				return v
			}
		case []any: // NestJS gives a list
			var all []string
			for _, item := range v[:min(len(v), maxItems)] {
				if s, ok := item.(string); ok {
					all = append(all, s)
				}
			}
			if len(all) > 0 {
				return strings.Join(all, "; ")
			}
		}
	}
	return ""
}

// details reads the member of that name: a text, an object, the list of FastAPI or that of
// Google; and a message that holds an object.
func (r *reader) details(m object, e Error, depth int) Error {
	if strings.ContainsAny(e.Message, "{[") {
		e = r.text(e.Message, depth+1).within(e)
	} else if inner, ok := m["message"].(map[string]any); ok && depth < maxDepth {
		if found, ok := r.object(inner, depth+1); ok {
			e = found.with(e)
		}
	}
	for _, name := range []string{"detail", "Detail", "details", "Details"} {
		switch v := m[name].(type) {
		case string:
			if v = strings.TrimSpace(v); v != "" && e.Message == "" {
				e = r.text(v, depth+1).within(e)
			} else if v != "" && !strings.Contains(e.Message, v) && len(v) < maxUnknown {
				e.Message = joined(e.Message, ": ", v)
			}
		case map[string]any:
			if found, ok := r.value(v, depth+1); ok {
				e = found.with(e)
			}
		case []any:
			e = e.listOf(v, depth)
		}
	}
	return e
}

// within adds what stands beside the text in which the error was found.
func (e Error) within(outer Error) Error {
	outer.Message = ""
	return e.with(outer)
}

// listOf reads a list of details.
func (e Error) listOf(list []any, depth int) Error {
	var all []string
	for _, item := range list[:min(len(list), 2*maxDepth)] {
		m, ok := item.(map[string]any)
		if !ok {
			if s, isText := item.(string); isText && e.Message == "" {
				all = append(all, s)
			}
			continue
		}
		if kind, _ := m["@type"].(string); kind != "" {
			e = e.google(kind[strings.LastIndexByte(kind, '.')+1:], m)
			continue
		}
		path, name := place(m["loc"])
		if text := object(m).text("msg", "message", "error"); text != "" && len(all) < maxItems {
			all = append(all, joined(path, ": ", text))
			e.Param = cmp.Or(e.Param, name)
			e.listed = true
		}
		if kind := object(m).text("type", "code"); kind != "" && e.Type == "" && e.Code == "" {
			e.Type = kind
		}
	}
	if text := strings.Join(all, "; "); text != "" && !strings.Contains(e.Message, text) {
		e.Message = joined(e.Message, ": ", text)
	}
	return e
}

// google reads a detail of Google's errors.
func (e Error) google(kind string, m object) Error {
	switch kind {
	case "ErrorInfo":
		if reason := m.text("reason"); reason != "" {
			e.Words = append(e.Words, reason)
		}
	case "QuotaFailure":
		list, _ := m["violations"].([]any)
		for _, v := range list[:min(len(list), maxItems)] {
			q, _ := v.(map[string]any)
			id, metric := object(q).text("quotaId"), object(q).text("quotaMetric")
			e.lasting = e.lasting || perDay.MatchString(id) || perDay.MatchString(metric) || q["quotaValue"] == "0"
			if id = cmp.Or(id, metric); id != "" {
				e.Words = append(e.Words, id)
			}
		}
	case "BadRequest":
		list, _ := m["fieldViolations"].([]any)
		for _, v := range list[:min(len(list), 1)] {
			violation, _ := v.(map[string]any)
			e.Param = cmp.Or(e.Param, object(violation).text("field"))
		}
	}
	return e
}

// metadata reads what a gateway adds about the provider's own error.
func (r *reader) metadata(m object, e Error, depth int) Error {
	if depth >= maxDepth {
		return e
	}
	for _, name := range []string{"metadata", "innererror", "inner_error", "cause", "upstream_error", "provider_error"} {
		inner, ok := m[name].(map[string]any)
		if !ok {
			continue
		}
		for _, raw := range []string{"raw", "body", "error"} {
			if v, there := inner[raw]; there {
				if found, ok := r.value(v, depth+1); ok {
					e = found.with(e)
				}
			}
		}
		if code := object(inner).text("error_type", "code"); code != "" && e.Code == "" {
			e = Error{Code: code}.withStatus(code).with(e)
		}
	}
	return e
}
