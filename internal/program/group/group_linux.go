package group

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Own gives the program a process group of its own, and makes the kernel kill it if this
// process dies. The kernel does so when the thread that started the program ends: the
// thread must stay.
func Own(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// AwaitEnd returns when the program has exited, and whether it keeps its id, and that of
// its group, until cmd.Wait.
func AwaitEnd(cmd *exec.Cmd) (keepsID bool) {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
