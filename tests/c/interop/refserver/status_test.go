// SPDX-License-Identifier: Apache-2.0

package refserver

import (
	"slices"

	"github.com/google/uuid"
	"github.com/open-telemetry/opamp-go/protobufs"

	"libopamp/interop/internal/peer"
)

// Covers: WIRE-1, WIRE-8, HTTP-1, HTTP-2, CONN-1, CONN-14
func fullStateFirst(w *world) {
	w.start()
	sameBytes(w.t, "instance_uid", w.first.InstanceUid, w.uid[:])
	if w.first.SequenceNum != 0 {
		w.t.Errorf("the first sequence_num is %d", w.first.SequenceNum)
	}
	status := uint64(protobufs.AgentCapabilities_AgentCapabilities_ReportsStatus)
	if w.first.Capabilities&status == 0 {
		w.t.Errorf("capabilities %#x lack ReportsStatus", w.first.Capabilities)
	}
	d := w.first.GetAgentDescription()
	if got := attribute(d.GetIdentifyingAttributes(), "service.name"); got != "interop" {
		w.t.Errorf("service.name is %q", got)
	}
	request := w.requests.All()[0]
	if got := request.Header.Get("OpAMP-Instance-UID"); got != w.uid.String() {
		w.t.Errorf("header OpAMP-Instance-UID is %q, not %s", got, w.uid)
	}
	if request.URL.Path != "/v1/opamp" {
		w.t.Errorf("a URL without a path asked for %q", request.URL.Path)
	}
	if w.isWebSocket() {
		return
	}
	if request.Method != "POST" {
		w.t.Errorf("the method is %s", request.Method)
	}
	if got := request.Header.Get("Content-Type"); got != "application/x-protobuf" {
		w.t.Errorf("the content type is %q", got)
	}
}

// Covers: STATE-1
func sequenceNumbers(w *world) {
	w.start()
	w.barrier("one")
	w.barrier("two")
	w.barrier("three")
	for i, m := range w.messages.All() {
		if m.SequenceNum != uint64(i) {
			w.t.Fatalf("message %d has sequence_num %d", i, m.SequenceNum)
		}
	}
}

// Covers: STATE-2, STATE-6
func unchangedFields(w *world) {
	w.start()
	second := w.barrier("same")
	want := []string{"capabilities", "health", "instance_uid", "sequence_num"}
	if got := fields(second); !slices.Equal(got, want) {
		w.t.Errorf("a change of health sent %v", got)
	}
	w.agent.Do(w.t, peer.Event{"command": "set_health",
		"health": peer.Event{"healthy": true, "status": "same"}})
	w.barrier("other")
	same := 0
	for _, m := range w.messages.All() {
		if m.GetHealth().GetStatus() == "same" {
			same++
		}
	}
	if same != 1 {
		w.t.Errorf("an equal health was sent %d times", same)
	}
}

// Covers: STATE-4
func reportFullState(w *world) {
	w.start("--capabilities", "+ReportsAvailableComponents")
	w.barrier("kept")
	w.agent.Do(w.t, peer.Event{"command": "set_components",
		"components": peer.Event{"receiver": peer.Event{}}})
	w.await("available components", has("available_components"))
	w.push(w.t, &protobufs.ServerToAgent{
		Flags: uint64(protobufs.ServerToAgentFlags_ServerToAgentFlags_ReportFullState),
	})
	full := w.await("the full state", has("agent_description"))
	if !has("health", "available_components")(full) {
		w.t.Errorf("the full state has only %v", fields(full))
	}
	if got := full.GetHealth().GetStatus(); got != "kept" {
		w.t.Errorf("its health is %q", got)
	}
}

// Covers: STATE-2
func healthTree(w *world) {
	w.start()
	w.agent.Do(w.t, peer.Event{"command": "set_health", "health": peer.Event{
		"healthy": false, "status": "degraded", "last_error": "disk full",
		"start_time_unix_nano": 1700000000000000000,
		"components": peer.Event{
			"pipeline": peer.Event{"healthy": true, "components": peer.Event{
				"exporter": peer.Event{"healthy": false, "last_error": "refused"},
			}},
		}}})
	m := w.await("the health tree", func(m message) bool {
		return m.GetHealth().GetStatus() == "degraded"
	})
	h := m.GetHealth()
	if h.Healthy || h.LastError != "disk full" {
		w.t.Errorf("the root is %v", h)
	}
	if h.StartTimeUnixNano != 1700000000000000000 {
		w.t.Errorf("start_time_unix_nano is %d", h.StartTimeUnixNano)
	}
	pipeline := h.ComponentHealthMap["pipeline"]
	if !pipeline.GetHealthy() {
		w.t.Errorf("pipeline is %v", pipeline)
	}
	exporter := pipeline.GetComponentHealthMap()["exporter"]
	if exporter.GetHealthy() || exporter.GetLastError() != "refused" {
		w.t.Errorf("exporter is %v", exporter)
	}
}

// Covers: STATE-2
func description(w *world) {
	w.start("--identify", "service.version=1.2", "--describe", "rack=7")
	d := w.first.GetAgentDescription()
	if got := attribute(d.GetIdentifyingAttributes(), "service.version"); got != "1.2" {
		w.t.Errorf("service.version is %q", got)
	}
	if got := attribute(d.GetNonIdentifyingAttributes(), "rack"); got != "7" {
		w.t.Errorf("rack is %q", got)
	}
	w.agent.Do(w.t, peer.Event{"command": "set_description",
		"identifying":     peer.Event{"service.name": "renamed"},
		"non_identifying": peer.Event{"ports": []int{80, 443}}})
	m := w.await("the new description", has("agent_description"))
	d = m.GetAgentDescription()
	if got := attribute(d.GetIdentifyingAttributes(), "service.name"); got != "renamed" {
		w.t.Errorf("service.name is %q", got)
	}
	for _, kv := range d.GetNonIdentifyingAttributes() {
		list := kv.Value.GetArrayValue().GetValues()
		if kv.Key == "ports" && len(list) == 2 && list[1].GetIntValue() == 443 {
			return
		}
	}
	w.t.Errorf("the list of ports is not in %v", d.GetNonIdentifyingAttributes())
}

// Covers: STATE-2
func effectiveConfig(w *world) {
	w.start("--capabilities", "+ReportsEffectiveConfig")
	w.agent.Do(w.t, peer.Event{"command": "set_effective_config",
		"files": peer.Event{
			"":      peer.Event{"body": "main", "content_type": "text/yaml"},
			"b.bin": peer.Event{"body_base64": "AAEC"},
		}})
	m := w.await("the effective configuration", has("effective_config"))
	files := m.GetEffectiveConfig().GetConfigMap().GetConfigMap()
	if len(files) != 2 || files[""].GetContentType() != "text/yaml" {
		w.t.Errorf("the files are %v", files)
	}
	sameBytes(w.t, "the file without a name", files[""].GetBody(), []byte("main"))
	sameBytes(w.t, "b.bin", files["b.bin"].GetBody(), []byte{0, 1, 2})
}

// Covers: STATE-5
func availableComponents(w *world) {
	w.start("--capabilities", "+ReportsAvailableComponents")
	w.agent.Do(w.t, peer.Event{"command": "set_components",
		"components": peer.Event{"receivers": peer.Event{
			"metadata":   peer.Event{"kind": "list"},
			"components": peer.Event{"otlp": peer.Event{"metadata": peer.Event{"v": "1"}}},
		}}})
	m := w.await("the hash of the components", has("available_components"))
	hash := m.GetAvailableComponents().GetHash()
	if len(hash) == 0 || len(m.GetAvailableComponents().GetComponents()) != 0 {
		w.t.Errorf("unasked, the components are %v", m.GetAvailableComponents())
	}
	w.push(w.t, &protobufs.ServerToAgent{
		Flags: uint64(protobufs.ServerToAgentFlags_ServerToAgentFlags_ReportAvailableComponents),
	})
	full := w.await("the components", func(m message) bool {
		return len(m.GetAvailableComponents().GetComponents()) > 0
	}).GetAvailableComponents()
	sameBytes(w.t, "the hash beside the components", full.Hash, hash)
	receivers := full.Components["receivers"]
	if attribute(receivers.GetMetadata(), "kind") != "list" {
		w.t.Errorf("the metadata are %v", receivers.GetMetadata())
	}
	otlp := receivers.GetSubComponentMap()["otlp"]
	if attribute(otlp.GetMetadata(), "v") != "1" {
		w.t.Errorf("the component below is %v", otlp)
	}
}

// Covers: STATE-10
func capabilities(w *world) {
	w.start()
	w.agent.Do(w.t, peer.Event{"command": "set_capabilities",
		"capabilities": []string{"ReportsStatus", "AcceptsRestartCommand"}})
	want := uint64(
		protobufs.AgentCapabilities_AgentCapabilities_ReportsStatus |
			protobufs.AgentCapabilities_AgentCapabilities_AcceptsRestartCommand)
	w.await("the new capabilities", func(m message) bool {
		return m.Capabilities == want
	})
}

// Covers: STATE-12
func batch(w *world) {
	w.start()
	w.agent.Do(w.t, peer.Event{"command": "batch", "commands": []peer.Event{
		{"command": "set_health", "health": peer.Event{"healthy": true, "status": "batched"}},
		{"command": "set_description", "identifying": peer.Event{"service.name": "batched"}},
	}})
	m := w.await("the batch", func(m message) bool {
		return m.GetHealth().GetStatus() == "batched" ||
			attribute(m.GetAgentDescription().GetIdentifyingAttributes(),
				"service.name") == "batched"
	})
	if !has("health", "agent_description")(m) {
		w.t.Errorf("the batch was torn: first came %v", fields(m))
	}
}

// Covers: STATE-7, HTTP-4
func heartbeats(w *world) {
	w.start("--heartbeat", "1000")
	quiet := []string{"capabilities", "instance_uid", "sequence_num"}
	isQuiet := func(m message) bool { return slices.Equal(fields(m), quiet) }
	w.await("a heartbeat", isQuiet)
	w.await("another heartbeat", isQuiet)
}

// Covers: STATE-9
func identity(w *world) {
	w.start()
	after := uuid.Must(uuid.NewV7())
	w.push(w.t, &protobufs.ServerToAgent{
		AgentIdentification: &protobufs.AgentIdentification{
			NewInstanceUid: after[:],
		}})
	e := w.event("identity")
	if e.Text("instance_uid") != after.String() || e.Text("previous") != w.uid.String() {
		w.t.Errorf("the event says %v", e)
	}
	m := w.await("a message under the new uid", func(m message) bool {
		return string(m.InstanceUid) == string(after[:])
	})
	if !has("agent_description")(m) {
		w.t.Errorf("the first message under a new uid has only %v", fields(m))
	}
	if w.isWebSocket() {
		return
	}
	w.requests.Await(w.t, "a request with the new uid in its header",
		hasHeader("OpAMP-Instance-UID", after.String()))
}
