// SPDX-License-Identifier: Apache-2.0

package refserver

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/open-telemetry/opamp-go/protobufs"

	"libopamp/interop/internal/peer"
)

// offer is a remote configuration of these files under this hash.
func offer(hash string, files map[string]string) *protobufs.ServerToAgent {
	objects := map[string]*protobufs.AgentConfigFile{}
	for name, body := range files {
		objects[name] = &protobufs.AgentConfigFile{
			Body:        []byte(body),
			ContentType: "text/plain",
		}
	}
	return &protobufs.ServerToAgent{
		RemoteConfig: &protobufs.AgentRemoteConfig{
			Config:     &protobufs.AgentConfigMap{ConfigMap: objects},
			ConfigHash: []byte(hash),
		}}
}

// verdict waits for the final status of a configuration.
func (w *world) verdict(hash string) *protobufs.RemoteConfigStatus {
	w.t.Helper()
	return w.await("APPLIED or FAILED for "+hash, func(m message) bool {
		s := m.GetRemoteConfigStatus()
		return string(s.GetLastRemoteConfigHash()) == hash &&
			s.GetStatus() != protobufs.RemoteConfigStatuses_RemoteConfigStatuses_APPLYING
	}).GetRemoteConfigStatus()
}

func (w *world) mustApply(hash string) {
	w.t.Helper()
	s := w.verdict(hash)
	if s.Status != protobufs.RemoteConfigStatuses_RemoteConfigStatuses_APPLIED {
		w.t.Fatalf("%s is %v: %s", hash, s.Status, s.ErrorMessage)
	}
	if s.ErrorMessage != "" {
		w.t.Errorf("APPLIED with the error %q", s.ErrorMessage)
	}
}

// Covers: OFFER-3, OFFER-4, OFFER-7
func configApplied(w *world) {
	dir := w.t.TempDir()
	w.start("--config-dir", dir)
	w.push(w.t, offer("h1\x00\xff", map[string]string{
		"":            "unnamed",
		"site/a.conf": "first",
	}))
	w.mustApply("h1\x00\xff")
	e := w.event("remote_config")
	if e.At("files", "site/a.conf", "content_type") != "text/plain" {
		w.t.Errorf("the event says %v", e)
	}
	for name, want := range map[string]string{
		"config": "unnamed", "site/a.conf": "first"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != want {
			w.t.Errorf("%s holds %q (%v)", name, got, err)
		}
	}
	w.agentConfig("site/a.conf", "first")
}

// agentConfig finds what the agent last reported as the body of a file.
func (w *world) agentConfig(name, want string) {
	w.t.Helper()
	w.messages.Ever(w.t, "effective configuration with "+name, func(m message) bool {
		files := m.GetEffectiveConfig().GetConfigMap().GetConfigMap()
		return string(files[name].GetBody()) == want
	})
}

// Covers: OFFER-4
func configFailed(w *world) {
	dir := w.t.TempDir()
	w.start("--config-dir", dir, "--apply",
		`! grep -q wrong "$OPAMP_CONFIG_DIR"/main || { echo "line 7: no such word"; exit 1; }`)
	w.push(w.t, offer("good", map[string]string{"main": "right"}))
	w.mustApply("good")
	w.push(w.t, offer("bad", map[string]string{"main": "wrong"}))
	s := w.verdict("bad")
	if s.Status != protobufs.RemoteConfigStatuses_RemoteConfigStatuses_FAILED {
		w.t.Fatalf("the bad configuration is %v", s.Status)
	}
	if !strings.Contains(s.ErrorMessage, "line 7: no such word") {
		w.t.Errorf("the error is %q", s.ErrorMessage)
	}
	got, err := os.ReadFile(filepath.Join(dir, "main"))
	if err != nil || string(got) != "right" {
		w.t.Errorf("after the failure the file holds %q (%v)", got, err)
	}
}

// Covers: OFFER-5
func configRepeated(w *world) {
	w.start("--config-dir", w.t.TempDir())
	w.push(w.t, offer("once", map[string]string{"a": "1"}))
	w.mustApply("once")
	w.event("remote_config")
	w.push(w.t, offer("once", map[string]string{"a": "1"}))
	w.push(w.t, offer("twice", map[string]string{"a": "2"}))
	w.mustApply("twice")
	e := w.event("remote_config")
	if want := "7477696365"; e.Text("hash") != want {
		w.t.Errorf("the second offer handed out is %v, not %s", e, want)
	}
}

// Covers: STATE-14
func customMessages(w *world) {
	w.start()
	w.agent.Do(w.t, peer.Event{"command": "set_custom_capabilities",
		"capabilities": []string{"org.example.echo"}})
	declared := w.await("the custom capabilities", has("custom_capabilities"))
	if got := declared.CustomCapabilities.Capabilities; len(got) != 1 ||
		got[0] != "org.example.echo" {
		w.t.Errorf("the capabilities are %v", got)
	}
	w.push(w.t, &protobufs.ServerToAgent{CustomMessage: &protobufs.CustomMessage{
		Capability: "org.example.echo", Type: "ping", Data: []byte{1, 2, 0, 255},
	}})
	e := w.event("custom_message")
	data, err := base64.StdEncoding.DecodeString(e.Text("data"))
	if err != nil || e.Text("type") != "ping" {
		w.t.Errorf("the event is %v (%v)", e, err)
	}
	sameBytes(w.t, "the data", data, []byte{1, 2, 0, 255})
	for _, kind := range []string{"first", "second"} {
		w.agent.Do(w.t, peer.Event{"command": "send_custom",
			"capability": "org.example.echo", "type": kind, "data": "AAH/"})
	}
	for _, kind := range []string{"first", "second"} {
		m := w.await("a custom message", has("custom_message"))
		if m.CustomMessage.Type != kind {
			w.t.Errorf("%s came instead of %s", m.CustomMessage.Type, kind)
		}
		sameBytes(w.t, "its data", m.CustomMessage.Data, []byte{0, 1, 255})
	}
}

// Covers: STATE-14
func undeclaredCapability(w *world) {
	w.start()
	result := w.agent.Command(w.t, peer.Event{"command": "send_custom",
		"capability": "org.example.other", "type": "x", "data": ""})
	if result["ok"] != false {
		w.t.Errorf("sending it is %v", result)
	}
	w.push(w.t, &protobufs.ServerToAgent{CustomMessage: &protobufs.CustomMessage{
		Capability: "org.example.other", Type: "x",
	}})
	w.afterPush()
	w.agent.Events.None(w.t, "an undeclared message is handed out",
		peer.Is("custom_message"))
}

// Covers: OFFER-1, OFFER-8
func restartCommand(w *world) {
	w.start("--on-restart", "true", "--config-dir", w.t.TempDir())
	command := offer("ignored", map[string]string{"a": "1"})
	command.Command = &protobufs.ServerToAgentCommand{
		Type: protobufs.CommandType_CommandType_Restart,
	}
	w.push(w.t, command)
	if e := w.event("command"); e.Text("type") != "Restart" {
		w.t.Errorf("the event is %v", e)
	}
	w.push(w.t, command)
	w.afterPush()
	w.agent.Events.None(w.t, "the same command twice", peer.Is("command"))
	w.agent.Events.None(w.t, "what stands beside a command",
		peer.Is("remote_config"))
}

// Covers: OFFER-2
func foreignUID(w *world) {
	w.start("--config-dir", w.t.TempDir())
	other := uuid.New()
	m := offer("foreign", map[string]string{"a": "1"})
	m.InstanceUid = other[:]
	w.push(w.t, m)
	w.event("bad_message")
	w.agent.Events.None(w.t, "an offer for another agent",
		peer.Is("remote_config"))
}
