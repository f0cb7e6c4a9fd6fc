// Package conduct runs the benchmark's programs, each in a process of its own,
// and writes down what came of it.
//
// It takes the time: from the moment the event server lets the counted events
// go to the moment a program (or the sink) says that the last one is through.
// It trusts no program's own count; the ground truth is read when all is over.
package conduct

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"

	"github.com/sallyport-dev/sallyport/bench/internal/line"
	"github.com/sallyport-dev/sallyport/bench/internal/proc"
)

// child is one program of a run.
type child struct {
	name     string
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	messages chan line.Message // closed when its output ends
	ended    chan struct{}     // closed then, too
	said     tail              // on its standard error; whole once it has ended

	finishing sync.Once
	result    error
}

// start starts a program whose output is lines of messages.
func start(ctx context.Context, name, path string, args ...string) (*child, error) {
	c := &child{name: name, cmd: exec.CommandContext(ctx, path, args...), messages: make(chan line.Message, 16), ended: make(chan struct{})}
	c.cmd.Stderr = io.MultiWriter(os.Stderr, &c.said)
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go c.listen(stdout)
	return c, nil
}

func (c *child) listen(r io.Reader) {
	defer close(c.ended)
	defer close(c.messages)
	for s := bufio.NewScanner(r); s.Scan(); {
		var m line.Message
		if json.Unmarshal(s.Bytes(), &m) == nil && m.Is != "" {
			c.messages <- m // programs say less than it holds
		}
	}
}

// until ends ctx when the program has ended, so that nobody waits for what it feeds.
func (c *child) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-c.ended:
			cancel(c.gone())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// gone says that the program has ended, with its last words.
func (c *child) gone() error {
	_ = c.finish() // all of its words are there then; why it ended is among them
	return fmt.Errorf("%s has ended (%v): %s", c.name, c.cmd.ProcessState, c.said.last())
}

// wait waits for the message of a kind.
func (c *child) wait(ctx context.Context, is string) (line.Message, error) {
	for {
		select {
		case m, ok := <-c.messages:
			if !ok {
				return line.Message{}, fmt.Errorf("wait for %s to say %q: %w", c.name, is, c.gone())
			}
			if m.Is == is {
				return m, nil
			}
		case <-ctx.Done():
			return line.Message{}, fmt.Errorf("wait for %s to say %q: %w", c.name, is, context.Cause(ctx))
		}
	}
}

func (c *child) tell(word string) error {
	if _, err := io.WriteString(c.stdin, word+"\n"); err != nil {
		return fmt.Errorf("tell %s to %s: %w", c.name, word, err)
	}
	return nil
}

func (c *child) usage() (proc.Usage, error) { return proc.Of(c.cmd.Process.Pid) }

// end closes the program's input, waits for it to end and returns its count, if
// it says one.
func (c *child) end() (line.Message, error) {
	_ = c.stdin.Close()
	var last line.Message
	for m := range c.messages {
		if m.Is == line.Counted {
			last = m
		}
	}
	if err := c.finish(); err != nil {
		return last, fmt.Errorf("end %s: %w: %s", c.name, err, c.said.last())
	}
	return last, nil
}

// kill ends a program that may have ended already.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.finish()
}

// finish waits for the program's end, for whoever asks.
func (c *child) finish() error {
	c.finishing.Do(func() {
		<-c.ended // its output has been read
		c.result = c.cmd.Wait()
	})
	return c.result
}
