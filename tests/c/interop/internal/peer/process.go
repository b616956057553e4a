// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Event is one JSON line that a tool prints.
type Event map[string]any

// Text reads a member as text, "" when it is none.
func (e Event) Text(key string) string {
	s, _ := e[key].(string)
	return s
}

// Number reads a member as a number, 0 when it is none.
func (e Event) Number(key string) int64 {
	f, _ := e[key].(float64)
	return int64(f)
}

// At reads a member of members, nil when there is none.
func (e Event) At(path ...string) any {
	var v any = map[string]any(e)
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func render[T any](items []T) string {
	var b strings.Builder
	for _, item := range items {
		fmt.Fprintf(&b, "\n    %v", item)
	}
	if b.Len() == 0 {
		return " nothing"
	}
	return b.String()
}

// Is matches events by name.
func Is(name string) func(Event) bool {
	return func(e Event) bool { return e.Text("event") == name }
}

// Process is a tool that prints events and reads commands.
type Process struct {
	Events *Log[Event]

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	mu     sync.Mutex
	nextID int
	ended  chan struct{}
	err    error
}

// Binary returns the path in an environment variable. Without it there is
// nothing to test; whoever runs the tests decides whether that is an error.
func Binary(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set: the path of the program to test", variable)
	}
	return path
}

// Start runs a tool. At the end of the test it must have ended, or ends when
// its input does.
func Start(t *testing.T, path string, args ...string) *Process {
	t.Helper()
	p := &Process{
		Events: NewLog[Event](),
		cmd:    exec.Command(path, args...),
		ended:  make(chan struct{}),
	}
	p.cmd.Stderr = &prefixed{t: t}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("cannot run %s: %v", path, err)
	}
	go p.read(stdout)
	t.Cleanup(func() { p.finish(t) })
	return p
}

// read collects events until the end of the output, then the exit status.
func (p *Process) read(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = Event{"event": "not JSON", "line": lines.Text()}
		}
		p.Events.Add(e)
	}
	p.err = p.cmd.Wait()
	close(p.ended)
}

func (p *Process) finish(t *testing.T) {
	p.stdin.Close()
	select {
	case <-p.ended:
	case <-time.After(Patience):
		p.cmd.Process.Kill()
		<-p.ended
		t.Errorf("%s did not end when its input did", p.cmd.Path)
	}
	for _, e := range p.Events.All() {
		if e.Text("event") == "not JSON" {
			t.Errorf("a line that is no JSON object: %q", e.Text("line"))
		}
	}
	if t.Failed() {
		t.Logf("events of %s:%s", p.cmd.Path, render(p.Events.All()))
	}
}

// EndInput closes the standard input of a tool.
func (p *Process) EndInput() {
	p.stdin.Close()
}

// Exit waits for the end and returns the exit code.
func (p *Process) Exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(Patience):
		t.Fatalf("%s does not end", p.cmd.Path)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Command sends a command and returns its result.
func (p *Process) Command(t *testing.T, command Event) Event {
	t.Helper()
	p.mu.Lock()
	p.nextID++
	id := p.nextID
	p.mu.Unlock()
	command["id"] = id
	line, err := json.Marshal(command)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		t.Fatalf("cannot send %s: %v", line, err)
	}
	return p.Events.Await(t, fmt.Sprintf("result of %s", line),
		func(e Event) bool {
			return e.Text("event") == "result" && e.Number("id") == int64(id)
		})
}

// Do sends a command that must succeed.
func (p *Process) Do(t *testing.T, command Event) Event {
	t.Helper()
	result := p.Command(t, command)
	if result["ok"] != true {
		t.Fatalf("%s failed: %v", command.Text("command"), result)
	}
	return result
}

// prefixed passes the standard error of a tool on to the test's log.
type prefixed struct {
	t *testing.T
}

func (w *prefixed) Write(b []byte) (int, error) {
	w.t.Logf("stderr: %s", strings.TrimRight(string(b), "\n"))
	return len(b), nil
}
