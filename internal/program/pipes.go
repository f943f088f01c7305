package program

import "os"

// connect makes the pipes. They replace os/exec's, so that a write can be cancelled and
// a useless read ended. It returns the program's ends.
func (p *Process) connect() (theirs []*os.File, err error) {
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	stdinR, stdinW := pipe()
	stdoutR, stdoutW := pipe()
	stderrR, stderrW := pipe()
	p.stdin, p.Stdout, p.stderr = stdinW, stdoutR, stderrR
	theirs = []*os.File{stdinR, stdoutW, stderrW}
	if err != nil {
		closeAll(theirs)
		closeAll(p.ours())
		return nil, err
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdinR, stdoutW, stderrW
	return theirs, nil
}

func (p *Process) ours() []*os.File { return []*os.File{p.stdin, p.Stdout, p.stderr} }

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // a nil file is harmless
	}
}
