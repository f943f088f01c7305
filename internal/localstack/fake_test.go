package localstack_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/parley-run/parley/internal/localstack"
)

// TestMain lets the test binary act as other programs, by the name that it was started
// with.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "ready":
		os.Exit(playDevserver(os.Args[1:]))
	case "dies-early":
		fmt.Fprintln(os.Stderr, "the disk is full")
		os.Exit(7)
	case "dies-later":
		go func() {
			_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
			fmt.Fprintln(os.Stderr, "out of memory")
			os.Exit(9)
		}()
		os.Exit(playDevserver(os.Args[1:]))
	case "mute":
		fmt.Println("not a line of JSON")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	case "stubborn":
		os.Exit(playStubborn())
	case "child":
		signal.Ignore(syscall.SIGTERM)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			os.Exit(1)
		}
		fmt.Println(l.Addr())
		select {} //nolint:staticcheck // until it is killed
	case "temporal":
		os.Exit(playCLI(os.Args[1:]))
	case "parent":
		os.Exit(playParent(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// program returns the path of this test binary under the name of a program.
func program(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.Symlink(self, path))
	return path
}

// playDevserver keeps the devserver's contract, without Temporal.
func playDevserver(args []string) int {
	f := pflag.NewFlagSet("devserver", pflag.ContinueOnError)
	address := f.String("frontend-address", "", "")
	ui := f.String("ui-address", "", "")
	next := f.Bool("next-free-port", false, "")
	f.String("db-file", "", "")
	namespace := f.String("namespace", "", "")
	attributes := f.StringArray("search-attribute", nil, "")
	withStdin := f.Bool("exit-with-stdin", false, "")
	f.String("log-level", "", "")
	if err := f.Parse(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	l, err := net.Listen("tcp", *address)
	for port := 20000; err != nil && *next; port++ {
		l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Connections stay open: their end tells a test that this process is gone.
	go func() {
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	}()
	uiURL := ""
	if *ui != "" {
		uiURL = "http://" + *ui
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Fprintln(os.Stderr, "registered "+strings.Join(*attributes, " "))
	fmt.Println("a library says hello")
	fmt.Printf("{\"address\":%q,\"ui_url\":%q,\"namespace\":%q,\"pid\":%d}\n", l.Addr(), uiURL, *namespace, os.Getpid())
	if *withStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	<-ctx.Done()
	return 0
}

// playStubborn ignores every request to stop, and so does its child.
func playStubborn() int {
	signal.Ignore(syscall.SIGTERM)
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	child := exec.Command(self)
	child.Args = []string{"child"}
	out, err := child.StdoutPipe()
	if err != nil || child.Start() != nil {
		return 1
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return 1
	}
	fmt.Printf("{\"address\":%q,\"namespace\":\"default\"}\n", strings.TrimSpace(address))
	select {} //nolint:staticcheck // until it is killed
}

// playCLI is the Temporal CLI: "temporal --version" and "temporal server start-dev".
func playCLI(args []string) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println("temporal version 1.99.0 (Server 1.99.0, UI 2.99.0)")
		return 0
	}
	f := pflag.NewFlagSet("temporal", pflag.ContinueOnError)
	port := f.String("port", "", "")
	f.String("ip", "", "")
	f.String("ui-port", "", "")
	f.Bool("headless", false, "")
	f.String("namespace", "", "")
	f.String("log-level", "", "")
	f.String("db-filename", "", "")
	f.String("dynamic-config-value", "", "")
	f.StringArray("search-attribute", nil, "")
	if err := f.Parse(args); err != nil || strings.Join(f.Args(), " ") != "server start-dev" {
		fmt.Fprintln(os.Stderr, "usage:", err, f.Args())
		return 2
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+*port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s := newTemporal()
	go func() { _ = s.Serve(l) }()
	select {} // nolint:staticcheck // until SIGTERM, which has no handler
}

// playParent starts a server, prints its address, and waits to be killed.
func playParent(args []string) int {
	opts := localstack.Options{Port: localstack.AnyPort}
	if len(args) == 1 {
		opts.Binary = args[0]
	}
	stack, err := localstack.Start(context.Background(), opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(stack.Address)
	time.Sleep(time.Minute) // killed long before
	return 0
}

// newTemporal is as much of a Temporal server as the start of a client needs.
func newTemporal() *grpc.Server {
	s := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(s, fakeWorkflows{})
	return s
}

type fakeWorkflows struct {
	workflowservice.UnimplementedWorkflowServiceServer
}

func (fakeWorkflows) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (fakeWorkflows) DescribeNamespace(_ context.Context, req *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	if req.GetNamespace() != "default" {
		return nil, serviceerror.NewNamespaceNotFound(req.GetNamespace())
	}
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

var (
	known   = temporal.NewSearchAttributeKeyInt64("Known")
	unknown = temporal.NewSearchAttributeKeyKeyword("Unknown")
)
