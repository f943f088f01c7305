package modelstandin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/parley-run/parley/conversation"
)

// Generate is the Gemini API, below /v1beta/models. It keeps nothing.
type Generate struct{}

type generateRequest struct {
	Contents []struct {
		Role  string `json:"role"`
		Parts []struct {
			Text         string `json:"text"`
			FunctionCall *struct {
				ID   string          `json:"id"`
				Name string          `json:"name"`
				Args json.RawMessage `json:"args"`
			} `json:"functionCall"`
			FunctionResponse *struct {
				ID       string            `json:"id"`
				Name     string            `json:"name"`
				Response map[string]string `json:"response"`
			} `json:"functionResponse"`
			Signature string `json:"thoughtSignature"`
		} `json:"parts"`
	} `json:"contents"`
	Tools []struct {
		FunctionDeclarations []struct {
			Name string `json:"name"`
		} `json:"functionDeclarations"`
	} `json:"tools"`
}

func (Generate) routes(mux *http.ServeMux, s *Service) {
	mux.HandleFunc("GET /v1beta/models/{model}", Write(http.StatusOK, `{"name":"models/standin-1"}`))
	mux.HandleFunc("POST /v1beta/models/{call}", func(w http.ResponseWriter, r *http.Request) {
		var req generateRequest
		q, ok := read(w, r, &req)
		if !ok {
			return
		}
		asked := Asked{Stream: strings.HasSuffix(r.URL.Path, ":streamGenerateContent"), Header: r.Header}
		for _, m := range req.Contents {
			role := conversation.RoleUser
			if m.Role == "model" {
				role = conversation.RoleAssistant
			}
			for _, p := range m.Parts {
				switch {
				case p.FunctionCall != nil:
					asked.Lines = append(asked.Lines, callLine(p.FunctionCall.ID, p.FunctionCall.Name, string(p.FunctionCall.Args)))
				case p.FunctionResponse != nil:
					said := p.FunctionResponse.Response
					asked.Lines = append(asked.Lines, resultLine(p.FunctionResponse.ID, said["output"]+said["error"]))
				default:
					asked.Lines = append(asked.Lines, line(role, p.Text))
				}
			}
		}
		for _, t := range req.Tools {
			for _, f := range t.FunctionDeclarations {
				asked.Tools = append(asked.Tools, f.Name)
			}
		}
		said := s.think(asked, checkGenerate(q, req, r.URL.Query()))
		switch {
		case said.By != nil:
			said.By(w, r)
		case asked.Stream:
			send := Events(w)
			for _, piece := range halves(said.Text) {
				if piece != "" {
					send(JSON(generated("", fields{"text": piece})))
				}
			}
			send(JSON(generated("STOP", generatedCalls(said.Calls)...)))
		default:
			var parts []any
			if said.Text != "" {
				parts = append(parts, fields{"text": said.Text})
			}
			Write(http.StatusOK, JSON(generated("STOP", append(parts, generatedCalls(said.Calls)...)...)))(w, r)
		}
	})
}

// The service breaks off a model that writes arguments which are not JSON.
func generated(finish string, parts ...any) map[string]any {
	for _, p := range parts {
		if call, ok := p.(fields)["functionCall"].(fields); ok {
			if _, broken := call["args"].(string); broken {
				finish, parts = "MALFORMED_FUNCTION_CALL", []any{}
				break
			}
		}
	}
	candidate := fields{"index": 0, "content": fields{"role": "model", "parts": parts}}
	if finish != "" {
		candidate["finishReason"] = finish
	}
	return fields{
		"candidates": []any{candidate}, "modelVersion": "standin-1",
		"usageMetadata": fields{"promptTokenCount": 12, "candidatesTokenCount": 5, "totalTokenCount": 17},
	}
}

func generatedCalls(calls []Call) []any {
	out := []any{}
	for i, c := range calls {
		part := fields{"functionCall": fields{"id": c.ID, "name": c.Name, "args": arguments(c.Arguments)}}
		if i == 0 { // only the first of simultaneous calls is signed
			part["thoughtSignature"] = signature
		}
		out = append(out, part)
	}
	return out
}

// GeminiError is the body of an error. Reason is the provider's own word.
func GeminiError(code int, status, message, reason string) string {
	return JSON(fields{"error": fields{"code": code, "status": status, "message": message, "details": []any{
		fields{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"},
	}}})
}
