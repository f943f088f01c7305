package command

import (
	"os"
	"os/exec"
	"sync"
)

// pipes connect us with a program. They are our own and not os/exec's: with
// these, a write can be given up and a read that nothing will come of ended.
type pipes struct {
	stdin, stdout, stderr *os.File   // our ends
	theirs                []*os.File // the program's
	once                  sync.Once
}

func connect(cmd *exec.Cmd) (*pipes, error) {
	p := &pipes{}
	var err error
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	stdinR, stdinW := pipe()
	stdoutR, stdoutW := pipe()
	stderrR, stderrW := pipe()
	p.stdin, p.stdout, p.stderr = stdinW, stdoutR, stderrR
	p.theirs = []*os.File{stdinR, stdoutW, stderrW}
	if err != nil {
		p.started()
		p.close()
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdinR, stdoutW, stderrW
	return p, nil
}

// started closes the program's ends: it has its own by now, or never will.
func (p *pipes) started() {
	for _, f := range p.theirs {
		_ = f.Close() // a nil file is no harm
	}
}

// close closes our ends.
func (p *pipes) close() {
	p.once.Do(func() {
		for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
			_ = f.Close()
		}
	})
}
