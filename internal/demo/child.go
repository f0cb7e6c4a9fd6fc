package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// readyPatience is how long a gateway may take to become ready, and how often it is asked.
const (
	readyPatience = 20 * time.Second
	readyEvery    = 50 * time.Millisecond
)

// child is the gateway as a process of its own, so that it can be killed.
type child struct {
	binary, config, control, log string

	cmd  *exec.Cmd
	done chan struct{}
}

// start runs the gateway and waits until it is ready.
func (c *child) start(ctx context.Context) error {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the gateway's log: %w", err)
	}
	defer log.Close() // the child has its own handle
	cmd := exec.Command(c.binary, "run", "--config", c.config)
	cmd.Stdout, cmd.Stderr = log, log
	// In a group of its own, so that an interrupt at the terminal reaches the
	// demo alone, which then stops the gateway in good order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the gateway: %w", err)
	}
	c.cmd, c.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		_ = cmd.Wait() // a killed process ends with an error; that is the point
		close(done)
	}(c.done)
	return c.waitReady(ctx)
}

func (c *child) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for !c.ready(ctx) {
		select {
		case <-tick.C:
		case <-c.done:
			return fmt.Errorf("the gateway ended before it was ready; see %s", c.log)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the gateway is not ready; see %s", c.log), ctx.Err())
		}
	}
	return nil
}

func (c *child) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.control+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close() // read only
	var answer struct {
		Ready bool `json:"ready"`
	}
	return json.NewDecoder(resp.Body).Decode(&answer) == nil && answer.Ready
}

// kill ends the gateway with SIGKILL: nothing is flushed, nothing is tidied up.
func (c *child) kill() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	<-c.done
}

// stop ends the gateway with SIGTERM and waits for it.
func (c *child) stop() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	<-c.done
}
