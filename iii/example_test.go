package iii_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
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

// practice returns a worker of a practice engine.
func practice() (context.Context, *iiitest.Engine, *iii.Worker, func()) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	engine := iiitest.New(iiitest.Options{})
	if err := engine.Start(); err != nil {
		panic(err)
	}
	w, err := iii.Connect(ctx, iii.Options{URL: engine.URL()})
	if err != nil {
		panic(err)
	}
	return ctx, engine, w, func() { w.Close(); engine.Stop(); cancel() }
}

// A function that writes its answer into a channel, line by line.
func ExampleWorker_CreateChannel() {
	ctx, _, w, stop := practice()
	defer stop()
	_, err := w.RegisterFunction(iii.Function{ID: "poem::recite", Handler: func(ctx context.Context, call iii.Invocation) (any, error) {
		var request struct{ Output iii.ChannelRef }
		if err := call.Decode(&request); err != nil {
			return nil, err
		}
		out, err := w.OpenWriter(ctx, request.Output)
		if err != nil {
			return nil, err
		}
		for _, line := range []string{"The fog comes\n", "on little cat feet.\n"} {
			if _, err := io.WriteString(out, line); err != nil {
				return nil, err
			}
		}
		return nil, out.Close()
	}})
	if err != nil {
		fmt.Println(err)
		return
	}

	channel, err := w.CreateChannel(ctx, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Send(ctx, "poem::recite", map[string]any{"output": channel.Writer}); err != nil {
		fmt.Println(err)
		return
	}
	in, err := w.OpenReader(ctx, channel.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = in.Close() }()
	poem, err := io.ReadAll(in)
	fmt.Print(string(poem), err)
	// Output:
	// The fog comes
	// on little cat feet.
	// <nil>
}

// A page, at the engine's HTTP port.
func ExampleWorker_HTTPHandler() {
	ctx, engine, w, stop := practice()
	defer stop()
	_, err := w.RegisterFunction(iii.Function{ID: "greet::page", Handler: w.HTTPHandler(
		func(_ context.Context, r *iii.Request) (*iii.Response, error) {
			return &iii.Response{Body: "Hello, " + r.PathParams["name"]}, nil
		})})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = w.RegisterTrigger(iii.HTTPTrigger("GET", "/hello/:name", "greet::page")); err != nil {
		fmt.Println(err)
		return
	}
	if err := engine.Wait(ctx, func() bool { return engine.Bound("http", "greet::page") == 1 }); err != nil {
		fmt.Println(err)
		return
	}

	server := httptest.NewServer(engine.HTTPHandler())
	defer server.Close()
	response, err := http.Get(server.URL + "/hello/Ada")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	fmt.Println(strings.TrimSpace(string(page)), err)
	http.DefaultClient.CloseIdleConnections()
	// Output: Hello, Ada <nil>
}

// Two workers offer the same function: one serves it, and when it leaves, the other does.
func ExampleWorker_RegisterReplica() {
	ctx, engine, first, stop := practice()
	defer stop()
	second, err := iii.Connect(ctx, iii.Options{URL: engine.URL(), Name: "second"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer second.Close()
	for _, w := range []*iii.Worker{first, second} {
		_, err := w.RegisterReplica(iii.ReplicaOptions{
			Service: "greet",
			Functions: []iii.Function{{ID: "greet::hello", Handler: func(context.Context, iii.Invocation) (any, error) {
				return "Hello", nil
			}}},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := engine.Wait(ctx, func() bool { return engine.Serves("", "greet::hello") }); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("the first serves:", engine.Owner("greet::hello") == first.ID())
	first.Close()
	if err := engine.Wait(ctx, func() bool { return engine.Owner("greet::hello") == second.ID() }); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the second serves")
	// Output:
	// the first serves: true
	// the second serves
}
