package iii_test

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/iii/iiitest"
)

// A worker that serves a function and calls it, on a practice engine.
func Example() {
	engine := iiitest.New(iiitest.Options{})
	if err := engine.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w, err := iii.Connect(ctx, iii.Options{URL: engine.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	type request struct{ Name string }
	_, err = w.RegisterFunction(iii.Function{
		ID: "greet::hello",
		Handler: iii.Typed(func(_ context.Context, r request) (string, error) {
			return "Hello, " + r.Name, nil
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := w.Invoke(ctx, "greet::hello", request{Name: "Ada"})
	fmt.Println(string(answer), err)
	fmt.Println(w.Shutdown(ctx))
	// Output:
	// "Hello, Ada" <nil>
	// <nil>
}
