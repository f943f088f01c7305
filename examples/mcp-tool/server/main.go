// Command server is an MCP server with the tools of a small shop, for agents to call:
// the state of an order, the opening hours, and a refund that an operator should
// approve. It uses standard input and output.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Standard output belongs to the protocol; the log goes to standard error, and
	// from there into Parley's.
	if err := newServer(time.Now).Run(ctx, &mcp.StdioTransport{}); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// keyName is the field of a call's key: the same for every attempt.
const keyName = "parley/idempotency-key"

type shop struct {
	now func() time.Time

	mu      sync.Mutex
	refunds map[string]string // what was said, by the key of the call
}

func newServer(now func() time.Time) *mcp.Server {
	s := &shop{now: now, refunds: make(map[string]string)}
	server := mcp.NewServer(&mcp.Implementation{Name: "shop", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "find_order", Description: "Finds an order by its number and returns its state."}, s.findOrder)
	mcp.AddTool(server, &mcp.Tool{Name: "opening_hours", Description: "Returns the opening hours, and whether the shop is open now."}, s.openingHours)
	mcp.AddTool(server, &mcp.Tool{Name: "refund", Description: "Pays the price of an order back."}, s.refund)
	return server
}

type orderArguments struct {
	Number int `json:"number" jsonschema:"the order's number, as on the invoice"`
}

var orders = map[int]string{
	1042: "a monstera, sent yesterday, arrives tomorrow",
	1043: "two ferns, still being packed",
}

// A tool's error is for the model, which can call again.
func (s *shop) findOrder(_ context.Context, _ *mcp.CallToolRequest, in orderArguments) (*mcp.CallToolResult, any, error) {
	order, ok := orders[in.Number]
	if !ok {
		return nil, nil, fmt.Errorf("there is no order %d: ask for the number on the invoice", in.Number)
	}
	return say(fmt.Sprintf("Order %d: %s.", in.Number, order)), nil, nil
}

func (s *shop) openingHours(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	now, state := s.now(), "closed"
	if day := now.Weekday(); day != time.Sunday && now.Hour() >= 9 && now.Hour() < 18 {
		state = "open"
	}
	return say("Monday to Saturday from 9:00 to 18:00. Now it is " + now.Format("Monday 15:04") + ": " + state + "."), nil, nil
}

// A call whose answer was lost may come again. Its key is the same then, and the refund
// is paid once.
func (s *shop) refund(_ context.Context, request *mcp.CallToolRequest, in orderArguments) (*mcp.CallToolResult, any, error) {
	if _, ok := orders[in.Number]; !ok {
		return nil, nil, fmt.Errorf("there is no order %d", in.Number)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key, _ := request.Params.Meta[keyName].(string)
	if said, ok := s.refunds[key]; ok && key != "" {
		return say(said), nil, nil
	}
	said := fmt.Sprintf("Order %d is refunded: receipt %d.", in.Number, len(s.refunds)+1)
	s.refunds[key] = said
	return say(said), nil, nil
}

func say(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}
