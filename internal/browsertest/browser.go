// Package browsertest opens web pages in a browser, for tests: texts, clicks, keys,
// screenshots, and what went wrong in the page. It is a module of its own and can import
// all internal packages.
//
//	page := browsertest.Start(t).Open(t, address)
//	page.WaitText(t, "main", "needs attention")
//	page.Click(t, "button.resume")
//	page.RequireNoFaults(t)
//
// It needs Chromium on PATH, on Debian the package chromium. Each browser has an empty profile
// and no network but this machine. Where none can be started the test fails.
//
// A test that fails keeps a screenshot of each of its pages, and says where.
package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Patience is how long a page may take to show what a test waits for.
const Patience = time.Minute

// programs are the names that Chromium has on different systems.
var programs = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// A Browser is one Chromium process.
type Browser struct{ ctx context.Context }

// Start starts a browser that ends with the test.
func Start(t testing.TB) *Browser {
	t.Helper()
	program := ""
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatalf("no browser on PATH (%s): install Chromium; on Debian: apt-get install chromium", strings.Join(programs, ", "))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, // tests run in containers, as root
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
		// Nothing but this machine: a page that loads something from elsewhere is a fault.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
	)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	require.NoError(t, chromedp.Do(ctx), "start %s", program)
	return &Browser{ctx: ctx}
}

// A Page is one tab.
type Page struct {
	ctx context.Context

	mu       sync.Mutex
	faults   []string
	requests map[network.RequestID]string
}

// Open opens an address in a new tab of 1280 × 1600 pixels.
func (b *Browser) Open(t testing.TB, address string) *Page {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	p := &Page{ctx: ctx, requests: map[network.RequestID]string{}}
	t.Cleanup(end)
	require.NoError(t, chromedp.Listen(ctx, p.hear))
	t.Cleanup(func() {
		if t.Failed() {
			p.keep(t)
		}
	})
	p.do(t, call(network.Enable, network.EnableParams{}), call(log.Enable, cdp.Empty{}), call(runtime.Enable, cdp.Empty{}),
		chromedp.EmulateViewport(1280, 1600), chromedp.Navigate(address))
	return p
}

// call is a command of the browser's protocol as an action.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// hear collects what goes wrong.
func (p *Page) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fault := func(format string, args ...any) { p.faults = append(p.faults, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if exception := e.ExceptionDetails.Exception; exception != nil {
			text += " " + exception.Description
		}
		fault("script: %s %s:%d", text, e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber+1)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var said []string
			for _, arg := range e.Args {
				said = append(said, string(arg.Value)+arg.Description)
			}
			fault("console: %s", strings.Join(said, " "))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork { // those are below
			fault("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		p.requests[e.RequestID] = e.Request.URL
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			fault("request: %d %s", e.Response.Status, e.Response.URL)
		}
	case *network.EventLoadingFailed:
		if !e.Canceled {
			fault("request: %s %s", e.ErrorText, p.requests[e.RequestID])
		}
	}
}

// Faults are the script errors, error messages on the console and failed requests so far.
func (p *Page) Faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.faults)
}

// RequireNoFaults fails the test if anything went wrong in the page. Faults that contain one of
// the texts are expected.
func (p *Page) RequireNoFaults(t testing.TB, expected ...string) {
	t.Helper()
	left := slices.DeleteFunc(p.Faults(), func(fault string) bool {
		return slices.ContainsFunc(expected, func(text string) bool { return strings.Contains(fault, text) })
	})
	require.Empty(t, left, "script errors, console errors and failed requests")
}

// do runs actions within Patience.
func (p *Page) do(t testing.TB, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, p.try(actions...))
}

func (p *Page) try(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

// get runs an action that has a result.
func get[T any](p *Page, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	return chromedp.Run(ctx, action)
}

// Go opens another address in the same tab.
func (p *Page) Go(t testing.TB, address string) {
	t.Helper()
	p.do(t, chromedp.Navigate(address))
}

// Wait waits until an element that a CSS selector finds is visible.
func (p *Page) Wait(t testing.TB, selector string) {
	t.Helper()
	require.NoError(t, p.try(chromedp.WaitVisible(chromedp.CSS(selector))), "wait for %s", selector)
}

// WaitText waits until an element that a CSS selector finds shows a text.
func (p *Page) WaitText(t testing.TB, selector, text string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`[...document.querySelectorAll(%s)].some(e => e.innerText.includes(%s))`, quote(selector), quote(text)))
}

// WaitFor waits until a script's value is true.
func (p *Page) WaitFor(t testing.TB, script string) {
	t.Helper()
	_, err := get(p, chromedp.Poll[chromedp.Void](script, chromedp.WithPollingInterval(100*time.Millisecond), chromedp.WithPollingTimeout(0)))
	require.NoError(t, err, "wait for %s", script)
}

// quote is a text in a script.
func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a text can be encoded
	}
	return string(text)
}

// Text is what the first element that a CSS selector finds shows.
func (p *Page) Text(t testing.TB, selector string) string {
	t.Helper()
	text, err := get(p, chromedp.Text(chromedp.CSS(selector)))
	require.NoError(t, err, "text of %s", selector)
	return text
}

// Click presses the first element that a CSS selector finds, once it is visible.
func (p *Page) Click(t testing.TB, selector string) {
	t.Helper()
	require.NoError(t, p.try(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)), "click on %s", selector)
}

// Type writes into an element, as keys. "\n" is the Enter key.
func (p *Page) Type(t testing.TB, selector, text string) {
	t.Helper()
	require.NoError(t, p.try(chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible)), "type into %s", selector)
}

// Press sends keys to whatever has the focus, for pages that are used with the keyboard.
func (p *Page) Press(t testing.TB, keys string) {
	t.Helper()
	p.do(t, chromedp.KeyEvent(keys))
}

// Eval is the value of a script, as JSON decodes it into a T. A promise is waited for.
func Eval[T any](t testing.TB, p *Page, script string) T {
	t.Helper()
	value, err := get(p, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	require.NoError(t, err, "script %s", script)
	return value
}

// Resize sets the size of the page, in pixels: 390 × 844 is that of a phone.
func (p *Page) Resize(t testing.TB, width, height int64) {
	t.Helper()
	p.do(t, chromedp.EmulateViewport(width, height))
}

// Dark makes the page dark or light, as the reader's system asks for it.
func (p *Page) Dark(t testing.TB, dark bool) {
	t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	p.do(t, call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
	}))
}

// Screenshot writes what the tab shows into a PNG file.
func (p *Page) Screenshot(t testing.TB, file string) {
	t.Helper()
	image, err := get(p, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, image, 0o644))
}

// keep keeps a screenshot of a test that has failed.
func (p *Page) keep(t testing.TB) {
	image, err := get(p, chromedp.CaptureScreenshot())
	if err != nil {
		t.Logf("no screenshot: %v", err)
		return
	}
	file := filepath.Join(os.TempDir(), fmt.Sprintf("browsertest-%s-%d.png", strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()), time.Now().UnixNano()))
	if err := os.WriteFile(file, image, 0o644); err == nil {
		t.Logf("screenshot: %s; faults: %q", file, p.Faults())
	}
}
