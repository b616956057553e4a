// SPDX-License-Identifier: Apache-2.0

// Package peer has what both directions of the interop tests need: a log that
// can be waited on, a process that speaks JSON lines, and certificates.
package peer

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// Patience is how long any single thing may take before a test fails.
const Patience = 15 * time.Second

// Log collects what happened and lets a test wait for it.
type Log[T any] struct {
	mu      sync.Mutex
	pending []T
	all     []T
	changed chan struct{}
}

// NewLog makes an empty log.
func NewLog[T any]() *Log[T] {
	return &Log[T]{changed: make(chan struct{})}
}

// Add appends an item and wakes those who wait.
func (l *Log[T]) Add(item T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, item)
	l.all = append(l.all, item)
	close(l.changed)
	l.changed = make(chan struct{})
}

// All returns everything that ever was added.
func (l *Log[T]) All() []T {
	all, _ := l.look()
	return all
}

func (l *Log[T]) look() ([]T, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all), l.changed
}

// take removes and returns the oldest pending item that matches; else the
// channel that is closed at the next change.
func (l *Log[T]) take(match func(T) bool) (T, bool, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, item := range l.pending {
		if match(item) {
			l.pending = append(l.pending[:i:i], l.pending[i+1:]...)
			return item, true, nil
		}
	}
	var none T
	return none, false, l.changed
}

// Await waits for an item that matches and takes it out; `what` says in the
// failure what did not come.
func (l *Log[T]) Await(t *testing.T, what string, match func(T) bool) T {
	t.Helper()
	late := time.After(Patience)
	for {
		item, ok, changed := l.take(match)
		if ok {
			return item
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("did not come within %v: %s; what came:%s", Patience,
				what, render(l.All()))
		}
	}
}

// Ever waits for an item that matches, whether it has been taken or not, and
// leaves it where it is.
func (l *Log[T]) Ever(t *testing.T, what string, match func(T) bool) {
	t.Helper()
	late := time.After(Patience)
	for {
		all, changed := l.look()
		if slices.ContainsFunc(all, match) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("did not come within %v: %s; what came:%s", Patience,
				what, render(all))
		}
	}
}

// None fails when an item matches that nobody has taken.
func (l *Log[T]) None(t *testing.T, what string, match func(T) bool) {
	t.Helper()
	if item, ok, _ := l.take(match); ok {
		t.Fatalf("must not happen: %s; but: %v", what, item)
	}
}
