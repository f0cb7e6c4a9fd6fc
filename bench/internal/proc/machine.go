package proc

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// Machine is what a figure was measured on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes"`
	Kernel string `json:"kernel"`
	Disk   string `json:"disk"`
	Go     string `json:"go"`
	Node   string `json:"node,omitempty"`
	// Postgres is the server's version.
	Postgres string `json:"postgres,omitempty"`
}

// Here describes this machine; dir is where the benchmark writes.
func Here(dir string) Machine {
	return Machine{
		CPU:    cpuModel(),
		Cores:  runtime.NumCPU(),
		Memory: memory(),
		Kernel: strings.TrimSpace(read("/proc/sys/kernel/osrelease")),
		Disk:   fileSystem(dir),
		Go:     runtime.Version(),
		Node:   output("node", "--version"),
		Postgres: strings.TrimPrefix(
			output("postgres", "--version"), "postgres (PostgreSQL) "),
	}
}

func cpuModel() string {
	model, family, number := "", "", ""
	for line := range strings.SplitSeq(read("/proc/cpuinfo"), "\n") {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "model name":
			model = value
		case "cpu family":
			family = value
		case "model":
			number = value
		}
	}
	return fmt.Sprintf("%s (family %s, model %s)", model, family, number)
}

func memory() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit) // below 8 EiB
}

// fileSystem names the type and device that dir is on.
func fileSystem(dir string) string {
	var best, name string
	for line := range strings.SplitSeq(read("/proc/mounts"), "\n") {
		f := strings.Fields(line)
		if len(f) >= 3 && strings.HasPrefix(dir, f[1]) && len(f[1]) > len(best) {
			best, name = f[1], f[2]+" on "+f[0]
		}
	}
	return name
}

func read(path string) string {
	b, err := os.ReadFile(path) // constants
	if err != nil {
		return ""
	}
	return string(b)
}

func output(name string, args ...string) string {
	b, err := exec.Command(name, args...).Output() // constants
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
