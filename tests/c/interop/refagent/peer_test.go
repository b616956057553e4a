// SPDX-License-Identifier: Apache-2.0

// Package refagent drives opamp-peer with an agent made of opamp-go's client.
package refagent

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/open-telemetry/opamp-go/client"
	"github.com/open-telemetry/opamp-go/client/types"
	"github.com/open-telemetry/opamp-go/protobufs"

	"libopamp/interop/internal/peer"
)

const capabilities = protobufs.AgentCapabilities_AgentCapabilities_ReportsStatus |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsHealth |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsHeartbeat |
	protobufs.AgentCapabilities_AgentCapabilities_AcceptsRemoteConfig |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsRemoteConfig |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsEffectiveConfig |
	protobufs.AgentCapabilities_AgentCapabilities_AcceptsRestartCommand

// world is one check: opamp-peer, and an opamp-go agent connected to it.
type world struct {
	t        *testing.T
	scheme   string
	server   *peer.Process
	agent    client.OpAMPClient
	uid      uuid.UUID
	received *peer.Log[*types.MessageData]
	commands *peer.Log[*protobufs.ServerToAgentCommand]
	errors   *peer.Log[*protobufs.ServerErrorResponse]
	stopped  bool
}

type silent struct{}

func (silent) Debugf(context.Context, string, ...any) {}
func (silent) Errorf(context.Context, string, ...any) {}

// newWorld starts both and waits for the agent's first message.
func newWorld(t *testing.T, scheme string, args ...string) *world {
	t.Helper()
	w := &world{
		t:        t,
		scheme:   scheme,
		uid:      uuid.Must(uuid.NewV7()),
		received: peer.NewLog[*types.MessageData](),
		commands: peer.NewLog[*protobufs.ServerToAgentCommand](),
		errors:   peer.NewLog[*protobufs.ServerErrorResponse](),
	}
	all := []string{"--listen", "127.0.0.1:0", "--json", "--control"}
	var tlsConfig *tls.Config
	if scheme == "wss" || scheme == "https" {
		cert := peer.NewCertificate(t)
		all = append(all, "--tls-cert", cert.CertFile, "--tls-key", cert.KeyFile)
		tlsConfig = &tls.Config{RootCAs: cert.Roots}
	}
	w.server = peer.Start(t, peer.Binary(t, "OPAMP_PEER"), append(all, args...)...)
	listening := w.server.Events.Await(t, "event listening", peer.Is("listening"))
	w.startAgent(scheme+"://"+hostPort(listening.Text("address"))+"/v1/opamp", tlsConfig)
	return w
}

// hostPort accepts an address with or without a scheme in front of it.
func hostPort(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	return strings.TrimSuffix(address, "/v1/opamp")
}

func (w *world) startAgent(url string, tlsConfig *tls.Config) {
	t := w.t
	t.Helper()
	if strings.HasPrefix(w.scheme, "ws") {
		w.agent = client.NewWebSocket(silent{})
	} else {
		w.agent = client.NewHTTP(silent{})
	}
	must(t, w.agent.SetAgentDescription(&protobufs.AgentDescription{
		IdentifyingAttributes: []*protobufs.KeyValue{text("service.name", "go")},
	}))
	must(t, w.agent.SetHealth(&protobufs.ComponentHealth{Healthy: true, Status: "up"}))
	wanted := capabilities
	must(t, w.agent.SetCapabilities(&wanted))
	interval := time.Second
	must(t, w.agent.Start(context.Background(), types.StartSettings{
		OpAMPServerURL:    url,
		TLSConfig:         tlsConfig,
		InstanceUid:       types.InstanceUid(w.uid),
		HeartbeatInterval: &interval,
		Callbacks: types.Callbacks{
			OnError: func(_ context.Context, e *protobufs.ServerErrorResponse) {
				w.errors.Add(e)
			},
			OnMessage: func(_ context.Context, m *types.MessageData) { w.received.Add(m) },
			OnCommand: func(_ context.Context, c *protobufs.ServerToAgentCommand) error {
				w.commands.Add(c)
				return nil
			},
			GetEffectiveConfig: func(context.Context) (*protobufs.EffectiveConfig, error) {
				return &protobufs.EffectiveConfig{ConfigMap: &protobufs.AgentConfigMap{
					ConfigMap: map[string]*protobufs.AgentConfigFile{
						"main": {Body: []byte("effective")},
					}}}, nil
			},
		},
	}))
	t.Cleanup(w.stopAgent)
}

func (w *world) stopAgent() {
	if w.stopped {
		return
	}
	w.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), peer.Patience)
	defer cancel()
	if err := w.agent.Stop(ctx); err != nil {
		w.t.Errorf("opamp-go's client does not stop: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func text(key, value string) *protobufs.KeyValue {
	return &protobufs.KeyValue{Key: key, Value: &protobufs.AnyValue{
		Value: &protobufs.AnyValue_StringValue{StringValue: value}}}
}

// message waits for a message that opamp-peer saw, with something at a path.
func (w *world) message(what string, match func(peer.Event) bool) peer.Event {
	w.t.Helper()
	return w.server.Events.Await(w.t, what, func(e peer.Event) bool {
		return e.Text("event") == "message" && match(e)
	})
}

func present(path ...string) func(peer.Event) bool {
	return func(e peer.Event) bool {
		return e.At(append([]string{"message"}, path...)...) != nil
	}
}

// send makes opamp-peer send a ServerToAgent to every agent.
func (w *world) send(message peer.Event) {
	w.t.Helper()
	w.server.Do(w.t, peer.Event{"command": "send", "message": message})
}

func TestPeer(t *testing.T) {
	type check struct {
		name string
		run  func(*testing.T, string)
	}
	checks := []check{
		{"full state", fullState},
		{"remote configuration", remoteConfig},
		{"configuration directory", configDir},
		{"custom messages both ways", customMessages},
		{"restart command", restartCommand},
		{"ReportFullState", reportFullState},
		{"identity", identity},
		{"error", serverError},
		{"broken connection", brokenConnection},
	}
	for _, scheme := range []string{"ws", "http", "wss", "https"} {
		list := checks
		// Over HTTP opamp-go's client just stops asking.
		if strings.HasPrefix(scheme, "ws") {
			list = append(list[:len(list):len(list)], check{"disconnect", disconnect})
		}
		for _, check := range list {
			t.Run(scheme+"/"+check.name, func(t *testing.T) {
				t.Parallel()
				check.run(t, scheme)
			})
		}
	}
}

func writeFile(t *testing.T, dir, name, body string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600))
}

func fullState(t *testing.T, scheme string) {
	w := newWorld(t, scheme)
	connected := w.server.Events.Await(t, "event connected", peer.Is("connected"))
	want := "http"
	if strings.HasPrefix(scheme, "ws") {
		want = "websocket"
	}
	if got := connected.Text("transport"); got != want {
		t.Errorf("the transport is %q", got)
	}
	e := w.message("the description", present("agent_description"))
	if got := e.Text("instance_uid"); got != w.uid.String() {
		t.Errorf("instance_uid is %q, not %s", got, w.uid)
	}
	if e.At("message", "health", "status") != "up" {
		t.Errorf("the health is %v", e.At("message", "health"))
	}
}

func remoteConfig(t *testing.T, scheme string) {
	w := newWorld(t, scheme)
	w.message("the first message", present("agent_description"))
	w.server.Do(t, peer.Event{"command": "offer_config", "files": peer.Event{
		"main": peer.Event{"body": "hello", "content_type": "text/plain"},
	}})
	m := w.received.Await(t, "the remote configuration",
		func(m *types.MessageData) bool { return m.RemoteConfig != nil })
	file := m.RemoteConfig.GetConfig().GetConfigMap()["main"]
	if string(file.GetBody()) != "hello" || file.GetContentType() != "text/plain" {
		t.Errorf("the file is %v", file)
	}
	must(t, w.agent.SetRemoteConfigStatus(&protobufs.RemoteConfigStatus{
		LastRemoteConfigHash: m.RemoteConfig.ConfigHash,
		Status:               protobufs.RemoteConfigStatuses_RemoteConfigStatuses_APPLIED,
	}))
	w.message("APPLIED", func(e peer.Event) bool {
		return e.At("message", "remote_config_status", "status") == "APPLIED"
	})
}

func configDir(t *testing.T, scheme string) {
	dir := t.TempDir()
	writeFile(t, dir, "main", "from a file")
	w := newWorld(t, scheme, "--config-dir", dir)
	m := w.received.Await(t, "the file as a configuration",
		func(m *types.MessageData) bool { return m.RemoteConfig != nil })
	file := m.RemoteConfig.GetConfig().GetConfigMap()["main"]
	if string(file.GetBody()) != "from a file" {
		t.Errorf("the file is %v", file)
	}
}

func customMessages(t *testing.T, scheme string) {
	w := newWorld(t, scheme)
	w.message("the first message", present("agent_description"))
	must(t, w.agent.SetCustomCapabilities(&protobufs.CustomCapabilities{
		Capabilities: []string{"org.example.echo"},
	}))
	w.message("the custom capabilities", present("custom_capabilities"))
	w.send(peer.Event{"custom_message": peer.Event{
		"capability": "org.example.echo", "type": "ping",
		"data": base64.StdEncoding.EncodeToString([]byte{0, 255}),
	}})
	m := w.received.Await(t, "the custom message",
		func(m *types.MessageData) bool { return m.CustomMessage != nil })
	if m.CustomMessage.Type != "ping" || string(m.CustomMessage.Data) != "\x00\xff" {
		t.Errorf("it is %v", m.CustomMessage)
	}
	if _, err := w.agent.SendCustomMessage(&protobufs.CustomMessage{
		Capability: "org.example.echo", Type: "pong", Data: []byte{1, 2},
	}); err != nil {
		t.Fatal(err)
	}
	e := w.message("the custom message", present("custom_message"))
	if e.At("message", "custom_message", "type") != "pong" ||
		e.At("message", "custom_message", "data") != "AQI=" {
		t.Errorf("opamp-peer saw %v", e)
	}
}

func restartCommand(t *testing.T, scheme string) {
	w := newWorld(t, scheme)
	w.message("the first message", present("agent_description"))
	w.send(peer.Event{"command": peer.Event{"type": "Restart"}})
	c := w.commands.Await(t, "the command",
		func(*protobufs.ServerToAgentCommand) bool { return true })
	if c.Type != protobufs.CommandType_CommandType_Restart {
		t.Errorf("it is %v", c)
	}
}

func reportFullState(t *testing.T, scheme string) {
	w := newWorld(t, scheme)
	w.message("the first message", present("agent_description"))
	w.send(peer.Event{
		"flags": int(protobufs.ServerToAgentFlags_ServerToAgentFlags_ReportFullState),
	})
	e := w.message("the full state", present("agent_description"))
	if e.At("message", "effective_config", "config_map", "config_map", "main") == nil {
		t.Errorf("it lacks the effective configuration: %v", e)
	}
}

func identity(t *testing.T, scheme string) {
	w := newWorld(t, scheme)
	w.message("the first message", present("agent_description"))
	after := uuid.Must(uuid.NewV7())
	w.send(peer.Event{"agent_identification": peer.Event{
		"new_instance_uid": after.String(),
	}})
	m := w.received.Await(t, "the new uid",
		func(m *types.MessageData) bool { return m.AgentIdentification != nil })
	if got := m.AgentIdentification.NewInstanceUid; string(got) != string(after[:]) {
		t.Errorf("it is %x, not %s", got, after)
	}
}

func serverError(t *testing.T, scheme string) {
	w := newWorld(t, scheme)
	w.message("the first message", present("agent_description"))
	w.server.Do(t, peer.Event{"command": "error", "type": "BadRequest",
		"message": "no such thing"})
	must(t, w.agent.SetHealth(&protobufs.ComponentHealth{Status: "changed"}))
	e := w.errors.Await(t, "the error",
		func(*protobufs.ServerErrorResponse) bool { return true })
	if e.ErrorMessage != "no such thing" || e.Type !=
		protobufs.ServerErrorResponseType_ServerErrorResponseType_BadRequest {
		t.Errorf("it is %v", e)
	}
}

func disconnect(t *testing.T, scheme string) {
	w := newWorld(t, scheme)
	w.message("the first message", present("agent_description"))
	w.stopAgent()
	w.message("agent_disconnect", present("agent_disconnect"))
}

func brokenConnection(t *testing.T, scheme string) {
	w := newWorld(t, scheme)
	w.message("the first message", present("agent_description"))
	w.server.Do(t, peer.Event{"command": "reset"})
	must(t, w.agent.SetHealth(&protobufs.ComponentHealth{Status: "after"}))
	w.message("the health after the break", func(e peer.Event) bool {
		return e.At("message", "health", "status") == "after"
	})
}
