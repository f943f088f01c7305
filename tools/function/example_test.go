package function_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/function"
)

type FindOrder struct {
	Number int `json:"number" jsonschema:"the order's number, as on the invoice"`
}

func findOrder(_ context.Context, in FindOrder) (string, error) {
	if in.Number != 1042 {
		return "", fmt.Errorf("there is no order %d", in.Number)
	}
	return "on its way", nil
}

func Example() {
	shop, err := function.New(function.Config{Tools: []function.Tool{
		function.Of("find_order", "Finds an order by its number.", findOrder),
	}})
	if err != nil {
		panic(err)
	}
	registry := tools.NewRegistry()
	if err := registry.Add("shop", shop, tools.Rules{}); err != nil {
		panic(err)
	}
	ctx := context.Background()
	offered, _ := registry.Offer(ctx, []string{"shop"})
	fmt.Println(offered[0].Tool.Name, string(offered[0].Tool.Schema))
	for _, arguments := range []string{`{"number": 1042}`, `{"number": 7}`, `{"number": "seven"}`} {
		result, _ := registry.Call(ctx, "shop", tools.Call{Name: "find_order", Arguments: json.RawMessage(arguments)})
		fmt.Println(result.IsError, result.Content)
	}
	// Output:
	// find_order {"type":"object","properties":{"number":{"type":"integer","description":"the order's number, as on the invoice"}},"required":["number"],"additionalProperties":false}
	// false on its way
	// true there is no order 7
	// true The arguments do not fit: validating root: validating /properties/number: type: seven has type "string", want "integer"
}
