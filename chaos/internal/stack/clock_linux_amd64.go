package stack

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// trace has the program stop before its first instruction.
func trace(cmd *exec.Cmd) { cmd.SysProcAttr.Ptrace = true }

// setAhead replaces __vdso_clock_gettime in a program that has stopped so, and lets it go.
func setAhead(pid int, ahead time.Duration) (err error) {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, syscall.WALL, nil); err != nil {
		return fmt.Errorf("wait for its start: %w", err)
	}
	if !status.Stopped() {
		return fmt.Errorf("it has not stopped at its start: status %#x", status)
	}
	defer func() { err = errors.Join(err, syscall.PtraceDetach(pid)) }()
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = memory.Close() }()
	at, err := clockFunction(pid, memory)
	if err != nil {
		return err
	}
	_, err = memory.WriteAt(clockCode(int64(ahead/time.Second)), at)
	return err
}

// clockFunction is the address of the function that Go programs read their clocks by.
func clockFunction(pid int, memory *os.File) (int64, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		var from, to int64
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
			return 0, fmt.Errorf("memory map %q: %w", line, err)
		}
		image := make([]byte, to-from)
		if _, err := memory.ReadAt(image, from); err != nil {
			return 0, fmt.Errorf("read the vdso: %w", err)
		}
		file, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			return 0, fmt.Errorf("read the vdso: %w", err)
		}
		symbols, err := file.DynamicSymbols()
		if err != nil {
			return 0, fmt.Errorf("read the vdso: %w", err)
		}
		for _, s := range symbols {
			if s.Name == "__vdso_clock_gettime" {
				return from + int64(s.Value), nil
			}
		}
	}
	return 0, errors.New("the kernel gives programs no __vdso_clock_gettime")
}

// clockCode asks the kernel, and adds seconds to the answer for CLOCK_REALTIME.
func clockCode(seconds int64) []byte {
	code := []byte{
		0xb8, 0xe4, 0, 0, 0, // mov eax, 228 (clock_gettime)
		0x0f, 0x05, // syscall
		0x85, 0xff, // test edi, edi
		0x75, 0x0d, // jne to the end
		0x48, 0xb9, // mov rcx, seconds
	}
	code = binary.LittleEndian.AppendUint64(code, uint64(seconds))
	return append(code,
		0x48, 0x01, 0x0e, // add [rsi], rcx
		0x31, 0xc0, // xor eax, eax
		0xc3, // ret
	)
}
