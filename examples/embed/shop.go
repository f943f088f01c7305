package main

import (
	"context"
	"fmt"

	"github.com/parley-run/parley/tools/function"
)

// findOrder is the argument of the tool: its schema is made from the type.
type findOrder struct {
	Number int `json:"number" jsonschema:"the order's number, as on the invoice"`
}

// newShop is a set of one tool.
func newShop() (*function.Set, error) {
	orders := map[int]string{1042: "a monstera, arrives tomorrow", 1043: "two cacti, delivered on Monday"}
	return function.New(function.Config{Tools: []function.Tool{
		function.Of("find_order", "Finds an order by its number.", func(_ context.Context, in findOrder) (string, error) {
			order, ok := orders[in.Number]
			if !ok {
				return "", fmt.Errorf("there is no order %d: ask for the number on the invoice", in.Number)
			}
			return fmt.Sprintf("order %d: %s", in.Number, order), nil
		}),
	}})
}
