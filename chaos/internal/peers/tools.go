package peers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/chaos/internal/account"
)

// An Effect is a line of the tool server's account: something that was done.
type Effect struct {
	At    time.Time `json:"at"`
	Tool  string    `json:"tool"`
	Token string    `json:"token"` // of the model's answer that called
	N     int       `json:"n"`     // the call's place in it
	Key   string    `json:"key,omitempty"`
}

type arguments struct {
	Token string `json:"token"`
	N     int    `json:"n"`
}

// keyName is the field of a call's key.
const keyName = "parley/idempotency-key"

// Tools is an MCP server. note and pay have an effect each time; look has none that
// matters, and says that it may be repeated. None looks at the key: what arrives twice
// happens twice.
func Tools(to *account.Writer) http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "chaos", Version: "1"}, nil)
	do := func(ctx context.Context, req *mcp.CallToolRequest, in arguments) (*mcp.CallToolResult, any, error) {
		time.Sleep(time.Duration(50+number(in.Token)%300) * time.Millisecond)
		key, _ := req.Params.Meta[keyName].(string)
		if err := to.Write(Effect{At: time.Now().UTC(), Tool: req.Params.Name, Token: in.Token, N: in.N, Key: key}); err != nil {
			return nil, nil, err
		}
		time.Sleep(30 * time.Millisecond) // done, and the answer is still to come
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf("%s done", req.Params.Name)}}}, nil, nil
	}
	mcp.AddTool(server, &mcp.Tool{Name: "note", Description: "Writes something down."}, do)
	mcp.AddTool(server, &mcp.Tool{Name: "pay", Description: "Pays."}, do)
	mcp.AddTool(server, &mcp.Tool{
		Name: "look", Description: "Looks something up.", Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true},
	}, do)
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
}
