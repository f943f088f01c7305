package mcp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/internal/program/programtest"
	"github.com/parley-run/parley/tools/mcp"
	"github.com/parley-run/parley/tools/toolstest"
)

func TestMain(m *testing.M) { programtest.Main(m, programs()) }

func programs() map[string]func(args []string) error {
	return map[string]func(args []string) error{
		"server": func([]string) error { return serve() },
		// chatty writes what is no message before and after it starts to serve.
		"chatty": func([]string) error {
			_, _ = fmt.Println("Welcome to the server!")
			_, _ = fmt.Fprintln(os.Stderr, "my environment:", strings.Join(os.Environ(), " "))
			return serve()
		},
		"versioned": func(args []string) error {
			return newServerOf(nil, nil, args).Run(context.Background(), &sdk.StdioTransport{})
		},
		// modern answers nothing that is of a session.
		"modern": func([]string) error {
			for dec := json.NewDecoder(os.Stdin); ; {
				var m message
				if err := dec.Decode(&m); err != nil {
					return err
				}
				if answer := map[string]string{"server/discover": discovered, "tools/call": called}[m.Method]; answer != "" {
					_, _ = fmt.Printf(`{"jsonrpc":"2.0","id":%s,%s}`+"\n", m.ID, answer)
				}
			}
		},
		"odd":   func(args []string) error { return serveOddly(args[0]) },
		"exits": func([]string) error { return errors.New("no licence: " + os.Getenv("API_KEY")) },
		// mute reads and says nothing.
		"mute": func([]string) error {
			for r := bufio.NewReader(os.Stdin); ; {
				if _, err := r.ReadString('\n'); err != nil {
					return err
				}
			}
		},
		// deaf introduces itself and never reads again.
		"deaf": func([]string) error {
			line, err := bufio.NewReaderSize(os.Stdin, 1).ReadString('\n')
			if err != nil {
				return err
			}
			var request struct {
				ID json.RawMessage `json:"id"`
			}
			if err := json.Unmarshal([]byte(line), &request); err != nil {
				return err
			}
			_, _ = fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"deaf","version":"1"}}}`+"\n", request.ID)
			select {}
		},
		"family": programtest.Family(serve),
		"child":  programtest.Child,
	}
}

func serve() error { return newServer(nil).Run(context.Background(), &sdk.StdioTransport{}) }

type textArgument struct {
	Text string `json:"text" jsonschema:"what to say"`
}

type noArguments struct{}

func said(text string) *sdk.CallToolResult {
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: text}}}
}

// newServer has the tools of the contract and some more. Reached, if not nil, is
// told of every call of "stall".
func newServer(reached chan<- struct{}) *sdk.Server { return newServerOf(reached, nil, nil) }

// newServerOf knows these versions of the protocol. None: all of the SDK's. When quit is
// closed, "stall" ends: the SDK does not always end calls whose requests have ended.
func newServerOf(reached chan<- struct{}, quit <-chan struct{}, versions []string) *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ServerOptions{PageSize: 3, SupportedProtocolVersions: versions})
	text := func(name string, do func(ctx context.Context, text string) (*sdk.CallToolResult, error)) {
		sdk.AddTool(s, &sdk.Tool{Name: name, Description: "The tool " + name + "."},
			func(ctx context.Context, _ *sdk.CallToolRequest, in textArgument) (*sdk.CallToolResult, any, error) {
				result, err := do(ctx, in.Text)
				return result, nil, err
			})
	}
	text(toolstest.Echo, func(_ context.Context, text string) (*sdk.CallToolResult, error) { return said(text), nil })
	text(toolstest.Complain, func(_ context.Context, text string) (*sdk.CallToolResult, error) { return nil, errors.New(text) })
	text(toolstest.Stall, func(ctx context.Context, _ string) (*sdk.CallToolResult, error) {
		if reached != nil {
			reached <- struct{}{}
		}
		select {
		case <-ctx.Done():
		case <-quit:
		}
		return nil, errors.New("given up")
	})
	text(toolstest.Broken, func(context.Context, string) (*sdk.CallToolResult, error) {
		_, _ = fmt.Fprintln(os.Stderr, "out of memory: "+os.Getenv("API_KEY"))
		os.Exit(3)
		return nil, nil
	})
	text("leave_a_word", func(_ context.Context, text string) (*sdk.CallToolResult, error) {
		_, _ = fmt.Println(text)
		return said("done"), nil
	})
	// These write without end.
	for name, piece := range map[string]string{
		"endless_line": strings.Repeat("x", 1<<20), "endless_junk": "this is no message\n", "endless_blanks": "\n",
		"endless_messages": `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}` + "\n",
	} {
		text(name, func(context.Context, string) (*sdk.CallToolResult, error) {
			for {
				if _, err := os.Stdout.WriteString(piece); err != nil {
					return nil, err
				}
			}
		})
	}
	text("complain_much", func(context.Context, string) (*sdk.CallToolResult, error) {
		for range 200_000 {
			_, _ = fmt.Fprintln(os.Stderr, "something is wrong, and it will be said again")
		}
		return said("done"), nil
	})
	text("large", func(context.Context, string) (*sdk.CallToolResult, error) {
		return said(`"id": 1, ` + strings.Repeat("x", 17<<20)), nil
	})
	text("pid", func(context.Context, string) (*sdk.CallToolResult, error) { return said(fmt.Sprint(os.Getpid())), nil })
	text("environment", func(context.Context, string) (*sdk.CallToolResult, error) {
		return said(strings.Join(os.Environ(), "\n")), nil
	})
	text("learn", func(context.Context, string) (*sdk.CallToolResult, error) {
		text("learnt", func(context.Context, string) (*sdk.CallToolResult, error) { return said("yes"), nil })
		return said("done"), nil
	})
	sdk.AddTool(s, &sdk.Tool{Name: toolstest.Key}, func(_ context.Context, r *sdk.CallToolRequest, _ noArguments) (*sdk.CallToolResult, any, error) {
		key, _ := r.Params.Meta[mcp.MetaKey].(string)
		return said(key), nil, nil
	})
	sdk.AddTool(s, &sdk.Tool{Name: "everything"}, func(context.Context, *sdk.CallToolRequest, noArguments) (*sdk.CallToolResult, any, error) {
		size := int64(2048)
		return &sdk.CallToolResult{Content: []sdk.Content{
			&sdk.TextContent{Text: "Here:"},
			&sdk.ImageContent{Data: make([]byte, 120), MIMEType: "image/png"},
			&sdk.AudioContent{Data: make([]byte, 7), MIMEType: "audio/wav"},
			&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "file:///a.txt", MIMEType: "text/plain", Text: "inside"}},
			&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "file:///b", MIMEType: "application/zip", Blob: make([]byte, 9)}},
			&sdk.ResourceLink{URI: "https://example.com/c.pdf", Name: "c", MIMEType: "application/pdf", Size: &size},
			&sdk.ResourceLink{URI: "https://example.com/d", Name: "d"},
		}}, nil, nil
	})
	type order struct {
		Number int    `json:"number"`
		State  string `json:"state"`
	}
	sdk.AddTool(s, &sdk.Tool{Name: "structured"}, func(context.Context, *sdk.CallToolRequest, noArguments) (*sdk.CallToolResult, order, error) {
		return nil, order{1042, "<sent>"}, nil
	})
	sdk.AddTool(s, &sdk.Tool{Name: "structured_only"}, func(context.Context, *sdk.CallToolRequest, noArguments) (*sdk.CallToolResult, order, error) {
		return said("An order:"), order{1042, "<sent>"}, nil
	})
	sdk.AddTool(s, &sdk.Tool{Name: "says_nothing"}, func(context.Context, *sdk.CallToolRequest, noArguments) (*sdk.CallToolResult, any, error) {
		return &sdk.CallToolResult{Content: []sdk.Content{}, IsError: true}, nil, nil
	})
	s.AddTool(&sdk.Tool{
		Name: toolstest.Odd, InputSchema: json.RawMessage(`{"type":"object"}`),
		OutputSchema: json.RawMessage(`{"type":"object","properties":{"number":{"type":"integer"}},"required":["number"]}`),
	}, func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return &sdk.CallToolResult{StructuredContent: map[string]any{"number": "none"}}, nil
	})
	for name, hints := range map[string]sdk.ToolAnnotations{"reads": {ReadOnlyHint: true}, "sets": {IdempotentHint: true}, "adds": {Title: "Adds"}} {
		sdk.AddTool(s, &sdk.Tool{Name: name, Annotations: &hints}, func(context.Context, *sdk.CallToolRequest, noArguments) (*sdk.CallToolResult, any, error) {
			return said("done"), nil, nil
		})
	}
	// These two answer with an error of the protocol.
	for name, code := range map[string]int64{"refuses": 4711, "fails": -32603} {
		s.AddTool(&sdk.Tool{Name: name, InputSchema: json.RawMessage(`{"type":"object"}`)}, func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
			return nil, wireError(code, "not "+os.Getenv("API_KEY")+" today")
		})
	}
	return s
}

// patience is how long a test waits for what is sure to come.
const patience = 2 * time.Minute
