package command_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/program/programtest"
	"github.com/parley-run/parley/secret"
)

func TestMain(m *testing.M) { programtest.Main(m, programs()) }

func programs() map[string]func(args []string) error {
	return map[string]func(args []string) error{
		// speaks answers in pieces, and counts the turns in its state.
		"speaks": func([]string) error {
			return each(func(req wire.Request) error {
				n := 0
				_ = json.Unmarshal(req.State, &n)
				say(map[string]any{"id": req.ID, "delta": "Good "})
				say(map[string]any{"id": req.ID, "delta": "day!"})
				say(map[string]any{"id": req.ID, "message": "Good day!", "state": n + 1, "model": "p-1"})
				return nil
			})
		},
		// says answers each request with its arguments, one a line. $ID stands for the
		// request's id.
		"says": func(args []string) error {
			return each(func(req wire.Request) error {
				for _, line := range args {
					_, _ = fmt.Println(strings.ReplaceAll(line, "$ID", req.ID))
				}
				return nil
			})
		},
		// pid answers with its process id.
		"pid": answerPID,
		"mute": func([]string) error {
			return each(func(wire.Request) error { return nil })
		},
		// deaf never reads.
		"deaf": func([]string) error { select {} },
		// crashes writes its arguments: the last to standard error, the others to
		// standard output, and that without an end of line.
		"crashes": func(args []string) error {
			return each(func(wire.Request) error {
				_, _ = fmt.Print(strings.Join(args[:len(args)-1], "\n"))
				return errors.New(args[len(args)-1])
			})
		},
		// floods writes its argument without end, once it is asked.
		"floods": func(args []string) error {
			return each(func(wire.Request) error {
				for {
					if _, err := fmt.Print(args[0]); err != nil {
						return err
					}
				}
			})
		},
		"exits": func([]string) error { return errors.New("no model found") },
		"large": func([]string) error {
			return each(func(wire.Request) error {
				say(map[string]any{"message": strings.Repeat("x", 20<<20)})
				return nil
			})
		},
		// environment answers with its environment, and logs it too.
		"environment": func([]string) error {
			return each(func(req wire.Request) error {
				_, _ = fmt.Fprintln(os.Stderr, strings.Join(os.Environ(), " "))
				say(map[string]any{"message": strings.Join(os.Environ(), "\n")})
				return nil
			})
		},
		// handshake is ready once its connection is accepted.
		"handshake": func(args []string) error {
			conn, err := net.Dial("unix", args[0])
			if err != nil {
				return err
			}
			_, _ = conn.Read(make([]byte, 1))
			say(map[string]any{"ready": true})
			return answerPID(nil)
		},
		// pairs answers requests two at a time, the last first.
		"pairs": func([]string) error {
			var waiting []wire.Request
			return each(func(req wire.Request) error {
				waiting = append(waiting, req)
				if len(waiting) < 2 {
					return nil
				}
				for i := len(waiting) - 1; i >= 0; i-- {
					say(map[string]any{"id": waiting[i].ID, "message": waiting[i].Conversation.ID})
				}
				waiting = nil
				return nil
			})
		},
		// hears answers only the request of conversation "answer", with the lines that
		// came before it.
		"hears": func([]string) error {
			var before []string
			return lines(func(line string) error {
				var req wire.Request
				if err := json.Unmarshal([]byte(line), &req); err != nil {
					return err
				}
				if req.Conversation.ID == "answer" {
					say(map[string]any{"id": req.ID, "message": strings.Join(before, "\n")})
				} else {
					before = append(before, line)
				}
				return nil
			})
		},
		"family": programtest.Family(func() error { return answerPID(nil) }),
		"child":  programtest.Child,
		// worker runs a program of its own until it is killed.
		"worker": runWorker,
	}
}

// answerPID never answers in a conversation of that name.
func answerPID([]string) error {
	return each(func(req wire.Request) error {
		if req.Conversation.ID == "never" {
			return nil
		}
		say(map[string]any{"id": req.ID, "message": fmt.Sprint(os.Getpid())})
		return nil
	})
}

// each takes requests until there are none.
func each(do func(wire.Request) error) error {
	return lines(func(line string) error {
		var req wire.Request
		if err := json.Unmarshal([]byte(line), &req); err != nil {
			return err
		}
		return do(req)
	})
}

func lines(do func(string) error) error {
	r := bufio.NewReader(os.Stdin)
	for {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(strings.TrimSpace(line)); err != nil {
			return err
		}
	}
}

func say(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.Write(append(data, '\n'))
}

// runWorker asks a program, and waits to be killed.
func runWorker(args []string) error {
	e, err := command.New(command.Config{
		Command: []string{os.Args[0], args[0]},
		Env:     map[string]secret.String{programtest.Variable: "child"},
	})
	if err != nil {
		return err
	}
	_, err = e.Execute(context.Background(), executortest.Request("c1", "Hi"))
	return err
}
