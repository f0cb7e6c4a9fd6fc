// Package proc reads what the kernel knows of processes and of the machine:
// processor time, resident memory, and how busy everybody else is.
package proc

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// hz is the kernel's unit of processor time in /proc (USER_HZ, 100 on every Linux).
const hz = 100

// Usage is what a process, with the children it has waited for, has used.
type Usage struct {
	CPU time.Duration
	// Peak is the most memory that was resident at once (VmHWM), in bytes.
	Peak int64
}

// Of returns the usage of a process that still runs.
func Of(pid int) (Usage, error) {
	cpu, _, err := stat(pid)
	if err != nil {
		return Usage{}, err
	}
	peak, err := peak(pid)
	return Usage{CPU: cpu, Peak: peak}, err
}

// Tree returns the usage of a process and all its descendants that still run:
// the sum of the time, and as Peak the memory that is resident now, with pages
// that several of them share counted once (Pss); of a sum there is no peak.
func Tree(root int) (Usage, error) {
	children, err := parents()
	if err != nil {
		return Usage{}, err
	}
	var sum Usage
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		queue = append(queue, children[queue[0]]...)
		u, err := Of(queue[0])
		if err != nil {
			continue // it ended meanwhile
		}
		sum.CPU += u.CPU
		if pss, err := kilobytes(queue[0], "smaps_rollup", "Pss:"); err == nil {
			sum.Peak += pss
		}
	}
	return sum, nil
}

// Resident returns the memory that is resident now (VmRSS), in bytes.
func Resident(pid int) (int64, error) { return kilobytes(pid, "status", "VmRSS:") }

func parents() (map[int][]int, error) {
	dir, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := map[int][]int{}
	for _, e := range dir {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, parent, err := stat(pid); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	return children, nil
}

// stat reads user and system time, with that of ended children, and the parent.
func stat(pid int) (cpu time.Duration, parent int, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read process: %w", err)
	}
	// The name stands in parentheses and may hold anything.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 15 {
		return 0, 0, fmt.Errorf("read process %d: %d fields", pid, len(f))
	}
	parent, err = strconv.Atoi(f[1])
	if err != nil {
		return 0, 0, fmt.Errorf("read process %d: %w", pid, err)
	}
	var ticks int64
	for _, s := range f[11:15] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read process %d: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / hz, parent, nil
}

func peak(pid int) (int64, error) { return kilobytes(pid, "status", "VmHWM:") }

// kilobytes reads one line of a process's file and returns bytes; 0 if there is
// no such line, as in a process that is just ending.
func kilobytes(pid int, file, key string) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0, fmt.Errorf("read process: %w", err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if kb, ok := strings.CutPrefix(s.Text(), key); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(kb, "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, nil
}

// Busy returns the processor time that the whole machine has used since its
// start, and the time stolen from it by its host.
func Busy() (used, stolen time.Duration, err error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, fmt.Errorf("read machine: %w", err)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	f := strings.Fields(string(line)) // cpu user nice system idle iowait irq softirq steal ...
	if len(f) < 9 {
		return 0, 0, fmt.Errorf("read machine: %d fields", len(f))
	}
	ticks := func(i int) time.Duration {
		n, _ := strconv.ParseInt(f[i], 10, 64) // the kernel writes numbers
		return time.Duration(n) * time.Second / hz
	}
	return ticks(1) + ticks(2) + ticks(3) + ticks(6) + ticks(7), ticks(8), nil
}
